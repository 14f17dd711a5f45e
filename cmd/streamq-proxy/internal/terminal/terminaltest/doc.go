// Package terminaltest makes terminals for tests.
package terminaltest

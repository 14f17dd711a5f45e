// Package sharedtest has stores for tests of package shared and of what uses it: a real
// redis-server, and a fake. Both can be stopped, killed, emptied and filled.
package sharedtest

// Package selfsigned makes certificates for tests, each signed by its own key. It is no part of the program.
package selfsigned

// Package endpoint reads the addresses that users write, tcp://HOST:PORT and
// ipc://PATH, for everything that listens or connects.
//
// # What this package does not do
//
// It makes no socket. Only [Endpoint.Resolve] asks the system anything: which
// addresses a name has.
package endpoint

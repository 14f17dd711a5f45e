// Package libzmq is what the program knows of the libzmq that it runs on, and what
// lets one binary run on every libzmq of its major version.
//
// pebbe/zmq4 1.4.0 has a table of libzmq's versions that ends at 4.3.5. It makes no
// context when the version that it was compiled with, or the one that it runs on, is
// not in that table and the two differ. libzmq itself promises more: what was linked
// with libzmq.so.5 runs on every later libzmq.so.5.
//
//	pebbe/zmq4's init ── zmq_version ──► version.c: the version of the headers, where
//	                                        │         that promise holds
//	Version ──────────────────────────────► libzmq's own zmq_version: the truth
//
// The C function zmq_version is defined here, and the linker resolves pebbe/zmq4's use
// of the name to the program's own before libzmq's. It answers with the version that
// pebbe/zmq4 was compiled with, whose constants are the ones in use, when the libzmq
// that is loaded is of the same major version and of the same minor one or a later.
// Otherwise it tells the truth, and pebbe/zmq4 says what is wrong.
//
// # What this package does not do
//
// It does not make an older libzmq do what its headers did not know. A program of
// somebody else that imports package control's client is not concerned unless it
// imports package stream, too.
package libzmq

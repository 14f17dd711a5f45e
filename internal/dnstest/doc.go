// Package dnstest is a DNS server on loopback, for tests.
//
// It answers for any name by what it is told, over UDP and TCP, and can be slow,
// silent or broken. It is no part of the program.
package dnstest

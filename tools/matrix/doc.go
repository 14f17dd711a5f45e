// Command matrix runs the integration tests with every libzmq under the proxy and every
// libzmq under its peers, and writes the table of what came of it into docs/matrix.md.
//
//	libraries: Debian 12's, Debian 13's, that of pyzmq's newest wheel, those of -library
//
//	cell(P, Q):  the test program, in which the peers are ── runs on ──► Q
//	                 └─ starts the proxy, one binary ────── runs on ──► P
//
// Nothing is installed: packages are unpacked below .build/matrix, where they stay. A
// library that needs a newer libc than the machine's is run by the loader of its own
// Debian, and then the Python peers, which the tests start, stay on the machine's.
//
// A cell fails when a test in it does. The quick form runs the newest library beside the
// machine's own, both ways, with fewer tests, and writes nothing.
package main

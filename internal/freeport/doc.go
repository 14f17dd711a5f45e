// Package freeport picks TCP ports for tests that have to know one before somebody listens there.
//
// A port that the kernel has chosen once may be chosen again for another test, as soon as its listener is closed. So
// these are ports that it gives to nobody who does not ask for them: those below net.ipv4.ip_local_port_range. It is no
// part of the program.
package freeport

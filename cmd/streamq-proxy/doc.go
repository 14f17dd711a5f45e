// Command streamq-proxy is a transparent security passthrough for ZeroMQ: it
// stands between clients and workers and moves their bytes without reading them,
// so that CURVE, PLAIN, NULL or GSSAPI runs end to end and the proxy holds no key.
//
//	streamq-proxy run --frontend tcp://127.0.0.1:5555 --worker tcp://127.0.0.1:6000
//
// This package is the wiring, and the only place that knows everyone: it reads
// flags and file (internal/config), opens a [stream.Pool] for each pool, serves
// HTTP beside them, writes the log and the access log, and listens to signals.
//
//	run ---> pools ---- Run ---------------------------+
//	  |---> HTTP: / /metrics /healthz /readyz /api/v1  +--> all ended: exit 0
//	  |---> signals: TERM, INT drain, then end --------+
//	  |              HUP reload the file, all or nothing
//	  |        ^
//	  |---> control socket: what it is asked for about the process is done there
//	  +---> log, a queue of lines so that nothing waits for a disk or a pipe
//
// ctl is the other side of the control socket.
//
// Whatever is wrong with flags, file, endpoints or ports is one clear line on
// stderr and exit 1, before anything is served.
package main

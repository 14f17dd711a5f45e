// Package demo shows the proxy at work in one process: CURVE workers, a pool of
// package stream before them, and CURVE clients that ask, check every reply,
// and leave and come back all the time.
//
//	screen := demo.NewScreen(os.Stdout, os.Getenv)
//	err := demo.Run(ctx, demo.DefaultOptions(cpus), screen) // nil: something was asked and nothing was lost
//
// Everything is real: loopback TCP, libzmq on both sides, the pool that
// `streamq-proxy run` serves with. Both kinds of worker take part, those that
// listen (the proxy dials them) and those that dial in.
//
//	client (REQ) --tcp--> frontend | pool |--tcp--> worker that listens (ROUTER, REP)
//	                       backend |      |<--tcp-- worker that dials in (REP, IMMEDIATE=1)
//
// One that is held goes on, and shows what goes wrong in a day: troubles. The console shows either,
// and a held one has a control socket, by which it can be steered, too.
//
// # Who owns what
//
// Each client and each worker has one goroutine, which alone uses its sockets.
// They meet in the tally, behind its lock. Run waits for all of them.
//
// # What it is not
//
// It is no benchmark: clients, workers and proxy share one process and its
// cores, and nothing is compared.
package demo

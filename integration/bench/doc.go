// Command bench measures the proxy beside what else could stand in its place, in one run on one machine:
//
//	direct            no proxy: what the machine and libzmq can do
//	stream, splice    streamq-proxy by either relay, before workers that listen and (-dial-in) that dial in
//	haproxy[-splice]  HAProxy in TCP mode, without and with its own use of splice(2)
//	nginx             nginx with its stream module
//	broker            a ROUTER/DEALER broker that ends CURVE on both sides
//
// and with -agent, which is a run of its own:
//
//	agent             streamq-proxy, and its agent that dials in for a worker that listens
//	haproxy-twice     HAProxy in front of HAProxy: two processes between client and worker as well
//
// With -sizes it measures neither, but the release's package: its size, the time from its start to the first connection
// that is accepted, and the memory that it takes then with nobody connected, 15 times in turn with HAProxy's and nginx's.
//
// Every row is played by the same client and the same worker (load/*.c, compiled when the benchmark starts). A cell of
// the table, one case played by one row, is three or four fresh processes on loopback. A round visits every case and in each
// case every row, each time beginning with another row, so that whatever else the machine is doing meets all alike;
// ratios are taken within a round, and medians over the rounds.
//
// A cell has a fixed amount of work, its connections are up and warm before the clock starts, and the CPU time is what
// the proxies' processes used between then and the last reply.
//
// It measures nothing of the proxy's content or correctness, beyond that every message arrived: that is what the tests
// in the folder above are for.
package main

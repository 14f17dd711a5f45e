package metrics

import "github.com/prometheus/client_golang/prometheus"

// families are the descriptions of everything that a pool shows. Every one of
// them has the label pool.
type families struct {
	all []*prometheus.Desc

	up, ready, usable, draining, paused, lame *prometheus.Desc
	refusing                                  *prometheus.Desc
	bytes, backlog                            *prometheus.Desc
	connections, held                         *prometheus.Desc
	descriptors, descriptorLimit              *prometheus.Desc
	turns, lag, commands, stalls, stalled     *prometheus.Desc
	clients, clientsTotal, ended              *prometheus.Desc
	pairs, pairsTotal, opened, pairsEnded     *prometheus.Desc
	waits, handshakes, handshakeSteps         *prometheus.Desc
	handshakesFailed, handshakeErrors         *prometheus.Desc
	workerConnections, ungreeted              *prometheus.Desc
	slots, slotsMade                          *prometheus.Desc
	slotsRecycled, slotsClosed, slotsLost     *prometheus.Desc
	choices, dials, dialFailures, probes      *prometheus.Desc
	dialTimes, noPort, workers                *prometheus.Desc
	ports, portsInUse                         *prometheus.Desc
	shown, shownTaken                         *prometheus.Desc
	leases, hints, hintsExpired               *prometheus.Desc
	doors, doorClients                        *prometheus.Desc
	rebalanceLeft                             *prometheus.Desc
	identities, affinities                    *prometheus.Desc
	workerState, workerPairs, workerMax       *prometheus.Desc
	workerWeight, workerDialling, workerSlots *prometheus.Desc
	workerFailures, workerServed              *prometheus.Desc
	workerSlowStart                           *prometheus.Desc
}

func newFamilies() *families {
	f := &families{}
	f.up = f.add("pool_up", "1 when the pool answered this scrape.")
	f.ready = f.add("pool_ready", "1 when /readyz?pool=NAME is 200: new clients should be sent to the pool.")
	f.usable = f.add("pool_usable", "1 when some worker takes clients, now or when it is less busy.")
	f.draining = f.add("pool_draining", "1 while the pool drains: it takes nobody, and its pairs go on.")
	f.paused = f.add("pool_paused", "1 when the pool is paused: nothing is read from its connections.")
	f.refusing = f.add("pool_refusing", "1 when the ports of the pool's frontend are closed for want of a worker (no-worker: refuse).")
	f.lame = f.add("pool_lame_duck", "1 when the pool serves new clients and is not ready, so that none are sent.")
	f.bytes = f.add("bytes_total", "Bytes passed on between the peers of pairs.", "direction")
	f.backlog = f.add("backlog_bytes", "Bytes that wait for peers which read too slowly.")
	f.connections = f.add("connections", "Connections on either side, paired or not.")
	f.doors = f.add("doors", "Doors that are open: endpoints through which clients have an identity.")
	f.doorClients = f.add("door_clients", "Clients that have come through doors, open or shut by now.")
	f.held = f.add("clients_held", "Clients that were refused and are held for some seconds before they are closed, so that they do not come back at once.")
	f.descriptors = f.add("descriptors", "Descriptors in use by the connections of all pools.")
	f.descriptorLimit = f.add("descriptors_limit", "Descriptors that connections of all pools may use.")
	f.turns = f.add("loop_turn_seconds", "Time that turns of the pool's loop took, waiting excluded.")
	f.stalls = f.add("loop_stalls_total", "Turns of the pool's loop that came much later than they had to: the process was stopped, or had no processor.")
	f.stalled = f.add("loop_stalled_seconds_total", "How late these turns came in all; nothing expires because of it.")
	f.lag = f.add("loop_lag_seconds", "Time that this scrape waited for its turn of the pool's loop.")
	f.commands = f.add("loop_queue_depth", "What waited for the pool's loop before this scrape did.")
	f.describeClients()
	f.describeWorkers()
	return f
}

func (f *families) describeClients() {
	f.clients = f.add("clients", "Clients that are connected.", "state")
	f.clientsTotal = f.add("clients_connected_total", "Clients that ever connected, refused ones included.")
	f.ended = f.add("clients_ended_total", "Clients that have ended.", "reason")
	f.pairs = f.add("pairs", "Pairs of a client and a worker's connection.", "state")
	f.pairsTotal = f.add("pairs_made_total", "Pairs ever made.")
	f.opened = f.add("pairs_opened_total", "Pairs whose handshake finished.")
	f.pairsEnded = f.add("pairs_ended_total", "Pairs that have ended.", "reason")
	f.waits = f.add("wait_seconds", "Time from a client's first bytes to its pair.")
	f.handshakes = f.add("handshake_seconds", "Time from pairing to the end of the handshake, of pairs that opened, by the mechanism that the client asked for (none: expect any).", "mechanism")
	f.handshakeSteps = f.add("handshake_step_seconds", "Time in a handshake until a side came to a stage, from the step of either side before it.", "stage")
	f.handshakesFailed = f.add("handshakes_failed_total", "Pairs that ended before they opened, by reason and by the furthest stage that either side had come to (docs/handshakes.md).", "reason", "stage")
	f.handshakeErrors = f.add("handshake_errors_total", "ERROR commands in handshakes by what they say: a status of ZAP (RFC 27), or something else.", "status")
	f.rebalanceLeft = f.add("rebalance_pairs_left", "Pairs that the rebalance under way may end still; 0 when none is.")
	f.choices = f.add("choices_total", "Workers chosen, by what decided.", "rule")
	f.leases = f.add("leases_expired_total", "Leases that were not renewed.", "strategy")
	f.hints = f.add("hints", "What is held of identities: preferences, pins, hints for connections to come.")
	f.hintsExpired = f.add("hints_expired_total", "Hints whose connection did not come in time: as a rule HELLO named an endpoint that the proxy does not see, because of NAT.")
	f.identities = f.add("identities", "Identities that have a connection.")
	f.affinities = f.add("affinities", "Identities whose last worker is remembered; in a group, by all of its pools.")
}

func (f *families) describeWorkers() {
	f.workerConnections = f.add("worker_connections", "Connections to and from workers.", "state")
	f.ungreeted = f.add("worker_connections_ungreeted_total", "Connections from workers that went before they had greeted.")
	f.slots = f.add("slots", "Workers' connections that wait for a client, by age in seconds.", "age")
	f.slotsMade = f.add("slots_made_total", "Slots ever made: connections of workers that have greeted.")
	f.slotsRecycled = f.add("slots_recycled_total", "Slots closed because of their age, so that the worker redials.")
	f.slotsClosed = f.add("slots_closed_total", "Slots closed by their worker.")
	f.slotsLost = f.add("slots_lost_total", "Slots that were not dialled again after a client had them: libzmq gives a connection up for good after a protocol error in its handshake.")
	f.dials = f.add("dials_total", "Dials of workers that listen.")
	f.dialFailures = f.add("dial_failures_total", "Dials that failed.")
	f.ports = f.add("source_ports", "Ports for connections to one worker: of net.ipv4.ip_local_port_range, from every source address; of the worker with the largest share of its own in use.")
	f.portsInUse = f.add("source_ports_in_use", "Ports of these that are in use, of the same worker; a connection that has ended keeps its own for a minute.")
	f.shown = f.add("client_addresses", "Addresses that workers may see clients by (client-addresses); 0 without a prefix.")
	f.shownTaken = f.add("client_addresses_taken", "Addresses of these that are in use, or were within the last minute.")
	f.noPort = f.add("dials_without_port_total", "Dials for which this machine had no source port: more source addresses, or a wider net.ipv4.ip_local_port_range.")
	f.dialTimes = f.add("dial_seconds", "Time that dials of workers took, those excluded whose client went meanwhile.", "result")
	f.probes = f.add("probes_total", "Dials that only looked whether a worker is back.")
	f.workers = f.add("workers", "Workers.", "state")
	f.workerState = f.add("worker_state", "1 for the state that the worker is in, 0 for the others.", "worker", "state")
	f.workerPairs = f.add("worker_pairs", "Pairs of the worker.", "worker")
	f.workerMax = f.add("worker_pairs_limit", "Pairs that the worker may have, 0 for no limit.", "worker")
	f.workerWeight = f.add("worker_weight", "Weight of the worker.", "worker")
	f.workerDialling = f.add("worker_dialling", "Dials of the worker that are under way.", "worker")
	f.workerSlots = f.add("worker_slots", "Slots of the worker.", "worker")
	f.workerFailures = f.add("worker_failures_total", "Dials and probes of the worker that failed, and other causes to set it aside.", "worker")
	f.workerSlowStart = f.add("worker_slow_start_seconds", "Time until the worker's weight and maximum count in full; 0 when they do.", "worker")
	f.workerServed = f.add("worker_pairs_made_total", "Pairs ever made with the worker.", "worker")
}

func (f *families) add(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc("streamq_"+name, help, append([]string{"pool"}, labels...), nil)
	f.all = append(f.all, d)
	return d
}

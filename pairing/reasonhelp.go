package pairing

// help is what a person needs to know of an end.
type help struct{ cause, cure string }

// reasonHelp has a line for each reason, in whole sentences.
var reasonHelp = [reasonCount]help{
	ClientClosed:     {"The client closed its connection after its pair was open, or while it waited for a worker.", "None is needed: this is how clients leave. Many that waited: they give up, so add workers or look at the waiting time."},
	WorkerClosed:     {"The worker closed its connection after the pair was open.", "None if the worker was stopped or ends idle connections. Otherwise look at the worker's own log at that time."},
	ClientReset:      {"The client's connection was reset: its process was killed, its machine vanished, or something between cut it.", "Look for a timer between the client and the proxy, and for keepalive-idle below it."},
	WorkerReset:      {"The worker's connection was reset: its process was killed, its machine vanished, or something between cut it.", "Look at the worker and its machine; behind a firewall set keepalive-idle below its timer."},
	HeartbeatExpired: {"The identity did not say HEARTBEAT on the control socket within lease-ttl.", "The application hangs, lost its control connection, or beats too seldom: let it beat three times within lease-ttl."},
	IdleExpired:      {"No byte moved on the pair for lease-ttl.", "None if that is wanted. Otherwise a longer lease-ttl, or heartbeats (ZMQ_HEARTBEAT_IVL) at one end."},
	TTLExpired:       {"The pair reached the age that its lease gives it.", "None: the client connects again. Choose a longer lease-ttl, or another lease, if it is too often."},
	Kicked:           {"An operator ended it by KICK, or its identity said BYE.", "None. The log names the operator's request."},
	Drained:          {"Its worker is in maintenance, was removed or found dead (on-down: end), or the proxy's time to drain was over.", "None: the client connects again, and is given another worker. For longer: drain-timeout."},
	Overflow:         {"It went on sending after its pair had ended, and is cut; its pair keeps its own reason.", "None."},
	NotZMTP:          {"Its first bytes are not ZMTP: HTTP, TLS, a PROXY header, a port scan. The hint names what they look like.", "A balancer: set accept-proxy, or turn its header off. Another protocol on purpose: expect: any. Strangers: a firewall."},
	ProtocolError:    {"It broke ZMTP in its handshake, or the two sides do not fit together. The hint says what was wrong.", "Fit the two sides: socket types, mechanism, and which of them is the server."},
	MechanismRefused: {"It asked for a security mechanism that is none of mechanisms.", "Give the client the mechanism, or the pool: mechanisms. NULL as a rule is a client without a server key."},
	HandshakeTimeout: {"Its greeting or its handshake was not finished within handshake-timeout, and nobody closed.", "A worker that hangs or is overloaded, a ZAP handler that does not answer (300 says nothing at all), or a client that says nothing."},
	QueueTimeout:     {"It waited for queue-timeout, and no worker had room.", "More workers, slots or a higher max. ctl workers and EXPLAIN tell who was full."},
	QueueFull:        {"A limit was reached: queue-max, max-clients, max-per-address, or nine tenths of the descriptors.", "Raise the limit that is reached, or ulimit -n (LimitNOFILE=). ctl failing names addresses with many."},
	NoWorker:         {"There was no worker that could have served it, and it was not to wait (queue-max: 0, no-worker: refuse).", "Start or enable workers: ctl workers tells their states."},
	DialFailed:       {"Its worker could not be dialled, and no other took it in time.", "Is the worker listening where the proxy dials it? The log has the error of each dial; probes bring it back by themselves."},
	Shutdown:         {"The proxy ended, and its pairs with it.", "None: the client connects again. For longer: drain-timeout."},
	ProbeOnly:        {"It never sent a byte: a balancer's check, or a scan.", "None. It is in no event, and in the log at level debug."},
	ProxyHeader:      {"A PROXY header came from whom none is taken, or none, or a bad one, from who must send one.", "List exactly the balancers' networks in accept-proxy, and have each send the header (send-proxy-v2)."},
	NoSourcePort:     {"This machine had no port, or no address of client-addresses, for a connection to its worker.", "More addresses in source, a wider net.ipv4.ip_local_port_range, or a larger prefix."},
	Moved:            {"Its client is to have another worker: a REBALANCE, or a worker that its identity prefers is back (failback).", "None: the client connects again."},
	RefusedByWorker:  {"The worker ended the handshake: it closed, was reset, or said ERROR. The stage and the hint tell why.", "Closed after HELLO: the client has another server key. ERROR 400: ZAP refuses the client. ERROR 500: the ZAP handler failed."},
	ClientGaveUp:     {"The client ended the handshake: it closed, was reset, or said ERROR.", "Look at the stage and the hint: as a rule it speaks another mechanism, or a ZAP handler does not answer it in time."},
}

// Cause is what a reason means, in a sentence or two.
func (r Reason) Cause() string { return r.help().cause }

// Cure is what to do about it, if anything.
func (r Reason) Cure() string { return r.help().cure }

func (r Reason) help() help {
	if r < reasonCount {
		return reasonHelp[r]
	}
	return help{}
}

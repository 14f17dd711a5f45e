//go:build linux && cgo

package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/config"
	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/endpoint"
	"github.com/streamq/streamq-proxy/stream/shared"
)

// flags are the settings that were given on the command line. What a flag says
// replaces what the file says, so they are remembered in order and applied to
// the settings once these are known, and again to every reloaded file.
type flags struct {
	cpus   int // that the process may use
	config string
	said   []said
}

// said is one flag that was given.
type said struct {
	flag, setting string
	process       func(*config.Settings) // of a setting of the process, else nil
	pool          func(*config.Pool)
}

// value makes one flag remember what it is given; it implements [pflag.Value].
type value struct {
	kind   string
	def    string // what applies when nothing is said; for the help only
	remark func(string) error
	isBool bool
}

func (v *value) Set(s string) error { return v.remark(s) }
func (v *value) String() string     { return v.def }
func (v *value) Type() string       { return v.kind }

// IsBoolFlag has --access-log alone mean true.
func (v *value) IsBoolFlag() bool { return v.isBool }

// register declares every flag of run.
func (f *flags) register(fs *pflag.FlagSet) {
	fs.SortFlags = false
	fs.StringVar(&f.config, "config", "", "YAML `file` with the same settings and several pools; flags override it")
	f.lists(fs)
	f.choices(fs)
	f.limits(fs)
	f.process(fs, "http", "http", "HOST:PORT", config.DefaultHTTP, `serves the console at /, and /metrics, /healthz, /readyz and /api/v1; "" turns it off`,
		func(s *config.Settings, v string) { s.HTTP = &v })
	f.process(fs, "web-config", "web-config", "file", "", "users and TLS of --http, in the form of Prometheus' exporters (basic_auth_users, tls_server_config); read again whenever somebody comes, and what it said before stays in force while it is wrong",
		func(s *config.Settings, v string) { s.WebConfig = v })
	f.processList(fs, "http-admin", "http-admin", "USER|all", "a user of --web-config who may steer by the console and /api/v1, or all for whoever is let in; nobody may unless it is said; may be repeated",
		func(s *config.Settings) *[]string { return &s.HTTPAdmin })
	f.process(fs, "grafana-url", "grafana-url", "URL", "", "where the console's link to Grafana leads; to the file of the dashboard where nothing is said",
		func(s *config.Settings, v string) { s.GrafanaURL = v })
	f.process(fs, "drain-delay", "drain-delay", "duration", "0s", "on SIGTERM the proxy is unready, and serves on, for so long before it drains; longer than a balancer needs to notice",
		func(s *config.Settings, v string) { s.DrainDelay = v })
	f.process(fs, "drain-timeout", "drain-timeout", "duration", config.DefaultDrainTimeout.String(), "when it drains pairs may go on for so long; a second SIGTERM ends them at once",
		func(s *config.Settings, v string) { s.DrainTimeout = v })
	f.process(fs, "ready", "ready", "any|all", config.ReadyAny, "which pools have to be ready for /readyz to be 200; /readyz?pool=NAME asks for one",
		func(s *config.Settings, v string) { s.Ready = v })
	f.process(fs, "io-threads", "io-threads", "N", strconv.Itoa(config.DefaultIOThreads), "I/O threads of libzmq, about one per gigabyte per second",
		func(s *config.Settings, v string) { s.IOThreads = v })
	f.process(fs, "relay-threads", "relay-threads", "N", "one for each CPU", "threads that move the bytes of open pairs",
		func(s *config.Settings, v string) { s.RelayThreads = v })
	f.process(fs, "log-level", "log.level", "level", "info", "debug, info, warn or error",
		func(s *config.Settings, v string) { s.Log.Level = v })
	f.process(fs, "log-format", "log.format", "format", "text", "text or json",
		func(s *config.Settings, v string) { s.Log.Format = v })
	f.accessLog(fs)
	f.processList(fs, "nameserver", "nameservers", "IP[:PORT]", "asked for the workers that are looked up, in place of the system's; may be repeated",
		func(s *config.Settings) *[]string { return &s.Nameservers })
	f.shared(fs)
	f.control(fs)
}

// shared declares the flags of what proxies remember together.
func (f *flags) shared(fs *pflag.FlagSet) {
	f.process(fs, "shared", "shared", "URL", "", "a Redis or Valkey in which proxies with the same workers remember together who had which: redis://[USER@]HOST:PORT[/DB], rediss:// for TLS, unix:///PATH; ?addr=HOST:PORT names more nodes, &master_set=NAME says that they are Sentinels",
		func(s *config.Settings, v string) { s.Shared = v })
	f.process(fs, "shared-wait", "shared-wait", "duration", shared.DefaultWait.String(), "how long a new client waits at most for what others remember of it; then this proxy's own memory counts",
		func(s *config.Settings, v string) { s.SharedWait = v })
	f.process(fs, "shared-prefix", "shared-prefix", "text", shared.DefaultPrefix, "what all keys of these proxies begin with; others that use the same store have another one",
		func(s *config.Settings, v string) { s.SharedPrefix = v })
	f.process(fs, "shared-password-file", "shared-password-file", "file", "", "has the password of the store, which the command line and the settings then do not; read for each connection",
		func(s *config.Settings, v string) { s.SharedPasswordFile = v })
}

// control declares the flags of the control socket.
func (f *flags) control(fs *pflag.FlagSet) {
	f.processList(fs, "control", "control.endpoints", "endpoint", "where operators and applications reach the control socket: ipc://PATH, or tcp://HOST:PORT, off loopback only with CURVE; may be repeated",
		func(s *config.Settings) *[]string { return &s.Control.Endpoints })
	for _, one := range []struct {
		name, kind, def, usage string
		at                     func(*config.Control) *string
	}{
		{"mode", "mode", "0600", "file mode of ipc endpoints of the control socket", func(c *config.Control) *string { return &c.Mode }},
		{"cert", "file", "", "certificate (keygen --cert) by which the control socket's tcp endpoints use CURVE", func(c *config.Control) *string { return &c.Cert }},
		{"clients", "directory", "", "public certificates of who may use them, each with its level", func(c *config.Control) *string { return &c.Clients }},
		{"loopback-level", "level", "peer", "what callers over loopback without CURVE may do: peer or operator", func(c *config.Control) *string { return &c.LoopbackLevel }},
		{"rate", "N", strconv.Itoa(control.DefaultRate), "requests a second of one connection to the control socket", func(c *config.Control) *string { return &c.Rate }},
	} {
		f.process(fs, "control-"+one.name, "control."+one.name, one.kind, one.def, one.usage,
			func(s *config.Settings, v string) { *one.at(&s.Control) = v })
	}
}

func (f *flags) lists(fs *pflag.FlagSet) {
	f.pool(fs, "frontend", "frontend", "endpoint[,accept-proxy=NET]...", "", "where clients connect: "+endpoint.Forms()+", with an --accept-proxy of its own, if need be; may be repeated",
		first(func(p *config.Pool) { p.Frontend = nil }, func(p *config.Pool, v string) error {
			p.Frontend = append(p.Frontend, config.ParseFrontend(v))
			return nil
		}))
	f.pool(fs, "backend", "backend", "endpoint", "", "where workers dial in; may be repeated",
		first(func(p *config.Pool) { p.Backend = nil }, func(p *config.Pool, v string) error { p.Backend = append(p.Backend, v); return nil }))
	f.pool(fs, "worker", "workers", "[NAME=]endpoint[,weight=N][,max=N][,max-handshakes=N][,source=IP]...[,resolve=a|srv][,interval=D]", "", "a worker that listens, which the proxy dials, or by resolve one for each address that a name or its SRV records have; may be repeated",
		first(func(p *config.Pool) { p.Workers = nil }, func(p *config.Pool, v string) error {
			w, err := config.ParseWorker(v)
			p.Workers = append(p.Workers, w)
			return err
		}))
	f.pool(fs, "accept-proxy", "accept-proxy", "NET,...", "", "networks of balancers that begin each connection with a PROXY header (10.0.0.0/8, an address, or ipc); what it says is the client's address",
		first(func(p *config.Pool) { p.AcceptProxy = nil }, func(p *config.Pool, v string) error {
			p.AcceptProxy = append(p.AcceptProxy, strings.Split(v, ",")...)
			return nil
		}))
	f.pool(fs, "door", "doors", "IDENTITY=endpoint", "", "an endpoint of its own for an identity: whoever comes through it has that one, also behind NAT; may be repeated",
		first(func(p *config.Pool) { p.Doors = nil }, func(p *config.Pool, v string) error {
			d, err := config.ParseDoor(v)
			p.Doors = append(p.Doors, d)
			return err
		}))
	f.pool(fs, "source", "source", "IP,...", "", "addresses of this machine that workers are dialled from, in turn: each has ports of its own; a worker's own take their place",
		first(func(p *config.Pool) { p.Source = nil }, func(p *config.Pool, v string) error {
			p.Source = append(p.Source, strings.Split(v, ",")...)
			return nil
		}))
	f.pool(fs, "client-addresses", "client-addresses", "PREFIX[,stable]|transparent", "", "what a worker that the proxy dials sees of each client: an address of this prefix (127.64.0.0/10 on this machine), by stable the same one for each client's address, or the client's own",
		plainly(func(p *config.Pool) *string { return &p.ClientAddresses }))
	f.pool(fs, "workers-file", "workers-file", "file", "", "a list of workers in YAML or JSON, which is watched",
		plainly(func(p *config.Pool) *string { return &p.WorkersFile }))
	f.pool(fs, "mechanisms", "mechanisms", "NAME,...", "", "security mechanisms that a client may use (NULL, PLAIN, CURVE, GSSAPI); any if not given",
		first(func(p *config.Pool) { p.Mechanisms = nil }, func(p *config.Pool, v string) error {
			p.Mechanisms = append(p.Mechanisms, strings.Split(v, ",")...)
			return nil
		}))
}

func (f *flags) choices(fs *pflag.FlagSet) {
	d := config.PoolDefaults()
	f.pool(fs, "policy", "policy", "policy", d.Policy, config.Choice(pairing.Policies()),
		plainly(func(p *config.Pool) *string { return &p.Policy }))
	f.pool(fs, "relay", "relay", "relay", d.Relay, "what moves a pair's bytes: auto, stream for the STREAM sockets always, or splice for these never",
		plainly(func(p *config.Pool) *string { return &p.Relay }))
	f.pool(fs, "lease", "lease", "lease", "none", "what must be renewed for a pair to live: none, heartbeat (by the control socket), idle (some byte moved) or ttl (nothing helps)",
		plainly(func(p *config.Pool) *string { return &p.Lease }))
	f.pool(fs, "lease-ttl", "lease-ttl", "duration", "", "how long a lease lasts; of heartbeat 7.5s if not given",
		plainly(func(p *config.Pool) *string { return &p.LeaseTTL }))
	f.pool(fs, "affinity", "affinity", "affinity", "none", "source-address gives clients of one address the worker that it had last, or none",
		plainly(func(p *config.Pool) *string { return &p.Affinity }))
	f.pool(fs, "expect", "expect", "zmtp|any", "zmtp", "what peers speak; any looks at none of it and gives a client its worker at once, also one that speaks first",
		plainly(func(p *config.Pool) *string { return &p.Expect }))
	f.pool(fs, "no-worker", "no-worker", "wait|refuse", "wait", "while no worker is usable clients wait, or the frontend's ports are closed, so that clients back off or go elsewhere",
		plainly(func(p *config.Pool) *string { return &p.NoWorker }))
	f.pool(fs, "on-down", "on-down", "on-down", "keep", "pairs of a worker that can neither be dialled nor answers a probe: keep them, or end them",
		plainly(func(p *config.Pool) *string { return &p.OnDown }))
	f.pool(fs, "hint-wait", "hint-wait", "duration", "0s", "how long a new client without an identity is held for its hint, below 30s",
		plainly(func(p *config.Pool) *string { return &p.HintWait }))
	f.requireHello(fs)
}

func (f *flags) limits(fs *pflag.FlagSet) {
	d := config.PoolDefaults()
	for _, l := range []struct {
		name, kind, def, usage string
		at                     func(*config.Pool) *string
	}{
		{"queue-max", "N", d.QueueMax, "clients that may wait for a worker", func(p *config.Pool) *string { return &p.QueueMax }},
		{"queue-timeout", "duration", d.QueueTimeout, "how long a client may wait, below 30s", func(p *config.Pool) *string { return &p.QueueTimeout }},
		{"no-worker-wait", "duration", d.NoWorkerWait, "with --no-worker refuse ports are closed only after so long when a worker is expected back; below 24h", func(p *config.Pool) *string { return &p.NoWorkerWait }},
		{"door-max", "N", d.DoorMax, "doors at once, those that DOOR opens among them; 0 for none", func(p *config.Pool) *string { return &p.DoorMax }},
		{"max-clients", "N", d.MaxClients, "clients at once, 0 for no limit", func(p *config.Pool) *string { return &p.MaxClients }},
		{"max-per-address", "N", d.MaxPerAddress, "clients of one address at once, 0 for no limit", func(p *config.Pool) *string { return &p.MaxPerAddress }},
		{"handshake-timeout", "duration", d.HandshakeTimeout, "for the first bytes, and again for the handshake; 0 for no limit", func(p *config.Pool) *string { return &p.HandshakeTimeout }},
		{"connect-timeout", "duration", d.ConnectTimeout, "for dialling a worker", func(p *config.Pool) *string { return &p.ConnectTimeout }},
		{"slot-lost-after", "duration", d.SlotLostAfter, "a connection that a worker dialled in, and a client had, is lost when it is not dialled again for so long; 0 has nobody look", func(p *config.Pool) *string { return &p.SlotLostAfter }},
		{"slot-max-age", "duration", d.SlotMaxAge, "a worker that dialled in and waits is closed at this age, and redials, before its own libzmq gives up at 30s; 0 for never", func(p *config.Pool) *string { return &p.SlotMaxAge }},
		{"finish-timeout", "duration", d.FinishTimeout, "when one side of a pair has gone, what is left may take so long without taking any of what it was sent", func(p *config.Pool) *string { return &p.FinishTimeout }},
		{"affinity-max", "N", d.AffinityMax, "identities, or addresses, whose last worker is remembered; 0 for none", func(p *config.Pool) *string { return &p.AffinityMax }},
		{"affinity-max-load", "N", d.AffinityMaxLoad, "no client is sent to a worker by affinity, or the policy rendezvous, that has more than so many times the average load; at least 1, such as 1.25, or 0 for no limit", func(p *config.Pool) *string { return &p.AffinityMaxLoad }},
		{"affinity-ttl", "duration", d.AffinityTTL, "for so long after the last connection of each", func(p *config.Pool) *string { return &p.AffinityTTL }},
		{"hint-max", "N", d.HintMax, "hints that are held for connections to come, and identities with what they prefer; 0 for none", func(p *config.Pool) *string { return &p.HintMax }},
		{"hint-ttl", "duration", d.HintTTL, "each for so long", func(p *config.Pool) *string { return &p.HintTTL }},
		{"hint-max-per-address", "N", d.HintMaxPerAddress, "of these, those that one address may have said; 0 for no limit", func(p *config.Pool) *string { return &p.HintMaxPerAddress }},
		{"retry-min", "duration", d.RetryMin, "a worker that failed is set aside for so long at first", func(p *config.Pool) *string { return &p.RetryMin }},
		{"retry-max", "duration", d.RetryMax, "and at most; each failure in a row doubles it", func(p *config.Pool) *string { return &p.RetryMax }},
		{"slow-start", "duration", d.SlowStart, "a worker that is new, or back, gets clients by a share of its weight that grows for so long; 0 for by all of it at once", func(p *config.Pool) *string { return &p.SlowStart }},
		{"failback", "duration", d.Failback, "when a worker that an identity prefers to its own is back for so long, its pair is ended, so that it comes there; 0 for never", func(p *config.Pool) *string { return &p.Failback }},
		{"pair-buffer", "size", d.PairBuffer, "memory that each direction of a pair may use, 256KiB to 1GiB", func(p *config.Pool) *string { return &p.PairBuffer }},
		{"keepalive-idle", "duration", d.KeepAliveIdle, "the kernel probes a connection that has been silent for so long, in whole seconds; 0 for never", func(p *config.Pool) *string { return &p.KeepAliveIdle }},
		{"keepalive-interval", "duration", d.KeepAliveInterval, "between two probes, in whole seconds", func(p *config.Pool) *string { return &p.KeepAliveInterval }},
		{"keepalive-count", "N", d.KeepAliveCount, "probes without an answer that end a connection", func(p *config.Pool) *string { return &p.KeepAliveCount }},
		{"user-timeout", "duration", d.UserTimeout, "a connection ends on which bytes are not acknowledged for so long, also when its peer lives and does not read; 0 for the kernel's own time, some 15 minutes", func(p *config.Pool) *string { return &p.UserTimeout }},
	} {
		f.pool(fs, l.name, l.name, l.kind, l.def, l.usage, plainly(l.at))
	}
}

// accessLog is the only flag that needs no value.
func (f *flags) accessLog(fs *pflag.FlagSet) {
	v := &value{kind: "bool", def: "true", isBool: true, remark: func(s string) error {
		on, err := strconv.ParseBool(s)
		if err != nil {
			return fmt.Errorf("want true or false, not %q", s)
		}
		f.said = append(f.said, said{flag: "access-log", setting: "log.access", process: func(s *config.Settings) { s.Log.Access = &on }})
		return nil
	}}
	fs.VarPF(v, "access-log", "", "log one line for each client that ended").NoOptDefVal = "true"
}

func (f *flags) requireHello(fs *pflag.FlagSet) {
	v := &value{kind: "bool", def: "false", isBool: true, remark: func(s string) error {
		f.said = append(f.said, said{flag: "require-hello", setting: "require-hello", pool: func(p *config.Pool) { p.RequireHello = s }})
		return nil
	}}
	fs.VarPF(v, "require-hello", "", "serve only clients that have said HELLO; =workers: give them only to workers that dialled in and have, =both").NoOptDefVal = "true"
}

// processList is a flag that may be repeated; the first takes the place of the file's list.
func (f *flags) processList(fs *pflag.FlagSet, flag, setting, kind, usage string, at func(*config.Settings) *[]string) {
	again := false
	fs.Var(&value{kind: kind, remark: func(v string) error {
		isFirst := !again
		again = true
		f.said = append(f.said, said{flag: flag, setting: setting, process: func(s *config.Settings) {
			if isFirst {
				*at(s) = nil
			}
			*at(s) = append(*at(s), v)
		}})
		return nil
	}}, flag, usage)
}

func (f *flags) process(fs *pflag.FlagSet, flag, setting, kind, def, usage string, set func(*config.Settings, string)) {
	fs.Var(&value{kind: kind, def: def, remark: func(v string) error {
		f.said = append(f.said, said{flag: flag, setting: setting, process: func(s *config.Settings) { set(s, v) }})
		return nil
	}}, flag, usage)
}

// setter sets one value of a pool.
type setter func(*config.Pool, string) error

// plainly is for a flag whose last value counts.
func plainly(at func(*config.Pool) *string) func() setter {
	return func() setter {
		return func(p *config.Pool, v string) error { *at(p) = v; return nil }
	}
}

// first is for a flag that may be repeated: its first value empties the list
// that the file has.
func first(empty func(*config.Pool), add setter) func() setter {
	again := false
	return func() setter {
		isFirst := !again
		again = true
		return func(p *config.Pool, v string) error {
			if isFirst {
				empty(p)
			}
			return add(p, v)
		}
	}
}

func (f *flags) pool(fs *pflag.FlagSet, flag, setting, kind, def, usage string, next func() setter) {
	fs.Var(&value{kind: kind, def: def, remark: func(v string) error {
		set := next()
		if err := set(&config.Pool{}, v); err != nil {
			return err
		}
		// It has just been shown to fit, so there is no error to look at.
		f.said = append(f.said, said{flag: flag, setting: setting, pool: func(p *config.Pool) { _ = set(p, v) }})
		return nil
	}}, flag, usage)
}

// settings reads the file, if there is one, and lets the flags override it.
func (f *flags) settings() (*config.Settings, error) {
	s := &config.Settings{Pools: []config.Pool{{}}}
	if f.config != "" {
		read, err := config.Read(f.config)
		if err != nil {
			return nil, err
		}
		s = &read
	}
	for _, one := range f.said {
		switch {
		case one.process != nil:
			one.process(s)
		case len(s.Pools) > 1:
			return nil, fmt.Errorf("--%s: the file has %d pools, and which of them is meant is not clear: say it in the file", one.flag, len(s.Pools))
		case len(s.Pools) == 1:
			one.pool(&s.Pools[0])
		default:
			continue // a file without a pool is a mistake of its own
		}
		s.Replaced(one.setting)
	}
	return s, nil
}

// again is plan for a reload, which only a file can have changed.
func (f *flags) again() (*config.Plan, error) {
	if f.config == "" {
		return nil, errors.New("there is no --config to read again")
	}
	return f.plan()
}

// plan is everything that was said, with defaults, checked.
func (f *flags) plan() (*config.Plan, error) {
	s, err := f.settings()
	if err != nil {
		return nil, err
	}
	return s.Plan(f.cpus)
}

package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/discovery"
	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/clientaddr"
	"github.com/streamq/streamq-proxy/stream/shared"
)

// testCPUs are those of the tests' process.
const testCPUs = 5

func TestPlanOfEverySetting(t *testing.T) {
	t.Parallel()
	s, err := parse("all.yaml", []byte(`
http: ""
io-threads: 2
relay-threads: 3
drain-delay: 15s
drain-timeout: 1m
ready: all
nameservers: [127.0.0.1:5353, "::1"]
shared: rediss://proxy@redis.example:6380/2?addr=other.example:6380
shared-wait: 5ms
shared-prefix: shop
shared-password-file: /run/secrets/redis
log: {level: warn, format: json, access: false}
control: {endpoints: ['ipc:///run/c.sock', 'tcp://127.0.0.1:7000'], mode: "0660", loopback-level: operator, rate: 10}
pools:
  - name: orders
    frontend: [tcp://127.0.0.1:5555, 'ipc://@orders']
    backend:
      - tcp://*:5556
    workers:
      - {name: w1, endpoint: tcp://127.0.0.1:6000, weight: 2, max: 100, max-handshakes: 4, source: [127.0.0.2, "::1"]}
      - endpoint: ipc:///run/worker.sock
      - {name: addresses, endpoint: tcp://orders.example:6000, resolve: a, weight: 3, max: 9, max-handshakes: 1, source: [127.0.0.3]}
      - {endpoint: tcp://_zmtp._tcp.orders.example, resolve: srv, interval: 1m}
    workers-file: /run/workers.yaml
    policy: power-of-two
    relay: stream
    lease: idle
    lease-ttl: 5m
    queue-max: 0
    queue-timeout: 10s
    max-clients: 7
    max-per-address: 3
    expect: zmtp
    no-worker: refuse
    no-worker-wait: 500ms
    mechanisms: [CURVE, PLAIN]
    handshake-timeout: 0s
    connect-timeout: 500ms
    slot-max-age: 20s
    slot-lost-after: 30s
    pair-buffer: 1MiB
    keepalive-idle: 0
    keepalive-interval: 2s
    keepalive-count: 127
    user-timeout: 1500ms
    affinity: source-address
    hint-wait: 200ms
    require-hello: both
    affinity-max: 5
    affinity-max-load: 1.25
    affinity-ttl: 2h
    hint-max: 6
    hint-ttl: 3m
    hint-max-per-address: 2
    finish-timeout: 4s
    retry-min: 2s
    retry-max: 1m
    slow-start: 45s
    failback: 90s
    on-down: end
  - name: anything
    frontend: ["tcp://[::1]:0"]
    workers: [{endpoint: "tcp://127.0.0.1:1"}]
    client-addresses: 127.64.0.0/10,stable
    expect: any
  - name: defaults
    frontend: ["tcp://[::1]:0"]
    backend: ["tcp://[::1]:0"]
`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Plan(testCPUs)
	if err != nil {
		t.Fatal(err)
	}
	orders := stream.DefaultConfig()
	orders.Name = "orders"
	orders.Pairing.HintWait, orders.Pairing.RequireHello, orders.Pairing.RequireWorkerHello = 200*time.Millisecond, true, true
	orders.Frontend = []string{"tcp://127.0.0.1:5555", "ipc://@orders"}
	orders.Backend = []string{"tcp://*:5556"}
	orders.Workers = []pairing.WorkerConfig{
		{Name: "w1", Endpoint: "tcp://127.0.0.1:6000", Weight: 2, MaxPairs: 100, MaxHandshakes: 4, Source: "127.0.0.2,::1"},
		{Name: "/run/worker.sock", Endpoint: "ipc:///run/worker.sock", Weight: 1},
	}
	orders.Discovers = true
	orders.Mechanisms = []string{"CURVE", "PLAIN"}
	orders.RefuseWithoutWorker, orders.NoWorkerWait = true, 500*time.Millisecond
	orders.PairBuffer = 1 << 20
	orders.KeepAlive = stream.KeepAlive{Interval: 2 * time.Second, Count: 127}
	orders.UserTimeout = 1500 * time.Millisecond
	orders.Relay = stream.RelayStream
	orders.ConnectTimeout = 500 * time.Millisecond
	p := &orders.Pairing
	p.Policy = pairing.PowerOfTwo
	p.Lease = pairing.Lease{Strategy: pairing.LeaseIdle, TTL: 5 * time.Minute}
	p.QueueMax, p.QueueTimeout = 0, 10*time.Second
	p.MaxClients, p.MaxPerAddress = 7, 3
	p.HandshakeTimeout, p.SlotMaxAge, p.SlotLostAfter = 0, 20*time.Second, 30*time.Second
	p.AffinityBySource = true
	p.AffinityMax, p.AffinityTTL, p.AffinityMaxLoad = 5, 2*time.Hour, 1.25
	p.HintMax, p.HintTTL, p.SourceMax = 6, 3*time.Minute, 2
	p.FinishTimeout, p.RetryMin, p.RetryMax = 4*time.Second, 2*time.Second, time.Minute
	p.SlowStart, p.Failback, p.EndOnDown = 45*time.Second, 90*time.Second, true
	p.SharedWait = 5 * time.Millisecond
	for i, usual, said := 0, reflect.ValueOf(stream.DefaultConfig().Pairing), reflect.ValueOf(*p); i < said.NumField(); i++ {
		if name := said.Type().Field(i).Name; name != "Seed" && said.Field(i).Equal(usual.Field(i)) {
			t.Errorf("no file sets what pairing calls %s", name)
		}
	}
	standard := stream.DefaultConfig()
	standard.Name, standard.Pairing.SharedWait = "defaults", p.SharedWait
	standard.Frontend, standard.Backend = []string{"tcp://[::1]:0"}, []string{"tcp://[::1]:0"}
	anything := standard
	anything.Name, anything.ExpectAny = "anything", true
	anything.Backend, anything.Workers = nil, []pairing.WorkerConfig{{Name: "127.0.0.1:1", Endpoint: "tcp://127.0.0.1:1", Weight: 1}}
	anything.ClientAddresses = clientaddr.Setting{Prefix: netip.MustParsePrefix("127.64.0.0/10"), Stable: true}
	server, err := shared.ParseServer("rediss://proxy@redis.example:6380/2?addr=other.example:6380")
	if err != nil {
		t.Fatal(err)
	}
	server.PasswordFile = "/run/secrets/redis"
	want := &Plan{
		Shared: Shared{server, 5 * time.Millisecond, "shop"},
		CPUs:   testCPUs, IOThreads: 2, RelayThreads: 3, DrainDelay: 15 * time.Second, DrainTimeout: time.Minute, ReadyAll: true, LogLevel: slog.LevelWarn, LogJSON: true,
		Control: control.Config{
			Endpoints: []string{"ipc:///run/c.sock", "tcp://127.0.0.1:7000"},
			Mode:      0o660, LoopbackLevel: wire.Operator, Rate: 10,
		},
		Nameservers: []string{"127.0.0.1:5353", "[::1]:53"},
		Pools:       []stream.Config{orders, anything, standard},
		Finders: [][]discovery.Spec{{
			{Kind: discovery.Addresses, Name: "addresses", Host: "orders.example", Port: 6000, Interval: 30 * time.Second, Weight: 3, MaxPairs: 9, MaxHandshakes: 1, Source: "127.0.0.3"},
			{Kind: discovery.Services, Name: "_zmtp._tcp.orders.example", Host: "_zmtp._tcp.orders.example", Interval: time.Minute},
			{Kind: discovery.File, Path: "/run/workers.yaml", Interval: time.Second},
		}, nil, nil},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(clientaddr.Setting{}), cmpopts.IgnoreFields(stream.Config{}, "Access")); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	s := Settings{Pools: []Pool{{Frontend: []Frontend{{Endpoint: "tcp://*:1"}}, Backend: []string{"tcp://*:2"}}}}
	p, err := s.Plan(testCPUs)
	if err != nil {
		t.Fatal(err)
	}
	if p.HTTP != DefaultHTTP || p.IOThreads != DefaultIOThreads || p.RelayThreads != testCPUs || p.DrainTimeout != DefaultDrainTimeout || p.DrainDelay != 0 || p.ReadyAll || !p.Access || p.LogJSON || p.LogLevel != slog.LevelInfo {
		t.Errorf("%+v", p)
	}
	// What the help shows as defaults is what applies when nothing is said.
	shown := PoolDefaults()
	shown.Frontend, shown.Backend = s.Pools[0].Frontend, s.Pools[0].Backend
	s.Pools[0] = shown
	again, err := s.Plan(testCPUs)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, again, cmpopts.EquateComparable(clientaddr.Setting{}), cmpopts.IgnoreFields(stream.Config{}, "Access")); diff != "" {
		t.Errorf("-nothing said +defaults said\n%s", diff)
	}
}

// Each mistake in a file shows its place: file, line, column, and a caret under
// the value that is wrong.
func TestMistakesInFiles(t *testing.T) {
	t.Parallel()
	const endpoints = "    frontend: [tcp://127.0.0.1:1]\n    backend: [tcp://127.0.0.1:2]\n"
	pool := func(lines string) string { return "pools:\n  - name: a\n" + endpoints + lines }
	dialling := func(addresses string) string {
		return pool("    client-addresses: " + addresses + "\n    workers: [{endpoint: \"tcp://127.0.0.1:3\"}]\n")
	}
	for _, c := range []struct{ name, text, says string }{
		{"unknown key", pool("    nonsense: 3\n"), `f.yaml:5:5: unknown field "nonsense"`},
		{"which pools have to be ready", "ready: most\n" + pool(""), `f.yaml:1:8: ready: "most" is unknown, want any or all`},
		{"a way to look up that is none", pool("    workers: [{endpoint: \"tcp://a:1\", resolve: aaaa}]\n"), `f.yaml:5:48: resolve: "aaaa" is unknown, want a or srv`},
		{"no name to look up", pool("    workers: [{endpoint: \"tcp://10.0.0.1:1\", resolve: a}]\n"), `f.yaml:5:26: endpoint: "tcp://10.0.0.1:1": there is no name to look up, want tcp://NAME:PORT`},
		{"a port of SRV records", pool("    workers: [{endpoint: \"tcp://a:1\", resolve: srv}]\n"), `f.yaml:5:26: endpoint: "tcp://a:1": want tcp://NAME of SRV records, such as tcp://_zmtp._tcp.orders.example: they say the ports`},
		{"a weight of SRV records", pool("    workers: [{endpoint: \"tcp://a\", resolve: srv, weight: 3}]\n"), `f.yaml:5:59: weight: the weights are those of the SRV records`},
		{"an interval too short", pool("    workers: [{endpoint: \"tcp://a:1\", resolve: a, interval: 10ms}]\n"), `f.yaml:5:61: interval: 10ms is not from 1s to 24h0m0s`},
		{"an interval of what is not looked up", pool("    workers: [{endpoint: \"tcp://a:1\", interval: 10s}]\n"), `f.yaml:5:49: interval: it is of a worker that is looked up: set resolve to a or srv`},
		{"two of a name", pool("    workers: [{endpoint: \"tcp://a:1\", name: w}, {endpoint: \"tcp://b:1\", name: w, resolve: a}]\n"), `name: two workers are named w`},
		{"no nameserver", "nameservers: [dns.example]\n" + pool(""), `f.yaml:1:15: nameservers: "dns.example" is no IP or IP:PORT`},
		{"unknown key of a worker", pool("    workers: [{endpoint: tcp://a:1, wait: 2}]\n"), `f.yaml:5:37: unknown field "wait"`},
		{"unknown key of log", "log: {levl: info}\n" + pool(""), `f.yaml:1:7: unknown field "levl"`},
		{"key twice", pool("    policy: random\n    policy: random\n"), `f.yaml:6:5: mapping key "policy" already defined at [5:5]`},
		{"indentation", "pools:\n  - name: a\n   frontend: x\n", "f.yaml:3:4: value is not allowed in this context"},
		{"no list", pool("    mechanisms: CURVE\n"), "f.yaml:5:17: want a list"},
		{"no mapping", "pools:\n  - a\n", "f.yaml:2:5: want a mapping (key: value)"},
		{"no value", pool("    queue-max: {a: 1}\n"), "want one value"},
		{"colon in braces", "pools:\n  - {frontend: [tcp://a:1], backend: []}\n", `f.yaml:2:17: unknown field "tcp://a" (between { } a text with a colon goes in quotes)`},
		{"colon of a backend in braces", "pools:\n  - {backend: [tcp://a:1], frontend: []}\n", "f.yaml:2:23: want one value (between { } a text with a colon goes in quotes)"},
		{"no bool", "log: {access: perhaps}\n" + pool(""), "f.yaml:1:15: want true or false"},
		{"endpoint", pool("    workers:\n      - endpoint: tcp://h\n"), `f.yaml:6:19: endpoint: "tcp://h": want tcp://HOST:PORT`},
		{"endpoint of a worker without a port", pool("    workers:\n      - endpoint: tcp://h:0\n"), `f.yaml:6:19: endpoint: "tcp://h:0": want a host and a port to connect to`},
		{"worker without an endpoint", pool("    workers:\n      - name: w\n"), `f.yaml:6:9: endpoint: a worker needs an endpoint`},
		{"transport", "pools:\n  - frontend: [udp://127.0.0.1:1]\n    backend: [tcp://*:2]\n", `f.yaml:2:16: frontend: "udp://127.0.0.1:1": transport "udp" is not served`},
		{"port", "pools:\n  - frontend: [tcp://*:3]\n    backend:\n      - tcp://127.0.0.1:x\n", `f.yaml:4:9: backend: "tcp://127.0.0.1:x": port "x" is not a number`},
		{"policy", pool("    policy: best\n"), `f.yaml:5:13: policy: "best" is unknown, want least-connections, round-robin, random, power-of-two or rendezvous`},
		{"back-off", pool("    retry-min: 20s\n    retry-max: 10s\n"), `f.yaml:6:16: retry-max: 10s is below retry-min, 20s`},
		{"load", pool("    affinity-max-load: 0.5\n"), `f.yaml:5:24: affinity-max-load: "0.5" is neither 0 nor a number from 1 to 1000, such as 1.25`},
		{"a group of one", pool("    group: g\n"), `f.yaml:5:12: group: no other pool is in g`},
		{"a group that remembers nothing", pool("    group: g\n    affinity-max: 0\n"), `f.yaml:5:12: group: with affinity-max 0 nothing is remembered that could be shared`},
		{
			"a group without a worker in common",
			"pools:\n  - {name: a, group: g, frontend: ['tcp://*:1'], workers: [{endpoint: 'tcp://h:1'}]}\n" +
				"  - {name: b, group: g, frontend: ['tcp://*:2'], workers: [{endpoint: 'tcp://h:2'}]}\n",
			`f.yaml:3:22: group: no worker of pool b has the name of one of pool a: in a group the same name is the same worker`,
		},
		{"a door without a port", pool("    doors: [{identity: a, endpoint: 'ipc:///a'}]\n"), `f.yaml:5:37: doors: endpoint: "ipc:///a" has no port, as a door has`},
		{"a door of nobody", pool("    doors: [{endpoint: 'tcp://*:9'}]\n"), `an empty identity`},
		{"two doors of one", pool("    doors: [{identity: a, endpoint: 'tcp://*:9'}, {identity: a, endpoint: 'tcp://*:8'}]\n"), `f.yaml:5:62: doors: identity: "a" has a door already`},
		{"two doors at one endpoint", pool("    doors: [{identity: a, endpoint: 'tcp://*:9'}, {identity: b, endpoint: 'tcp://*:9'}]\n"), `f.yaml:5:75: doors: endpoint: tcp://*:9 is named twice`},
		{"more doors than there may be", pool("    door-max: 0\n    doors: [{identity: a, endpoint: 'tcp://*:9'}]\n"), `doors: there are 1, and door-max is 0`},
		{"client-addresses", dialling("127.64.0.0/10,firm"), `f.yaml:5:23: client-addresses: "127.64.0.0/10,firm" is neither a prefix`},
		{"client-addresses and source", dialling("127.64.0.0/10") + "    source: [127.0.0.2]\n", `f.yaml:5:23: client-addresses: workers are dialled from the clients' addresses, and source has none to choose from`},
		{"client-addresses and a worker's source", pool("    client-addresses: 127.64.0.0/10\n    workers: [{endpoint: \"tcp://127.0.0.1:3\", source: [127.0.0.2]}]\n"), `f.yaml:6:55: source: by client-addresses workers are dialled from the clients' addresses: say one of the two`},
		{"a source of another family", pool("    workers: [{endpoint: \"tcp://127.0.0.1:3\", source: [\"::1\"]}]\n"), `f.yaml:5:55: source: 127.0.0.1 cannot be reached from ::1`},
		{"a source without a port", pool("    workers: [{endpoint: \"ipc:///a\", source: [127.0.0.1]}]\n"), `f.yaml:5:46: source: ipc:///a is not dialled from an address`},
		{"a source twice", pool("    source: [127.0.0.2, \"::1\", \"::ffff:127.0.0.2\"]\n"), `f.yaml:5:32: source: "::ffff:127.0.0.2" is named twice`},
		{"a worker at no machine", pool("    workers: [{endpoint: \"tcp://0.0.0.0:3\"}]\n"), `f.yaml:5:26: endpoint: "tcp://0.0.0.0:3": 0.0.0.0 is no address of one machine to connect to`},
		{"a worker's source", pool("    workers: [{endpoint: \"tcp://127.0.0.1:3\", source: [127.0.0.2, here]}]\n"), `f.yaml:5:67: source[1]: "here" is no address of this machine`},
		{"an endpoint's accept-proxy", "pools:\n  - frontend: [{endpoint: 'tcp://*:1', accept-proxy: [127.0.0.1, here]}]\n    backend: ['tcp://*:2']\n", `f.yaml:2:66: frontend: accept-proxy[1]: "here" is no network`},
		{"an endpoint in a mapping", "pools:\n  - frontend: [{endpoint: 'udp://*:1'}]\n    backend: ['tcp://*:2']\n", `f.yaml:2:16: frontend: "udp://*:1"`},
		{"an endpoint with a stranger", "pools:\n  - frontend: [{endpoint: 'tcp://*:1', accept: [127.0.0.1]}]\n    backend: ['tcp://*:2']\n", `f.yaml:2:40: unknown field "accept"`},
		{"an endpoint that is a list", "pools:\n  - frontend: [['tcp://*:1']]\n    backend: ['tcp://*:2']\n", `f.yaml:2:16: want a mapping`},
		{"a frontend that is no list", "pools:\n  - frontend: tcp://*:1\n    backend: ['tcp://*:2']\n", `f.yaml:2:15: want a list`},
		{"client-addresses of nobody who is dialled", pool("    client-addresses: 127.64.0.0/10\n"), `f.yaml:5:23: client-addresses: the pool dials no worker`},
		{"client-addresses of another family", dialling("2001:db8::/64"), `f.yaml:6:26: endpoint: client-addresses: worker 127.0.0.1:3, at 127.0.0.1, cannot be reached from 2001:db8::/64`},
		{"client-addresses with a worker among them", pool("    client-addresses: 127.64.0.0/10\n    workers: [{endpoint: \"tcp://127.64.0.1:3\"}]\n"), `f.yaml:6:26: endpoint: client-addresses: worker 127.64.0.1:3 is itself at one of 127.64.0.0/10`},
		{"client-addresses over ipc", pool("    client-addresses: transparent\n    workers: [{endpoint: \"ipc:///a\"}]\n"), `f.yaml:6:26: endpoint: client-addresses: worker /a, at ipc:///a, sees no addresses`},
		{"clients without an address", "pools:\n  - frontend: [\"ipc:///a\"]\n    workers: [{endpoint: \"tcp://a:1\"}]\n    client-addresses: transparent\n", `f.yaml:2:16: frontend: clients over ipc have no address of their own`},
		{
			"client-addresses twice", dialling("127.64.0.0/10") + "  - name: b\n    frontend: [tcp://*:4]\n    client-addresses: 127.65.0.0/16\n    workers: [{endpoint: \"tcp://127.0.0.1:3\"}]\n",
			`f.yaml:9:23: client-addresses: 127.65.0.0/16 has addresses of 127.64.0.0/10 (pool a)`,
		},
		{"relay", pool("    relay: fast\n"), `f.yaml:5:12: relay: "fast" is unknown, want auto, stream or splice`},
		{"lease", pool("    lease: long\n"), `f.yaml:5:12: lease: "long" is unknown, want none, heartbeat, idle or ttl`},
		{"heartbeat", pool("    lease: heartbeat\n"), `f.yaml:5:12: lease: heartbeat needs a control socket`},
		{"hint-wait", pool("    hint-wait: 1s\n"), `f.yaml:5:16: hint-wait: waiting for hints needs a control socket`},
		{"require-hello", pool("    require-hello: true\n"), `f.yaml:5:20: require-hello: it needs a control socket`},
		{"require-hello of workers", pool("    require-hello: workers\n"), `f.yaml:5:20: require-hello: it needs a control socket`},
		{"require-hello of nobody", pool("    require-hello: nobody\n"), `f.yaml:5:20: require-hello: want true (clients), workers, both or false, not "nobody"`},
		{"control", "control: {endpoints: ['tcp://*:7000']}\n" + pool(""), `f.yaml:1:23: control.endpoints: tcp://*:7000: without CURVE whoever reaches it could steer the proxy: give a certificate`},
		{"control of nothing", "control: {rate: 7}\n" + pool(""), `f.yaml:1:10: control.endpoints: there are settings of a control socket, and no endpoint of it`},
		{"control mode", "control: {endpoints: ['ipc:///a'], mode: rw}\n" + pool(""), `f.yaml:1:42: control.mode: "rw" is no file mode`},
		{"lease without a ttl", pool("    lease: idle\n"), `f.yaml:5:12: lease: idle needs a lease-ttl`},
		{"ttl without a lease", pool("    lease-ttl: 5m\n"), `f.yaml:5:16: lease-ttl: without a lease there is nothing to expire`},
		{"ttl of nothing", pool("    lease: ttl\n    lease-ttl: 0s\n"), `f.yaml:6:16: lease-ttl: 0s is not above zero`},
		{"affinity", pool("    affinity: cookie\n"), `f.yaml:5:15: affinity: "cookie" is unknown, want none or source-address`},
		{"queue-timeout", pool("    queue-timeout: 40s\n"), `f.yaml:5:20: queue-timeout: 40s is not above 0s and below 30s`},
		{"duration", pool("    connect-timeout: 3\n"), `f.yaml:5:22: connect-timeout: "3" is no duration of at most 8760h (such as 250ms, 25s or 1m30s)`},
		{"longest duration", pool("    slot-max-age: 2562047h\n"), `f.yaml:5:19: slot-max-age: 2562047h0m0s is not from 0s to 8760h0m0s`},
		{"endless duration", pool("    lease: ttl\n    lease-ttl: 99999999h\n"), `f.yaml:6:16: lease-ttl: "99999999h" is no duration of at most 8760h`},
		{"negative duration", pool("    slot-max-age: -1s\n"), `f.yaml:5:19: slot-max-age: -1s is not from 0s to 8760h0m0s`},
		{"fraction", pool("    queue-max: 1.5\n"), `f.yaml:5:16: queue-max: "1.5" is no whole number`},
		{"below zero", pool("    max-clients: -1\n"), `f.yaml:5:18: max-clients: -1 is below 0`},
		{"enormous", "io-threads: 99999999999999999999\n" + pool(""), `f.yaml:1:13: io-threads: "99999999999999999999" is no whole number`},
		{"io-threads", "io-threads: 0\n" + pool(""), `f.yaml:1:13: io-threads: 0 is not from 1 to 64`},
		{"weight", pool("    workers:\n      - {endpoint: tcp://a:1, weight: 257}\n"), `f.yaml:6:39: weight: 257 is not from 1 to 256`},
		{"worker twice", pool("    workers:\n      - {name: w, endpoint: tcp://a:1}\n      - {name: w, endpoint: tcp://b:1}\n"), `f.yaml:7:16: name: two workers are named w`},
		{"size", pool("    pair-buffer: 4MB\n"), `f.yaml:5:18: pair-buffer: "4MB" is no size from 256KiB to 1GiB (such as 4194304, 512KiB or 4MiB)`},
		{"small", pool("    pair-buffer: 100KiB\n"), `f.yaml:5:18: pair-buffer: "100KiB" is no size from 256KiB to 1GiB`},
		{"large", pool("    pair-buffer: 2GiB\n"), `f.yaml:5:18: pair-buffer: "2GiB" is no size from 256KiB to 1GiB`},
		{"too large to count", pool("    pair-buffer: 1EiB\n"), `f.yaml:5:18: pair-buffer: "1EiB" is no size from 256KiB to 1GiB`},
		{"tab", "pools:\n\t- name: a\n", `f.yaml:2:1: found character '\t' that cannot start any token`},
		{"tab behind what can be read", pool("") + "\tqueue-max: 5\n", `f.yaml:5:1: found character '\t' that cannot start any token`},
		{"keepalive-idle", pool("    keepalive-idle: 1500ms\n"), `f.yaml:5:21: keepalive-idle: 1.5s is not in whole seconds from 1s to 9h6m7s, or 0 for no probes`},
		{"keepalive-interval", pool("    keepalive-interval: 0\n"), `f.yaml:5:25: keepalive-interval: 0s is not in whole seconds from 1s to 9h6m7s`},
		{"long keepalive-interval", pool("    keepalive-interval: 9h6m8s\n"), `f.yaml:5:25: keepalive-interval: 9h6m8s is not in whole seconds from 1s to 9h6m7s`},
		{"keepalive-count", pool("    keepalive-count: 128\n"), `f.yaml:5:22: keepalive-count: 128 is not from 1 to 127`},
		{"user-timeout", pool("    user-timeout: 1us\n"), `f.yaml:5:19: user-timeout: 1µs is not in whole milliseconds from 0s to 596h31m23.647s`},
		{"no user-timeout", pool("    user-timeout: long\n"), `f.yaml:5:19: user-timeout: "long" is no duration`},
		{"expect", pool("    expect: http\n"), `f.yaml:5:13: expect: "http" is unknown, want zmtp or any`},
		{"expect and mechanisms", pool("    expect: any\n    mechanisms: [CURVE]\n"), `f.yaml:5:13: expect: with any nobody looks`},
		{"no-worker", pool("    no-worker: cry\n"), `f.yaml:5:16: no-worker: "cry" is unknown, want wait or refuse`},
		{"no-worker-wait", pool("    no-worker-wait: 25h\n"), `f.yaml:5:21: no-worker-wait: 25h0m0s is not from 0s to below 24h0m0s`},
		{"mechanism", pool("    mechanisms: [CURVE, curve]\n"), `f.yaml:5:25: mechanisms: "curve" is no mechanism's name`},
		{"http", "http: 9555\n" + pool(""), `f.yaml:1:7: http: "9555" is no address, want HOST:PORT, or "" for none`},
		{"http port", "http: localhost:http\n" + pool(""), `f.yaml:1:7: http: "localhost:http": port "http" is not a number`},
		{"web-config that is not there", "web-config: testdata/none.yaml\n" + pool(""), `f.yaml:1:13: web-config: "testdata/none.yaml": open testdata/none.yaml: no such file or directory`},
		{"web-config that is none", "web-config: plan_test.go\n" + pool(""), `f.yaml:1:13: web-config: "plan_test.go": yaml: `},
		{"web-config of nothing", "http: \"\"\nweb-config: testdata/users.yaml\n" + pool(""), `f.yaml:1:7: http: there is a web-config or an http-admin, and nothing is served over HTTP`},
		{"http-admin of nothing", "http: \"\"\nhttp-admin: [all]\n" + pool(""), `f.yaml:1:7: http: there is a web-config or an http-admin`},
		{"admin who is no user", "web-config: testdata/users.yaml\nhttp-admin: [alice, carol]\n" + pool(""), `f.yaml:2:21: http-admin: "carol" is no user of a web-config (basic_auth_users), nor all`},
		{"admin without users", "http-admin: [alice]\n" + pool(""), `f.yaml:1:14: http-admin: "alice" is no user of a web-config`},
		{"whoever steers", "http: 0.0.0.0:9555\nhttp-admin: [all]\n" + pool(""), `f.yaml:2:13: http-admin: whoever reaches 0.0.0.0:9555 could steer: say who may come by a web-config with basic_auth_users, or serve HTTP at 127.0.0.1`},
		{"whoever steers, by a file of no users", "http: \":9555\"\nweb-config: testdata/no-users.yaml\nhttp-admin: [all]\n" + pool(""), `f.yaml:3:13: http-admin: whoever reaches :9555 could steer`},
		{"passwords in clear", "http: 192.0.2.1:9555\nweb-config: testdata/users.yaml\nhttp-admin: [alice]\n" + pool(""), `f.yaml:3:13: http-admin: passwords would go to 192.0.2.1:9555 in clear: say tls_server_config in the web-config, or serve HTTP at 127.0.0.1`},
		{"a page that is none", "grafana-url: javascript:alert(1)\n" + pool(""), `f.yaml:1:14: grafana-url: "javascript:alert(1)" is no page's, want https://HOST/PATH`},
		{"a page with a password", "grafana-url: https://a:b@c/d\n" + pool(""), `f.yaml:1:14: grafana-url: "https://a:b@c/d" is no page's`},
		{"level", "log:\n  level: loud\n" + pool(""), `f.yaml:2:10: log.level: "loud" is unknown, want debug, info, warn or error`},
		{"format", "log:\n  format: xml\n" + pool(""), `f.yaml:2:11: log.format: "xml" is unknown, want text or json`},
		{"no frontend", "pools:\n  - name: a\n    backend: [tcp://*:1]\n", `f.yaml:2:5: pool a has no frontend`},
		{"no backend", "pools:\n  - name: a\n    frontend: [tcp://*:1]\n", `f.yaml:2:5: pool a has no backend and no workers`},
		{"no pools", "http: \"\"\n", `f.yaml:1:1: pools: a file needs a list of them`},
		{"empty pools", "pools: []\n", `f.yaml:1:8: pools: a file needs a list of them`},
		{"endpoint twice", "pools:\n  - frontend: [tcp://127.0.0.1:1]\n    backend: [tcp://127.0.0.1:1]\n", `f.yaml:3:15: backend: tcp://127.0.0.1:1 is named twice`},
		{"two pools on one endpoint", pool("") + "  - name: b\n    frontend: [tcp://*:1]\n    backend: [tcp://*:3]\n", `f.yaml:6:16: frontend: tcp://*:1 takes the place of tcp://127.0.0.1:1 (pool a)`},
		{"two pools of one name", pool("") + "  - name: a\n    frontend: [tcp://*:3]\n    backend: [tcp://*:4]\n", `f.yaml:5:11: name: two pools are named a`},
		{"nameless pool", pool("") + "  - frontend: [tcp://*:3]\n    backend: [tcp://*:4]\n", `f.yaml:5:5: a pool needs a name where there are several`},
		{"name", "pools:\n  - name: \"a\\nb\"\n" + endpoints, `f.yaml:2:11: name: "a\nb" is no name`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := planned(c.text)
			if err == nil {
				t.Fatal("no mistake was found")
			}
			line, excerpt, _ := strings.Cut(err.Error(), "\n")
			if !strings.Contains(line, c.says) {
				t.Errorf("got  %s\nwant %s", line, c.says)
			}
			if !strings.Contains(excerpt, "^") || !strings.HasPrefix(line, "f.yaml:") {
				t.Errorf("no caret: %s", err)
			}
		})
	}
}

func planned(text string) error {
	s, err := parse("f.yaml", []byte(text))
	if err == nil {
		_, err = s.Plan(testCPUs)
	}
	return err
}

func TestFilesThatSayNothing(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"":                  "f.yaml: the file says nothing",
		"# a comment\n":     "f.yaml: the file says nothing",
		"a: 1\n---\nb: 1\n": "f.yaml: 2 YAML documents, want one",
	} {
		if err := planned(text); err == nil || err.Error() != says {
			t.Errorf("%q: %v, want %s", text, err, says)
		}
	}
}

func TestEveryMistakeIsFound(t *testing.T) {
	t.Parallel()
	err := planned("pools:\n  - {frontend: [a], backend: [b], policy: c, queue-max: d}\n")
	var all Mistakes
	if !errors.As(err, &all) || len(all) != 4 {
		t.Errorf("%d mistakes: %v", len(all), err)
	}
	if errors.Unwrap(all[0]) != nil || len(all.Unwrap()) != 4 {
		t.Error("the mistakes are not unwrapped")
	}
}

// What a flag replaced is shown with the flag, the rest with its place.
func TestMistakesInFlags(t *testing.T) {
	t.Parallel()
	s, err := parse("f.yaml", []byte("pools:\n  - frontend: [tcp://*:1]\n    backend: [tcp://*:2]\n    queue-max: x\n"))
	if err != nil {
		t.Fatal(err)
	}
	s.Pools[0].Workers = []Worker{{Endpoint: "tcp://a:1", Weight: "0"}}
	s.Log.Level = "loud"
	s.Replaced("workers")
	s.Replaced("log.level")
	_, err = s.Plan(testCPUs)
	var all Mistakes
	if !errors.As(err, &all) || len(all) != 3 {
		t.Fatal(err)
	}
	if got, want := all[0].Error(), `--log-level: "loud" is unknown, want debug, info, warn or error`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := all[1].Error(), "--worker: weight: 0 is not from 1 to 256"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := all[2].Error(); !strings.HasPrefix(got, `f.yaml:4:16: queue-max: "x" is no whole number`) {
		t.Error(got)
	}
	if !s.FromFile() {
		t.Error("not from a file?")
	}
	none := Settings{Pools: []Pool{{}}}
	if _, err := none.Plan(testCPUs); err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "--frontend") {
		t.Errorf("%v", err)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Read(filepath.Join(dir, "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Read(dir); err == nil {
		t.Error("a directory was read")
	}
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, []byte(strings.Repeat("# comment\n", maxFile/8)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(large); err == nil || !strings.Contains(err.Error(), "no configuration file") {
		t.Error(err)
	}
	good := filepath.Join(dir, "good.yaml")
	if err := os.WriteFile(good, []byte("pools:\n- frontend: [tcp://a:1]\n  backend: [tcp://a:2]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Read(good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Plan(testCPUs); err != nil {
		t.Error(err)
	}
}

// An endpoint of the frontend has the pool's accept-proxy, its own, or none, in a file and by flags alike.
func TestFrontends(t *testing.T) {
	t.Parallel()
	const rest = "    accept-proxy: [10.0.0.0/8]\n    backend: ['tcp://*:9']\n"
	s, err := parse("f.yaml", []byte("pools:\n  - frontend:\n      - tcp://*:1\n      - {endpoint: 'tcp://*:2', accept-proxy: [192.0.2.7, ipc]}\n      - endpoint: tcp://*:3\n        accept-proxy: []\n      - endpoint: tcp://*:4\n"+rest))
	if err != nil {
		t.Fatal(err)
	}
	byFlags := []Frontend{ParseFrontend("tcp://*:1"), ParseFrontend("tcp://*:2,accept-proxy=192.0.2.7,accept-proxy=ipc"), ParseFrontend("tcp://*:3,accept-proxy="), ParseFrontend("tcp://*:4")}
	if !reflect.DeepEqual(s.Pools[0].Frontend, byFlags) {
		t.Errorf("%+v is not %+v", s.Pools[0].Frontend, byFlags)
	}
	p, err := s.Plan(testCPUs)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"10.0.0.0/8", "192.0.2.7/32, ipc", "nobody", "10.0.0.0/8"} {
		if got := p.Pools[0].SendersAt(i).String(); got != want || p.Pools[0].Frontend[i] != fmt.Sprint("tcp://*:", i+1) {
			t.Errorf("%s takes headers from %s, want %s", p.Pools[0].Frontend[i], got, want)
		}
	}
}

func TestParseWorker(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Worker{
		"tcp://a:1":                             {Endpoint: "tcp://a:1"},
		"w=tcp://a:1":                           {Name: "w", Endpoint: "tcp://a:1"},
		"w=tcp://a:1,weight=2,max=100":          {Name: "w", Endpoint: "tcp://a:1", Weight: "2", Max: "100"},
		"ipc:///run/a=b.sock":                   {Endpoint: "ipc:///run/a=b.sock"},
		"tcp://a:1,source=127.0.0.2,source=::1": {Endpoint: "tcp://a:1", Source: []string{"127.0.0.2", "::1"}},
		"x=ipc:///run/a=b.sock,weight=3":        {Name: "x", Endpoint: "ipc:///run/a=b.sock", Weight: "3"},
	} {
		if got, err := ParseWorker(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"=tcp://a:1", "tcp://a:1,speed=3", "tcp://a:1,", "tcp://a:1,tcp://b:1"} {
		if w, err := ParseWorker(text); err == nil {
			t.Errorf("%s: %+v", text, w)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"0": 0, "4194304": 4 << 20, "512KiB": 512 << 10, "4 MiB": 4 << 20, "1GiB": 1 << 30} {
		if got, err := size(text); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "4MB", "MiB", "1.5MiB", "9223372036854775807KiB"} {
		if n, err := size(text); err == nil {
			t.Errorf("%s: %d", text, n)
		}
	}
}

// Whatever a file says, it is read or refused: no panic, and a mistake's first line names the file.
func FuzzPlan(f *testing.F) {
	f.Add("pools:\n  - {frontend: [tcp://*:1], backend: ['tcp://*:2'], workers: [{endpoint: 'tcp://a:1', weight: 3}]}\n")
	f.Add("log: {level: info}\nhttp: \"\"\npools:\n- name: &a x\n  frontend: *a\n")
	f.Add("pools:\n - null\n")
	f.Add("<<: {}\n? a\n: b\n")
	f.Fuzz(func(t *testing.T, text string) {
		if err := planned(text); err != nil && !strings.HasPrefix(err.Error(), "f.yaml:") {
			t.Errorf("%q", err)
		}
	})
}

// A file of workers is a list, and its mistakes are shown as those of a configuration.
func TestReadWorkers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "workers.yaml")
	read := func(text string) ([]pairing.WorkerConfig, error) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return ReadWorkers(file)
	}
	want := []pairing.WorkerConfig{
		{Name: "w1", Endpoint: "tcp://10.0.0.1:6000", Weight: 2, MaxPairs: 5}, {Name: "10.0.0.2:6000", Endpoint: "tcp://10.0.0.2:6000", Weight: 1},
	}
	for _, text := range []string{
		"- {name: w1, endpoint: 'tcp://10.0.0.1:6000', weight: 2, max: 5}\n- endpoint: tcp://10.0.0.2:6000\n",
		`[{"name": "w1", "endpoint": "tcp://10.0.0.1:6000", "weight": 2, "max": 5}, {"endpoint": "tcp://10.0.0.2:6000"}]`,
	} {
		got, err := read(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v, -want +got\n%s", text, err, diff)
		}
	}
	if got, err := read("[]"); len(got) != 0 || err != nil {
		t.Errorf("no workers: %v, %v", got, err)
	}
	for text, says := range map[string]string{
		"":                            ": the file says nothing",
		"---\n":                       ": the file says nothing",
		"null\n":                      ": the file says nothing",
		"~":                           ": the file says nothing",
		"!!null ''":                   ": the file cannot be read", // at which the YAML library panics
		"&a null":                     ": the file",
		"[~]":                         ":1:2: endpoint: a worker needs an endpoint",
		"workers: []":                 ":1:8: want a list",
		"- {endpoint: a, speed: 3}":   `:1:17: unknown field "speed"`,
		"- endpoint: 10.0.0.1:6000\n": `:1:13: endpoint: "10.0.0.1:6000": want tcp://HOST:PORT or ipc://PATH`,
		"- {name: w, endpoint: 'tcp://a:1'}\n- {name: w, endpoint: 'tcp://b:1'}\n": ":2:10: name: two workers are named w",
		"- {endpoint: 'tcp://a:1', resolve: a}\n":                                  ":1:36: resolve: only a configuration can have workers looked up",
	} {
		got, err := read(text)
		if err == nil || !strings.HasPrefix(err.Error(), file+says) || len(got) > 0 {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// Pools of the same group name share one, others have another or none.
func TestGroups(t *testing.T) {
	t.Parallel()
	s, err := parse("f.yaml", []byte(`pools:
  - {name: a, group: g, frontend: ['tcp://*:1'], workers: [{name: w, endpoint: 'tcp://h:1'}]}
  - {name: b, group: g, frontend: ['tcp://*:2'], workers: [{name: v, endpoint: 'tcp://h:2'}, {name: w, endpoint: 'tcp://i:2'}]}
  - {name: c, group: h, frontend: ['tcp://*:3'], backend: ['tcp://*:5']}
  - {name: d, group: h, frontend: ['tcp://*:4'], workers: [{name: w, endpoint: 'tcp://h:4'}]}
  - {name: e, frontend: ['tcp://*:6'], backend: ['tcp://*:7']}
`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Plan(testCPUs)
	if err != nil {
		t.Fatal(err)
	}
	of := func(i int) *stream.Group { return p.Pools[i].Group }
	if of(0) != of(1) || of(2) != of(3) || of(0) == of(2) || of(4) != nil || of(0).Name() != "g" || of(4).Name() != "" {
		t.Errorf("they are %v", []*stream.Group{of(0), of(1), of(2), of(3), of(4)})
	}
}

// Who may steer is taken where nobody else can: on this machine, or by a password.
func TestAdminsAreTaken(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"http-admin: [all]\n",
		"http: localhost:9555\nhttp-admin: [all]\n",
		"http: \"[::1]:9555\"\nweb-config: testdata/users.yaml\nhttp-admin: [alice, bob]\n",
		"http: 0.0.0.0:9555\nweb-config: testdata/users.yaml\n",
		"http: 0.0.0.0:9555\n",
	} {
		if err := planned(text + "pools:\n  - frontend: [tcp://*:1]\n    backend: [tcp://*:2]\n"); err != nil {
			t.Errorf("%s%v", text, err)
		}
	}
}

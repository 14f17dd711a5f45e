package metrics

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/streamq/streamq-proxy/internal/leaks"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/shared"
)

func TestMain(m *testing.M) { leaks.Main(m) }

// fake is a pool that answers with one snapshot, with an error, or never.
type fake struct {
	name     string
	snapshot stream.Snapshot
	err      error
	deaf     bool
	asked    int
}

func (f *fake) Name() string { return f.name }

func (f *fake) Snapshot(ctx context.Context) (stream.Snapshot, error) {
	f.asked++
	if f.deaf {
		<-ctx.Done()
		return stream.Snapshot{}, ctx.Err()
	}
	return f.snapshot, f.err
}

func busy(name string) *fake {
	s := stream.Snapshot{
		Pool: name, BytesIn: 10, BytesOut: 20, Backlog: 30, Connections: 4,
		Descriptors: 6, DescriptorLimit: 7, Lag: 8 * time.Millisecond, Commands: 2, Usable: true,
		Workers: []pairing.WorkerInfo{
			{Name: "w1", State: pairing.SetAside, Weight: 2, MaxPairs: 9, Pairs: 3, Failures: 4, Served: 11},
			{Name: "127.0.0.1\xff", Slots: 2},
		},
		Departed: []pairing.WorkerInfo{{Name: "10.0.0.1", Failures: 1, Served: 7}},
	}
	t := &s.Stats
	t.Clients[pairing.PeerOpen], t.Clients[pairing.PeerWaiting] = 3, 1
	t.WorkerPeers[pairing.PeerSlot] = 2
	t.Open, t.Handshaking = 3, 1
	t.Ended[pairing.ClientClosed], t.Ended[pairing.NotZMTP] = 12, 1
	t.SlotAges[0], t.SlotAges[pairing.NumSlotAges-1] = 1, 1
	t.PairsEnded[pairing.ClientClosed] = 10
	t.SlotsMade, t.SlotsRecycled = 20, 13
	t.LeasesExpired[pairing.LeaseIdle] = 14
	t.ChosenByPolicy = 15
	t.Waits.Counts[3], t.Waits.Counts[5], t.Waits.Counts[pairing.NumBounds] = 1, 2, 3
	t.Waits.Count, t.Waits.Sum = 6, 90*time.Second
	t.DialsDone.Observe(2 * time.Millisecond)
	t.DialsFailed.Observe(time.Minute)
	s.Turns.Observe(30 * time.Microsecond)
	return &fake{name: name, snapshot: s}
}

func TestSamples(t *testing.T) {
	t.Parallel()
	const want = `
# HELP streamq_bytes_total Bytes passed on between the peers of pairs.
# TYPE streamq_bytes_total counter
streamq_bytes_total{direction="client-to-worker",pool="orders"} 10
streamq_bytes_total{direction="worker-to-client",pool="orders"} 20
# HELP streamq_clients Clients that are connected.
# TYPE streamq_clients gauge
streamq_clients{pool="orders",state="connected"} 0
streamq_clients{pool="orders",state="dialling"} 0
streamq_clients{pool="orders",state="draining"} 0
streamq_clients{pool="orders",state="open"} 3
streamq_clients{pool="orders",state="paired"} 0
streamq_clients{pool="orders",state="waiting"} 1
# HELP streamq_leases_expired_total Leases that were not renewed.
# TYPE streamq_leases_expired_total counter
streamq_leases_expired_total{pool="orders",strategy="heartbeat"} 0
streamq_leases_expired_total{pool="orders",strategy="idle"} 14
streamq_leases_expired_total{pool="orders",strategy="ttl"} 0
# HELP streamq_loop_lag_seconds Time that this scrape waited for its turn of the pool's loop.
# TYPE streamq_loop_lag_seconds gauge
streamq_loop_lag_seconds{pool="orders"} 0.008
# HELP streamq_loop_queue_depth What waited for the pool's loop before this scrape did.
# TYPE streamq_loop_queue_depth gauge
streamq_loop_queue_depth{pool="orders"} 2
# HELP streamq_pool_lame_duck 1 when the pool serves new clients and is not ready, so that none are sent.
# TYPE streamq_pool_lame_duck gauge
streamq_pool_lame_duck{pool="orders"} 0
# HELP streamq_pool_paused 1 when the pool is paused: nothing is read from its connections.
# TYPE streamq_pool_paused gauge
streamq_pool_paused{pool="orders"} 0
# HELP streamq_pool_ready 1 when /readyz?pool=NAME is 200: new clients should be sent to the pool.
# TYPE streamq_pool_ready gauge
streamq_pool_ready{pool="orders"} 1
# HELP streamq_pool_up 1 when the pool answered this scrape.
# TYPE streamq_pool_up gauge
streamq_pool_up{pool="orders"} 1
# HELP streamq_pool_usable 1 when some worker takes clients, now or when it is less busy.
# TYPE streamq_pool_usable gauge
streamq_pool_usable{pool="orders"} 1
# HELP streamq_slots Workers' connections that wait for a client, by age in seconds.
# TYPE streamq_slots gauge
streamq_slots{age="0-5",pool="orders"} 1
streamq_slots{age="10-15",pool="orders"} 0
streamq_slots{age="15-20",pool="orders"} 0
streamq_slots{age="20-25",pool="orders"} 0
streamq_slots{age="25-30",pool="orders"} 0
streamq_slots{age="30+",pool="orders"} 1
streamq_slots{age="5-10",pool="orders"} 0
# HELP streamq_wait_seconds Time from a client's first bytes to its pair.
# TYPE streamq_wait_seconds histogram
streamq_wait_seconds_bucket{pool="orders",le="0.0001"} 0
streamq_wait_seconds_bucket{pool="orders",le="0.00025"} 0
streamq_wait_seconds_bucket{pool="orders",le="0.0005"} 0
streamq_wait_seconds_bucket{pool="orders",le="0.001"} 1
streamq_wait_seconds_bucket{pool="orders",le="0.0025"} 1
streamq_wait_seconds_bucket{pool="orders",le="0.005"} 3
streamq_wait_seconds_bucket{pool="orders",le="0.01"} 3
streamq_wait_seconds_bucket{pool="orders",le="0.025"} 3
streamq_wait_seconds_bucket{pool="orders",le="0.05"} 3
streamq_wait_seconds_bucket{pool="orders",le="0.1"} 3
streamq_wait_seconds_bucket{pool="orders",le="0.25"} 3
streamq_wait_seconds_bucket{pool="orders",le="0.5"} 3
streamq_wait_seconds_bucket{pool="orders",le="1"} 3
streamq_wait_seconds_bucket{pool="orders",le="2.5"} 3
streamq_wait_seconds_bucket{pool="orders",le="5"} 3
streamq_wait_seconds_bucket{pool="orders",le="10"} 3
streamq_wait_seconds_bucket{pool="orders",le="25"} 3
streamq_wait_seconds_bucket{pool="orders",le="+Inf"} 6
streamq_wait_seconds_sum{pool="orders"} 90
streamq_wait_seconds_count{pool="orders"} 6
# HELP streamq_worker_pairs Pairs of the worker.
# TYPE streamq_worker_pairs gauge
streamq_worker_pairs{pool="orders",worker="10.0.0.1"} 0
streamq_worker_pairs{pool="orders",worker="127.0.0.1?"} 0
streamq_worker_pairs{pool="orders",worker="w1"} 3
# HELP streamq_worker_pairs_made_total Pairs ever made with the worker.
# TYPE streamq_worker_pairs_made_total counter
streamq_worker_pairs_made_total{pool="orders",worker="10.0.0.1"} 7
streamq_worker_pairs_made_total{pool="orders",worker="127.0.0.1?"} 0
streamq_worker_pairs_made_total{pool="orders",worker="w1"} 11
# HELP streamq_worker_state 1 for the state that the worker is in, 0 for the others.
# TYPE streamq_worker_state gauge
streamq_worker_state{pool="orders",state="draining",worker="10.0.0.1"} 0
streamq_worker_state{pool="orders",state="draining",worker="127.0.0.1?"} 0
streamq_worker_state{pool="orders",state="draining",worker="w1"} 0
streamq_worker_state{pool="orders",state="gone",worker="10.0.0.1"} 1
streamq_worker_state{pool="orders",state="gone",worker="127.0.0.1?"} 0
streamq_worker_state{pool="orders",state="gone",worker="w1"} 0
streamq_worker_state{pool="orders",state="maintenance",worker="10.0.0.1"} 0
streamq_worker_state{pool="orders",state="maintenance",worker="127.0.0.1?"} 0
streamq_worker_state{pool="orders",state="maintenance",worker="w1"} 0
streamq_worker_state{pool="orders",state="ready",worker="10.0.0.1"} 0
streamq_worker_state{pool="orders",state="ready",worker="127.0.0.1?"} 1
streamq_worker_state{pool="orders",state="ready",worker="w1"} 0
streamq_worker_state{pool="orders",state="set-aside",worker="10.0.0.1"} 0
streamq_worker_state{pool="orders",state="set-aside",worker="127.0.0.1?"} 0
streamq_worker_state{pool="orders",state="set-aside",worker="w1"} 1
# HELP streamq_workers Workers.
# TYPE streamq_workers gauge
streamq_workers{pool="orders",state="draining"} 0
streamq_workers{pool="orders",state="gone"} 1
streamq_workers{pool="orders",state="maintenance"} 0
streamq_workers{pool="orders",state="ready"} 1
streamq_workers{pool="orders",state="set-aside"} 1
`
	if err := testutil.CollectAndCompare(NewCollector(busy("orders")), strings.NewReader(want), namesOf(want)...); err != nil {
		t.Error(err)
	}
}

// namesOf are the families in an exposition.
func namesOf(exposition string) (names []string) {
	for line := range strings.Lines(exposition) {
		if rest, found := strings.CutPrefix(line, "# TYPE "); found {
			names = append(names, strings.Fields(rest)[0])
		}
	}
	return names
}

// everything is a registry with all that a proxy shows.
func everything(pools ...Source) *prometheus.Registry {
	r := NewRegistry(Build{Version: "1", Revision: "abc", GoVersion: "go1"}, pools...)
	reloads := NewReloads(time.Unix(1e9, 0))
	reloads.Done(time.Unix(2e9, 0), errors.New("a mistake"))
	r.MustRegister(reloads, NewUpgrades(), NewFinderCollector(func() []FinderStats {
		return []FinderStats{{Pool: "orders", Kind: "a", Name: "w", Workers: 3, Age: 1500 * time.Millisecond, Interval: 30 * time.Second, Good: 5, Failed: 2}}
	}), NewControlCollector(func() ControlStats {
		s := ControlStats{Requests: []ControlRequests{{"PING", "200", 2}, {"other", "501", 1}}, Refused: map[string]uint64{"key": 2, "crowded": 0}, Unread: 4, EventsLost: 5}
		s.Count("PING", "200", 1) // a verb and a code are one series, wherever they were counted
		return s
	}), NewWebCollector(func() WebStats {
		return WebStats{InForce: true, Right: 3, Wrong: 2, Limited: 1}
	}), NewSharedCollector(func() (shared.Stats, bool) {
		s := shared.Stats{State: shared.Up, Changes: 1, Pending: 2, Lookups: map[string]uint64{"known": 7}, Names: map[string]uint64{"known": 3}, LeftOut: map[string]int64{"workers": 2}, Writes: map[string]uint64{"stored": 6}}
		s.Times.Observe(time.Millisecond)
		return s, true
	}))
	return r
}

func TestLint(t *testing.T) {
	t.Parallel()
	problems, err := testutil.GatherAndLint(everything(busy("a"), busy("b")))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// Every description has its samples, every sample its description (a pedantic
// registry checks this), and one scrape is one snapshot.
func TestEveryFamilyIsShown(t *testing.T) {
	t.Parallel()
	pool := busy("a")
	c := NewCollector(pool)
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(c)
	got, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if pool.asked != 1 {
		t.Errorf("%d snapshots for one scrape", pool.asked)
	}
	if want := len(c.families.all); len(got) != want {
		t.Errorf("%d families are shown, %d described", len(got), want)
	}
	for _, f := range got {
		if strings.HasSuffix(f.GetName(), "clients_ended_total") && len(f.GetMetric()) != len(pairing.Reasons()) {
			t.Errorf("%d reasons", len(f.GetMetric()))
		}
	}
}

func TestPoolThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		r := prometheus.NewPedanticRegistry()
		r.MustRegister(NewCollector(&fake{name: "deaf", deaf: true}, &fake{name: "gone", err: errors.New("stopped")}, busy("good")))
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != snapshotTimeout {
			t.Errorf("a scrape took %v", took)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				pool := ""
				for _, l := range m.GetLabel() {
					if l.GetName() == "pool" {
						pool = l.GetValue()
					}
				}
				up := f.GetName() == "streamq_pool_up"
				if !up && pool != "good" {
					t.Errorf("%s is shown of %s", f.GetName(), pool)
				}
				if up && (m.GetGauge().GetValue() == 1) != (pool == "good") {
					t.Errorf("up %v of %s", m.GetGauge().GetValue(), pool)
				}
			}
		}
	})
}

func TestControl(t *testing.T) {
	t.Parallel()
	const want = `
# HELP streamq_control_connections_refused_total Connections to the control socket that were not let in.
# TYPE streamq_control_connections_refused_total counter
streamq_control_connections_refused_total{reason="crowded"} 0
streamq_control_connections_refused_total{reason="key"} 2
# HELP streamq_control_events_dropped_total Events that were too many to be published.
# TYPE streamq_control_events_dropped_total counter
streamq_control_events_dropped_total 5
# HELP streamq_control_replies_dropped_total Replies that were dropped because the caller did not read.
# TYPE streamq_control_replies_dropped_total counter
streamq_control_replies_dropped_total 4
# HELP streamq_control_requests_total Requests to the control socket, and to steer over HTTP.
# TYPE streamq_control_requests_total counter
streamq_control_requests_total{code="200",verb="PING"} 3
streamq_control_requests_total{code="501",verb="other"} 1
`
	if err := testutil.GatherAndCompare(everything(), strings.NewReader(want), namesOf(want)...); err != nil {
		t.Error(err)
	}
}

func TestFinders(t *testing.T) {
	t.Parallel()
	const want = `
# HELP streamq_finder_age_seconds Time since the last good answer of a finder, without any since it was made.
# TYPE streamq_finder_age_seconds gauge
streamq_finder_age_seconds{finder="w",kind="a",pool="orders"} 1.5
# HELP streamq_finder_interval_seconds Longest time between two look-ups of a finder.
# TYPE streamq_finder_interval_seconds gauge
streamq_finder_interval_seconds{finder="w",kind="a",pool="orders"} 30
# HELP streamq_finder_lookups_total Look-ups of a finder.
# TYPE streamq_finder_lookups_total counter
streamq_finder_lookups_total{finder="w",kind="a",pool="orders",result="failure"} 2
streamq_finder_lookups_total{finder="w",kind="a",pool="orders",result="success"} 5
# HELP streamq_finder_workers Workers in the last good answer of a finder.
# TYPE streamq_finder_workers gauge
streamq_finder_workers{finder="w",kind="a",pool="orders"} 3
`
	if err := testutil.GatherAndCompare(everything(), strings.NewReader(want), namesOf(want)...); err != nil {
		t.Error(err)
	}
}

func TestReloads(t *testing.T) {
	t.Parallel()
	r := NewReloads(time.Unix(1000, 0))
	want := func(good, since, succeeded, failed float64) {
		t.Helper()
		exposition := fmt.Sprintf(`
# HELP streamq_config_last_reload_success_timestamp_seconds When the configuration that is in force was read.
# TYPE streamq_config_last_reload_success_timestamp_seconds gauge
streamq_config_last_reload_success_timestamp_seconds %v
# HELP streamq_config_last_reload_successful 1 when the last reload succeeded or there was none, 0 when it failed and changed nothing.
# TYPE streamq_config_last_reload_successful gauge
streamq_config_last_reload_successful %v
# HELP streamq_config_reloads_total Reloads of the configuration, the start excluded.
# TYPE streamq_config_reloads_total counter
streamq_config_reloads_total{result="failure"} %v
streamq_config_reloads_total{result="success"} %v
`, since, good, failed, succeeded)
		if err := testutil.CollectAndCompare(r, strings.NewReader(exposition)); err != nil {
			t.Error(err)
		}
	}
	want(1, 1000, 0, 0)
	r.Done(time.Unix(2000, 0), errors.New("a mistake"))
	want(0, 1000, 0, 1)
	r.Done(time.Unix(3000, 0), nil)
	want(1, 3000, 1, 1)
}

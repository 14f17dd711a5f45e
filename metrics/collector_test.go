package metrics

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
		Pool: name, BytesIn: 10, BytesOut: 20, Backlog: 30, Connections: 4, LostNotices: 5,
		Descriptors: 6, DescriptorLimit: 7, Turn: 8 * time.Millisecond, Usable: true,
		Workers: []pairing.WorkerInfo{
			{Name: "w1", State: pairing.SetAside, Weight: 2, MaxPairs: 9, Pairs: 3, Failures: 4, Served: 11},
			{Name: "127.0.0.1\xff", Slots: 2},
		},
	}
	t := &s.Stats
	t.Clients[pairing.PeerOpen], t.Clients[pairing.PeerWaiting] = 3, 1
	t.WorkerPeers[pairing.PeerSlot] = 2
	t.Open, t.Handshaking = 3, 1
	t.Ended[pairing.ClientClosed], t.Ended[pairing.NotZMTP] = 12, 1
	t.SlotAges[0], t.SlotAges[pairing.NumSlotAges-1] = 1, 1
	t.SlotsRecycled = 13
	t.LeasesExpired[pairing.LeaseIdle] = 14
	t.ChosenByPolicy = 15
	t.Waits.Counts[0], t.Waits.Counts[2], t.Waits.Counts[pairing.NumBounds] = 1, 2, 3
	t.Waits.Count, t.Waits.Sum = 6, 90*time.Second
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
# HELP streamq_loop_turn_seconds Longest turn of the pool's loop since it was last asked.
# TYPE streamq_loop_turn_seconds gauge
streamq_loop_turn_seconds{pool="orders"} 0.008
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
streamq_worker_pairs{pool="orders",worker="127.0.0.1?"} 0
streamq_worker_pairs{pool="orders",worker="w1"} 3
# HELP streamq_worker_state 1 for the state that the worker is in, 0 for the others.
# TYPE streamq_worker_state gauge
streamq_worker_state{pool="orders",state="draining",worker="127.0.0.1?"} 0
streamq_worker_state{pool="orders",state="draining",worker="w1"} 0
streamq_worker_state{pool="orders",state="maintenance",worker="127.0.0.1?"} 0
streamq_worker_state{pool="orders",state="maintenance",worker="w1"} 0
streamq_worker_state{pool="orders",state="ready",worker="127.0.0.1?"} 1
streamq_worker_state{pool="orders",state="ready",worker="w1"} 0
streamq_worker_state{pool="orders",state="set-aside",worker="127.0.0.1?"} 0
streamq_worker_state{pool="orders",state="set-aside",worker="w1"} 1
`
	var names []string
	for line := range strings.Lines(want) {
		if rest, found := strings.CutPrefix(line, "# TYPE "); found {
			names = append(names, strings.Fields(rest)[0])
		}
	}
	if err := testutil.CollectAndCompare(NewCollector(busy("orders")), strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	r := NewRegistry(Build{Version: "1", Revision: "abc", GoVersion: "go1"}, busy("a"), busy("b"))
	problems, err := testutil.GatherAndLint(r)
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
	c := NewControlCollector(func() ControlStats {
		return ControlStats{Requests: []ControlRequests{{"PING", "200", 3}, {"other", "501", 1}}, Refused: 2, Unread: 4, EventsLost: 5}
	})
	const want = `
# HELP streamq_control_connections_refused_total Connections to the control socket that had no right to be there.
# TYPE streamq_control_connections_refused_total counter
streamq_control_connections_refused_total 2
# HELP streamq_control_events_dropped_total Events that were too many to be published.
# TYPE streamq_control_events_dropped_total counter
streamq_control_events_dropped_total 5
# HELP streamq_control_replies_dropped_total Replies that were dropped because the caller did not read.
# TYPE streamq_control_replies_dropped_total counter
streamq_control_replies_dropped_total 4
# HELP streamq_control_requests_total Requests to the control socket.
# TYPE streamq_control_requests_total counter
streamq_control_requests_total{code="200",verb="PING"} 3
streamq_control_requests_total{code="501",verb="other"} 1
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	problems, err := testutil.CollectAndLint(c)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

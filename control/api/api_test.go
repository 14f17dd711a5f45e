package api

import (
	"cmp"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/control/api/apitest"
	"github.com/streamq/streamq-proxy/stream"
)

// However many ask, a pool is asked for a snapshot once a second.
func TestOneSnapshotASecond(t *testing.T) {
	t.Parallel()
	r := newRig(t, 10)
	begun := time.Now()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for i := range 10 {
				if status, body := r.get(t, []string{"/status", "/pools", "/workers", "/ends"}[i%4]); status != http.StatusOK {
					t.Errorf("%d %s", status, body)
				}
			}
		})
	}
	all.Wait()
	if most := 1 + int64(time.Since(begun)/momentAge); r.first.Snapshots.Load() > most {
		t.Errorf("%d snapshots in %v", r.first.Snapshots.Load(), time.Since(begun))
	}
}

// More requests than may be are refused, and it costs the pools nothing.
func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t, 10)
	refused := 0
	begun := time.Now()
	for range 2 * requestBurst {
		// Not through the network, which may be slower than the limit is.
		if !r.admission.admit(time.Now()) {
			refused++
		}
	}
	if passed := float64(2*requestBurst - refused); passed > requestBurst+requestRate*time.Since(begun).Seconds()+1 {
		t.Errorf("%v passed", passed)
	}
	r.admission.left, r.admission.rate = 0, 0
	if status, body := r.get(t, "/status"); status != http.StatusTooManyRequests {
		t.Errorf("%d %s", status, body)
	}
	if r.first.Snapshots.Load() != 0 {
		t.Error("a refused request reached a pool")
	}
}

// Clients are copied in pieces, and once for all who ask at about the same time.
func TestHundredThousandClients(t *testing.T) {
	t.Parallel()
	const clients = 100_000
	r := newRig(t, clients)
	eventually(t, "the clients are copied", func() bool { // on a machine that is busy the first who asks may be told to ask again
		status, _ := r.get(t, "/clients?limit=1")
		return status == http.StatusOK
	})
	first := read[Clients](t, r, "/clients?limit=3")
	if first.Total != clients || len(first.Clients) != 3 || *first.Next != 3 || !first.Complete {
		t.Fatalf("%+v", first)
	}
	if r.first.Largest.Load() > piece {
		t.Errorf("the loop was asked for %d at once", r.first.Largest.Load())
	}
	found := read[Pairs](t, r, "/pairs?q=USER-09999&sort=-identity&limit=4")
	if found.Total != 1 || found.Pairs[0].Identity != "user-099990" {
		t.Errorf("%+v", found)
	}
	youngest := read[Clients](t, r, "/clients?sort=age&limit=2&after=1")
	if youngest.Total != clients || youngest.Clients[0].Age >= youngest.Clients[1].Age || youngest.Clients[0].ID != 2*(clients-2)+1 {
		t.Errorf("%+v", youngest)
	}
	last := read[Clients](t, r, "/clients?sort=-worker&after=99999")
	if len(last.Clients) != 1 || last.Next != nil || last.Clients[0].Worker != "w0" {
		t.Errorf("%+v", last)
	}
	if most := int64(2 * (clients/piece + 2)); r.first.Pages.Load() > most { // twice, should the machine be slow
		t.Errorf("%d pieces were copied", r.first.Pages.Load())
	}
	r.directory.forget(time.Now().Add(listKept + time.Second))
	if r.directory.last != nil {
		t.Error("the copy is kept though nobody asks")
	}
}

// More clients than are copied are not listed, and the answer says so.
func TestCopyIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, 10*piece)
	r.directory.most = 8 * piece
	all := read[Clients](t, r, "/clients?limit=1")
	if all.Complete || all.Total != r.directory.most {
		t.Errorf("%+v", all)
	}
}

// A page that another site has shown asks in vain; one that a user opens does not.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	for _, tc := range []struct {
		host, site, mode string
		want             int
	}{
		{"", "", "", http.StatusOK},
		{"localhost:9555", "same-origin", "cors", http.StatusOK},
		{"[::1]:1", "none", "navigate", http.StatusOK},
		{"", "cross-site", "navigate", http.StatusOK}, // a link that was followed: the answer is shown to the user only
		{"", "cross-site", "no-cors", http.StatusForbidden},
		{"evil.example", "same-origin", "cors", http.StatusForbidden}, // DNS rebinding
		{"localhost.evil.example:80", "", "", http.StatusForbidden},
		{"127.0.0.1.evil.example", "", "", http.StatusForbidden},
	} {
		q, err := http.NewRequest(http.MethodGet, r.web.URL+Prefix+"/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Host = tc.host
		for key, value := range map[string]string{"Sec-Fetch-Site": tc.site, "Sec-Fetch-Mode": tc.mode} {
			if value != "" {
				q.Header.Set(key, value)
			}
		}
		answer, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != tc.want {
			t.Errorf("%+v: %s", tc, answer.Status)
		}
		if answer.Header.Get("Access-Control-Allow-Origin") != "" || !strings.Contains(answer.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("headers: %v", answer.Header)
		}
	}
}

// Whoever comes through a proxy on this machine is not on it.
func TestThroughAProxy(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"} {
		q, err := http.NewRequest(http.MethodGet, r.web.URL+Prefix+"/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set(header, "192.0.2.1")
		answer, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", header, answer.Status)
		}
	}
}

// A worker has its bytes, and how long its dials take.
func TestWorkersAreTold(t *testing.T) {
	t.Parallel()
	r := newRig(t, 10)
	r.first.Change(func(s *stream.Snapshot) {
		s.Workers[2].DialTime = 3 * time.Millisecond
		s.WorkerBytes = map[string][2]uint64{"w2": {5, 7}}
	})
	for i, w := range read[Workers](t, r, "/workers").Workers {
		if is := i == 2; (w.DialTime.Duration() == 3*time.Millisecond) != is || (w.BytesIn == 5 && w.BytesOut == 7) != is {
			t.Errorf("%+v", w)
		}
	}
}

// Workers come in the order of a column, and the pages of it follow each other.
func TestWorkersAreSorted(t *testing.T) {
	t.Parallel()
	r := newRig(t, 10)
	r.first.Change(func(s *stream.Snapshot) {
		for i := range s.Workers {
			s.Workers[i].Served = uint64(i * 7 % 5)
			s.WorkerBytes = map[string][2]uint64{"w2": {5, 7}}
		}
	})
	all := read[Workers](t, r, "/workers").Workers
	up, down := read[Workers](t, r, "/workers?sort=served").Workers, read[Workers](t, r, "/workers?sort=-served").Workers
	if len(up) != len(all) || !slices.IsSortedFunc(up, func(a, b WorkerRow) int { return cmp.Compare(a.Served, b.Served) }) {
		t.Errorf("%+v", up)
	}
	slices.Reverse(down)
	if !reflect.DeepEqual(up, down) {
		t.Errorf("%+v, and the other way round %+v", up, down)
	}
	if first := read[Workers](t, r, "/workers?sort=-in&limit=1"); first.Workers[0].Worker != "w2" || first.Total != len(all) {
		t.Errorf("%+v", first)
	}
	for _, by := range WorkerSorts() {
		if got := read[Workers](t, r, "/workers?sort="+by).Workers; len(got) != len(all) {
			t.Errorf("%s: %+v", by, got)
		}
	}
}

// The last hour is what has changed from one point to the next, and no more than an hour.
func TestLastHour(t *testing.T) {
	t.Parallel()
	p := apitest.New("p")
	p.Crowd(10, 2)
	s := New(Config{Pools: []Pool{p}})
	at := time.Now()
	for i := range points + 3 {
		m := s.moments.ask()
		m.at = at.Add(time.Duration(i) * step)
		s.hour.add(m)
		s.hour.add(m) // the same moment twice is one
		p.Change(func(now *stream.Snapshot) {
			now.Stats.ClientsTotal += 15
			now.BytesIn += 5000
			now.Stats.Ended[2] += uint64(i % 2)
			for range 99 {
				now.Stats.Handshakes.Observe(time.Millisecond)
			}
			now.Stats.Handshakes.Observe(time.Second)
			now.Stats.Handshakes.Observe(time.Second)
		})
	}
	h, err := s.History("p")
	if err != nil || len(h.Points) != points {
		t.Fatal(err, len(h.Points))
	}
	for i, one := range h.Points {
		if want := at.Add(time.Duration(i+3) * step); !one.Time.Equal(want) {
			t.Fatalf("point %d is of %v, not %v", i, one.Time, want)
		}
		if one.Connects != 3 || one.BytesIn != 1000 || one.Pairs != 10 || len(one.Ended) != i%2 {
			t.Fatalf("point %d: %+v", i, one)
		}
		if q := one.Handshake; q.Count != 101 || q.P50 < 0.0008 || q.P50 > 0.0012 || q.P99 < 0.8 || q.P99 > 1.2 {
			t.Fatalf("point %d: %+v", i, q)
		}
		if one.Dial != (Times{}) {
			t.Fatalf("point %d: %+v", i, one.Dial)
		}
	}
}

// What another process counted comes all at once, by an upgrade, and may go as a whole: neither is a rate.
func TestLastHourAfterAnUpgrade(t *testing.T) {
	t.Parallel()
	r := newRig(t, 10)
	seen := r.sampledRates(t,
		func(now *stream.Snapshot) { now.BytesIn += 5000 },
		func(now *stream.Snapshot) {
			now.BytesIn, now.Stats.ClientsTotal, now.Merged = now.BytesIn+1<<40, 1<<40, 1
		},
		func(now *stream.Snapshot) { now.BytesIn += 10000 },
		func(now *stream.Snapshot) { now.BytesIn, now.Stats.ClientsTotal, now.Merged = 0, 0, 2 },
		func(now *stream.Snapshot) { now.BytesIn += 5000 },
	)
	if want := []float64{1000, 0, 2000, 0, 1000}; !slices.Equal(seen, want) {
		t.Errorf("%v, want %v", seen, want)
	}
}

// sampledRates are the bytes a second of the points that follow from changes.
func (r *rig) sampledRates(t *testing.T, changes ...func(*stream.Snapshot)) (rates []float64) {
	t.Helper()
	at := time.Now()
	for i := range len(changes) + 1 {
		m := r.moments.ask()
		m.at = at.Add(time.Duration(i) * step)
		r.hour.add(m)
		if i < len(changes) {
			r.first.Change(changes[i])
		}
	}
	for _, p := range r.hour.of("first") {
		rates = append(rates, p.BytesIn)
	}
	return rates
}

// A pool that does not answer has no point, and the next one has all that happened meanwhile, by the time that it took.
func TestLastHourOfAStuckPool(t *testing.T) {
	t.Parallel()
	r := newRig(t, 10)
	at := time.Now()
	add := func() {
		m := r.moments.ask()
		at = at.Add(step)
		m.at = at
		r.hour.add(m)
	}
	add()
	r.first.Fail(http.ErrServerClosed)
	add()
	r.first.Fail(nil)
	r.first.Change(func(now *stream.Snapshot) { now.Stats.ClientsTotal += 10 })
	add()
	first := read[History](t, r, "/history?pool=first")
	whole := read[History](t, r, "/history")
	if len(first.Points) != 1 || first.Points[0].Connects != 1 || len(whole.Points) != 2 || whole.Points[0].Pairs != 0 {
		t.Errorf("%+v\n%+v", first, whole)
	}
}

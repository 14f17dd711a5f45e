package pairing

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// crowd is a table with so many open pairs, on so many listening workers of the
// weights 1 to 4. Connections are numbered as the proxy numbers them: clients
// 1<<32 and up, workers' 2<<32 and up.
func crowd(tb testing.TB, pairs, workers int, change func(*Config)) *Table {
	cfg := traceConfig()
	cfg.AffinityMax, cfg.HintMax = 0, 0
	cfg.Lease = Lease{LeaseIdle, time.Minute}
	if change != nil {
		change(&cfg)
	}
	t := New(cfg)
	for i := range workers {
		if _, err := t.AddWorker(0, WorkerConfig{Name: fmt.Sprint("w", i), Endpoint: "tcp://w", Weight: 1 + i%4}); err != nil {
			tb.Fatal(err)
		}
	}
	for i := range pairs {
		come(t, i)
	}
	if t.stats.open != pairs {
		tb.Fatalf("%d pairs are open, not %d", t.stats.open, pairs)
	}
	return t
}

func clientID(i int) PeerID { return PeerID(1<<32 + i) }
func workerID(i int) PeerID { return PeerID(2<<32 + i) }

// come has the client of a number come and be paired, and the pair open.
func come(t *Table, i int) {
	t.ClientConnected(0, clientID(i), Origin{Address: "10.0.0.1"}, nil)
	t.ClientReady(0, clientID(i))
	t.Dialled(0, clientID(i), workerID(i), nil)
	t.Opened(0, clientID(i))
}

var benchPairs = []int{10, 1_000, 100_000, 1_000_000}

// BenchmarkLookup finds a peer's partner, which is done for every chunk.
//
// In 512-spread the same 512 peers, evenly spread through the table, are asked
// for again and again, so that what grows with the table is the cost of the way
// to them. In random it is any peer: what grows is then mostly the misses of the
// processor's caches, since the peers themselves do not fit any more.
func BenchmarkLookup(b *testing.B) {
	const set = 512
	for _, pairs := range benchPairs {
		t := crowd(b, pairs, 10, nil)
		spread, anyone := make([]PeerID, set), make([]PeerID, 1<<20)
		for i := range spread {
			spread[i] = clientID(i * pairs / set)
			if i%2 == 1 {
				spread[i] = workerID(i * pairs / set)
			}
		}
		random := rand.New(rand.NewPCG(1, 1))
		for i := range anyone {
			anyone[i] = PeerID(1+random.IntN(2))<<32 + PeerID(random.IntN(pairs))
		}
		for _, of := range []struct {
			name string
			ids  []PeerID
		}{{"512-spread", spread}, {"random", anyone}} {
			b.Run(fmt.Sprintf("%s/pairs=%d", of.name, pairs), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					if t.Peer(of.ids[i&(len(of.ids)-1)]).Partner() == nil {
						b.Fatal("no partner")
					}
					i++
				}
			})
		}
	}
}

// BenchmarkChoice chooses among 1,000 workers of four weights, and counts the
// client to the one that is chosen and off again.
func BenchmarkChoice(b *testing.B) {
	for _, policy := range Policies() {
		for _, pairs := range benchPairs {
			b.Run(fmt.Sprintf("%v/pairs=%d", policy, pairs), func(b *testing.B) {
				benchmarkChoice(b, pairs, 1000, policy)
			})
		}
	}
}

// BenchmarkChoiceByWorkers is BenchmarkChoice over the number of workers.
func BenchmarkChoiceByWorkers(b *testing.B) {
	for _, policy := range Policies() {
		for _, workers := range []int{10, 1_000, 100_000} {
			b.Run(fmt.Sprintf("%v/workers=%d", policy, workers), func(b *testing.B) {
				benchmarkChoice(b, 1000, workers, policy)
			})
		}
	}
}

func benchmarkChoice(b *testing.B, pairs, workers int, policy Policy) {
	t := crowd(b, pairs, workers, func(c *Config) { c.Policy = policy })
	b.ReportAllocs()
	for b.Loop() {
		chooseOnce(t)
	}
}

var benchClient = newClient(1, Origin{Address: "10.0.0.1"}, nil)

func chooseOnce(t *Table) {
	w := t.choose(benchClient)
	w.dialling++
	t.place(w)
	w.dialling--
	t.place(w)
}

// BenchmarkConnectDisconnect is the whole life of a pair beside others, with
// idle leases: connected, ready, dialled, opened, both gone. What it allocates
// is the two peers, where the client comes from, what it needs until the pair opens, and the record.
func BenchmarkConnectDisconnect(b *testing.B) {
	for _, pairs := range benchPairs {
		b.Run(fmt.Sprintf("pairs=%d", pairs), func(b *testing.B) {
			t := crowd(b, pairs, 100, nil)
			b.ReportAllocs()
			i := pairs
			for b.Loop() {
				come(t, i)
				t.Gone(0, clientID(i), Closed)
				t.Gone(0, workerID(i), Closed)
				i++
			}
		})
	}
}

// BenchmarkTouch says that bytes moved on a pair with an idle lease.
func BenchmarkTouch(b *testing.B) {
	for _, pairs := range benchPairs {
		b.Run(fmt.Sprintf("512-spread/pairs=%d", pairs), func(b *testing.B) {
			t := crowd(b, pairs, 10, nil)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				t.Touch(time.Duration(i), clientID(i%512*pairs/512))
				i++
			}
		})
	}
}

// BenchmarkTick looks for what is due when nothing is.
func BenchmarkTick(b *testing.B) {
	for _, pairs := range benchPairs {
		b.Run(fmt.Sprintf("pairs=%d", pairs), func(b *testing.B) {
			t := crowd(b, pairs, 10, nil)
			b.ReportAllocs()
			for b.Loop() {
				t.Tick(0)
				t.Deadline()
			}
		})
	}
}

// BenchmarkHint says hints for connections to come, over and over, in a table
// that holds as many as it may: each anew ("renewed"), or in the place of another.
func BenchmarkHint(b *testing.B) {
	const held = 100_000
	for _, of := range []struct {
		name   string
		others int
	}{{"renewed", 0}, {"instead", held}} {
		b.Run(of.name, func(b *testing.B) {
			t := crowd(b, 10, 10, func(c *Config) { c.HintMax = held })
			hints := make([]Hint, held+of.others)
			for i := range hints {
				hints[i] = Hint{Identity: fmt.Sprint("load-", i), Endpoint: fmt.Sprintf("10.0.%d.1:%d", i/50_000, i%50_000), Prefer: []string{"w1"}}
				t.Hint(0, hints[i])
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				t.Hint(time.Duration(i), hints[i%len(hints)])
				i++
			}
		})
	}
}

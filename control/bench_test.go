package control

import (
	"io"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

// BenchmarkRequests is how many requests a server answers a caller that has 64
// of them under way.
func BenchmarkRequests(b *testing.B) {
	for _, bc := range []struct {
		name  string
		words func(i int) []any
	}{
		{"PING", func(int) []any { return []any{"PING"} }},
		{"HEARTBEAT", func(int) []any { return []any{"HEARTBEAT", "ann"} }},
		{"HINT", func(i int) []any {
			return []any{"HINT", "id-" + strconv.Itoa(i), "endpoint=10.0.0.1:5", "prefer=w1,w2"}
		}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			r := newRig(b, func(_ *rig, c *Config, _ *stream.Config) { c.Rate, c.Log = 1<<30, nil })
			s := r.raw(zmq4.DEALER)
			r.say(r.dial(), wire.OK, "PIN", "ann", "w1")
			b.ResetTimer()
			under := 0
			for i := range b.N {
				if _, err := s.SendMessage(bc.words(i)...); err != nil {
					b.Fatal(err)
				}
				if under++; under < 64 && i < b.N-1 {
					continue
				}
				for ; under > 0; under-- {
					if m, err := s.RecvMessage(0); err != nil || m[0] != "200" {
						b.Fatal(m, err)
					}
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}

// BenchmarkPairBesideHeartbeats is a round trip of 64 bytes through an open pair,
// alone and beside 10,000 heartbeats a second; beside as many PINGs, which no loop
// hears of, it shows what the caller and the server themselves cost.
func BenchmarkPairBesideHeartbeats(b *testing.B) {
	for _, words := range [][]any{{"alone"}, {"PING"}, {"HEARTBEAT", "ann"}} {
		b.Run(words[0].(string), func(b *testing.B) {
			r := newRig(b, func(_ *rig, c *Config, _ *stream.Config) { c.Rate, c.Log = 1<<30, nil })
			_, back := r.pool.Bound()
			worker := r.connect(back)
			greet(b, worker)
			client := r.client()
			greet(b, client)
			for _, c := range []io.Reader{worker, client} {
				if _, err := io.ReadFull(c, make([]byte, len(nullPeer()))); err != nil {
					b.Fatal(err)
				}
			}
			r.say(r.dial(), wire.OK, "PIN", "ann", "w1")
			stop, done := make(chan struct{}), make(chan struct{})
			s := r.raw(zmq4.DEALER)
			go func() {
				defer close(done)
				for words[0] != "alone" {
					select {
					case <-stop:
						return
					default:
					}
					begin := time.Now()
					for range 100 {
						_, _ = s.SendMessage(words...)
					}
					for range 100 {
						_, _ = s.RecvMessage(0)
					}
					time.Sleep(10*time.Millisecond - time.Since(begin))
				}
			}()
			echo(b, client, worker)
			close(stop)
			<-done
		})
	}
}

// echo has 64 bytes go there and back for b.N times, and reports the slowest of a hundred.
func echo(b *testing.B, client, worker io.ReadWriter) {
	message, got := make([]byte, 64), make([]byte, 64)
	took := make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for range b.N {
		begin := time.Now()
		for _, way := range [][2]io.ReadWriter{{client, worker}, {worker, client}} {
			if _, err := way[0].Write(message); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(way[1], got); err != nil {
				b.Fatal(err)
			}
		}
		took = append(took, time.Since(begin))
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}

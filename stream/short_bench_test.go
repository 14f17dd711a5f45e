package stream

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/streamq/streamq-proxy/pairing"
)

// BenchmarkShortConnection says what a client costs that shakes hands and leaves: the
// time of one after the other, and the allocations of both peers, which are raw and in
// this process, and of the proxy.
func BenchmarkShortConnection(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go serveNull(l)
	ctx, err := NewContext(1, 1)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = ctx.Close() }()
	cfg := DefaultConfig()
	cfg.Frontend = []string{"tcp://127.0.0.1:0"}
	cfg.Workers = []pairing.WorkerConfig{{Name: "w", Endpoint: "tcp://" + l.Addr().String()}}
	cfg.Access = func(*Access) {}
	pool, err := Open(ctx, cfg)
	if err != nil {
		b.Fatal(err)
	}
	run, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- pool.Run(run) }()
	frontend, _ := pool.Bound()
	heard := make([]byte, len(nullPeer()))
	b.ReportAllocs()
	for b.Loop() {
		c, err := net.Dial("tcp", frontend[0][len("tcp://"):])
		if err != nil {
			b.Fatal(err)
		}
		_, _ = c.Write(nullPeer())
		if _, err := io.ReadFull(c, heard); err != nil {
			b.Fatal(err)
		}
		_ = c.Close()
	}
	b.StopTimer()
	stop()
	if err := <-done; err != nil {
		b.Error(err)
	}
}

// serveNull is a worker that says its part of a handshake and waits for the client's end.
func serveNull(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			_, _ = c.Write(nullPeer())
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}()
	}
}

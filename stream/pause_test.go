package stream

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

func slowRead(c net.Conn, chunk int, every time.Duration) (n int, err error) {
	buf := make([]byte, chunk)
	for {
		m, e := c.Read(buf)
		n += m
		if errors.Is(e, io.EOF) {
			return n, nil
		}
		if e != nil {
			return n, e
		}
		time.Sleep(every)
	}
}

// The client sends and closes in order, worker reads all the time but slowly.
func TestSlowReaderHasEverythingAfterTheClose(t *testing.T) {
	lentPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
		const size = 6 << 20
		_ = worker.(*net.TCPConn).SetReadBuffer(64 << 10)
		go func() { _, _ = client.Write(make([]byte, size)); _ = client.(*net.TCPConn).CloseWrite() }()
		n, err := slowRead(worker, 16<<10, 10*time.Millisecond) // 1.6 MB/s at most: 4 MB take longer than the timeout
		t.Logf("got %d of %d, %v; reasons %v", n, size, err, r.reasons())
		if n != size || err != nil {
			t.Error("bytes were lost")
		}
	}, func(c *Config) { c.Pairing.DrainTimeout = 300 * time.Millisecond })
}

func pauseResume(t *testing.T, r *rig) {
	if err := r.pool.Pause(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := r.pool.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// The client half-closes; the worker's answer is held back when the pool is paused.
func TestPauseOfHalfClosedPair(t *testing.T) {
	lentPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
		const size = 16 << 20
		_ = client.(*net.TCPConn).CloseWrite()
		expectEnd(t, worker)
		go func() { _, _ = worker.Write(make([]byte, size)); _ = worker.Close() }()
		last := uint64(1)
		eventually(t, "blocked", func() bool {
			_, out, _ := r.pool.Traffic(context.Background())
			same := out.Bytes == last && out.Bytes > 1<<20
			last = out.Bytes
			time.Sleep(50 * time.Millisecond)
			return same
		})
		pauseResume(t, r)
		n, err := slowRead(client, 1<<20, 0)
		t.Logf("got %d of %d, %v; reasons %v", n, size, err, r.reasons())
		if n != size || err != nil {
			t.Error("bytes were lost")
		}
	})
}

// The smallest pair-buffer, a slow reader, PAUSE and RESUME.
func TestPauseWithSmallBuffer(t *testing.T) {
	lentPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
		const size = 24 << 20
		go func() { _, _ = client.Write(make([]byte, size)); _ = client.(*net.TCPConn).CloseWrite() }()
		last := uint64(1)
		eventually(t, "blocked", func() bool {
			in, _, _ := r.pool.Traffic(context.Background())
			same := in.Bytes == last && in.Bytes > 1<<20
			last = in.Bytes
			time.Sleep(50 * time.Millisecond)
			return same
		})
		pauseResume(t, r)
		n, err := slowRead(worker, 1<<20, 0)
		t.Logf("got %d of %d, %v; reasons %v", n, size, err, r.reasons())
		if n != size || err != nil {
			t.Error("bytes were lost")
		}
	}, func(c *Config) { c.PairBuffer = MinPairBuffer })
}

// A reset that the relay has seen and the loop has not heard of when it is paused.
func TestResetBeforePause(t *testing.T) {
	lentPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
		release := make(chan struct{})
		held := make(chan struct{})
		go func() { _ = r.pool.ask(context.Background(), func() { close(held); <-release }) }()
		<-held // the loop is busy
		done := make(chan error, 2)
		go func() { done <- r.pool.Pause(context.Background()) }()
		time.Sleep(20 * time.Millisecond)
		reset(client)
		time.Sleep(100 * time.Millisecond) // the relay's threads see it
		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		_ = r.pool.Resume(context.Background())
		_ = worker.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err := worker.Read(make([]byte, 1))
		_ = worker.Close()
		eventually(t, "ended", func() bool { return len(r.reasons()) > 0 })
		t.Logf("worker saw %v; reasons %v", err, r.reasons())
		if r.reasons()[0] != pairing.ClientReset {
			t.Errorf("reason %v, want %v", r.reasons()[0], pairing.ClientReset)
		}
	})
}

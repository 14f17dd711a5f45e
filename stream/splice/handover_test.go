package splice

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A pair that is taken back and started again while bytes flow both ways loses
// none and changes no order, whatever it held, and however its place is used by
// others in between, and whichever thread it is moved to.
func TestHandOver(t *testing.T) {
	const pairs, times = 2, 100
	for _, network := range networks {
		for _, threads := range []int{1, 4} {
			if network == "tcp6" && threads == 1 {
				continue
			}
			t.Run(fmt.Sprintf("%s, %d threads", network, threads), func(t *testing.T) {
				src, r := newSource(t, network), newRelay(t, threads)
				defer stir(t, r)()
				var running sync.WaitGroup
				for range pairs {
					e := src.ends(t)
					running.Go(func() { handOver(t, r, e, times) })
				}
				running.Wait()
			})
		}
	}
}

// handOver takes one pair back so many times under traffic, and once more at the end.
func handOver(t *testing.T, r *Relay, e *ends, times int) {
	// What is on its way has to go before what was held: let it be little.
	e.narrow(0, 128<<10)
	e.narrow(1, 128<<10)
	var enough atomic.Bool
	var talking sync.WaitGroup
	var sent, received [2]int
	for side := range e.outer {
		_ = e.outer[side].SetDeadline(time.Now().Add(time.Minute))
		talking.Go(func() { sent[side] = talk(t, e.outer[side], side*1000, &enough) })
		talking.Go(func() { received[side] = listen(t, e.outer[side], (1-side)*1000) })
	}
	for i := range times {
		if err := again(r, e); err != nil {
			t.Errorf("time %d: %v", i, err)
			break
		}
		// Some are taken back at once, others when some bytes have been moved.
		for wanted := rand.Uint64N(1 << rand.IntN(19)); e.pair.Moved(0)+e.pair.Moved(1) < wanted && !e.pair.End().Begun; {
			_, _ = unix.Poll(nil, 1)
		}
	}
	enough.Store(true)
	talking.Wait()
	for side := range sent {
		if sent[side] != received[1-side] {
			t.Errorf("side %d sent %d bytes, of which %d were received", side, sent[side], received[1-side])
		}
	}
	waitFor(t, "over", func() bool { return e.pair.End().Over })
	if end := e.pair.End(); end.Reset || end.Abort {
		t.Errorf("%+v", end)
	}
}

// again stops a pair, gives what it held to whom it was meant for, and starts it.
func again(r *Relay, e *ends) error {
	if e.pair != nil {
		rest := e.pair.Stop()
		for side := range rest {
			if err := writeAll(e.inner[1-side], rest[side]); err != nil {
				return err
			}
		}
	}
	var err error
	e.pair, err = r.Start(e.inner[0], e.inner[1], [2][]byte{}, End{}, &e.passed, toldOf(func() { e.told.Add(1) }))
	return err
}

// talk sends noise in random chunks until it is enough, half-closes, and says how much it was.
func talk(t *testing.T, c outerConn, start int, enough *atomic.Bool) (sent int) {
	for !enough.Load() {
		n := 1 + rand.IntN(1<<rand.IntN(17))
		if _, err := c.Write(noiseAt(start, sent, n)); err != nil {
			t.Error(err)
			return sent
		}
		sent += n
	}
	_ = c.CloseWrite()
	return sent
}

// listen checks noise up to its end, and says how much it was.
func listen(t *testing.T, c outerConn, start int) (received int) {
	buf := make([]byte, longestChunk)
	for {
		n, err := c.Read(buf)
		if !bytes.Equal(buf[:n], noiseAt(start, received, n)) {
			t.Errorf("not what was sent, within %d bytes after %d", n, received)
			_ = c.Close()
		}
		received += n
		if errors.Is(err, io.EOF) {
			return received
		}
		if err != nil {
			t.Error(err)
			return received
		}
	}
}

// Stop returns, and the sockets are the caller's, at whatever moment it comes:
// also while the two ends of one connection have the relay move the same bytes
// round and round.
func TestStopWhileGoingRound(t *testing.T) {
	r := newRelay(t, 4)
	for range 50 {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		want := noiseAt(0, 0, 1+rand.IntN(100<<10))
		if err := writeAll(fds[0], want); err != nil {
			t.Fatal(err)
		}
		var passed [2]Counters
		p, err := r.Start(fds[0], fds[1], [2][]byte{}, End{}, &passed, toldOf(func() {}))
		if err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the bytes go round", func() bool { return p.Moved(1) > uint64(len(want)) })
		rest := p.Stop()
		got := len(rest[0]) + len(rest[1]) + unread(fds[0]) + unread(fds[1])
		if got != len(want) {
			t.Errorf("%d of %d bytes", got, len(want))
		}
		moved := p.Moved(1)
		if again := p.Stop(); again[0] != nil || again[1] != nil || p.Moved(1) != moved {
			t.Error("a second Stop returns something")
		}
		_ = unix.Close(fds[0])
		_ = unix.Close(fds[1])
	}
}

// unread is how much a non-blocking descriptor still has to read.
func unread(fd int) (total int) {
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(fd, buf)
		if n <= 0 || err != nil {
			return total
		}
		total += n
	}
}

// Places and descriptors are used anew at once: an event of a pair that was
// stopped, still in a thread's hands, is not taken for one of its successor.
func TestPlacesAreUsedAnew(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			src, r := newSource(t, network), newRelay(t, 4)
			var running sync.WaitGroup
			for range 8 {
				running.Go(func() {
					for range 40 {
						e := &ends{}
						for i := range e.outer {
							var err error
							if e.outer[i], e.inner[i], err = src.connect(); err != nil {
								t.Error(err)
								return
							}
						}
						short(t, r, e)
						e.close()
					}
				})
			}
			running.Wait()
			if len(r.free) != int(r.next) || r.next > 8 {
				t.Errorf("%d of %d places are free", len(r.free), r.next)
			}
		})
	}
}

// short is the life of a pair that is stopped with its messages on the way.
func short(t *testing.T, r *Relay, e *ends) {
	_, _ = e.outer[0].Write([]byte("there before"))
	if err := again(r, e); err != nil {
		t.Error(err)
		return
	}
	_, _ = e.outer[1].Write([]byte("right after"))
	if rand.IntN(2) == 0 {
		_ = e.outer[1].CloseWrite()
	}
	if rand.IntN(2) == 0 {
		return
	}
	if err := again(r, e); err != nil {
		t.Error(err)
		return
	}
	buf := make([]byte, len("there before"))
	_ = e.outer[1].SetReadDeadline(deadline())
	if _, err := io.ReadFull(e.outer[1], buf); err != nil || string(buf) != "there before" {
		t.Errorf("%q, %v", buf, err)
	}
}

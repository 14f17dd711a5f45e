package splice

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A reset ends both ways, also when a side has ended its sending before, in order.
// Whichever that was and whichever is reset, with bytes held back on either way or on
// none: Gone is the side that was reset, and what was taken from it before reaches the
// other.
func TestResetAfterHalfClose(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			src := newSource(t, network)
			for bits := range 1 << 4 {
				r := resetCase{first: bits & 1, gone: bits >> 1 & 1, held: [2]bool{bits&4 != 0, bits&8 != 0}}
				t.Run(fmt.Sprintf("%+v", r), func(t *testing.T) { r.test(t, src) })
			}
		})
	}
}

// resetCase is a pair of which side first ends its sending and then side gone is
// reset. held: the other side has no room for what this side sends.
type resetCase struct {
	first, gone int
	held        [2]bool
}

func (r *resetCase) test(t *testing.T, src *source) {
	s, e := newSteps(t, 1), src.ends(t)
	e.start(t, s.Relay)
	for side := range e.outer {
		r.send(t, s, e, side)
	}
	_ = e.outer[r.first].CloseWrite()
	s.turnUntil(t, "the first end", func() bool { return e.pair.End().Begun })
	e.reset(r.gone)
	s.turnUntil(t, "the reset", func() bool { return e.pair.End().Over })
	if end := e.pair.End(); int(end.First) != r.first || !end.Abort || int(end.Gone) != r.gone {
		t.Errorf("%+v", end)
	}
	passed := int(e.pair.Moved(r.gone)) - len(e.pair.Stop()[r.gone])
	rest := e.outer[1-r.gone]
	_ = rest.SetReadDeadline(deadline())
	if n, err := io.ReadFull(rest, make([]byte, passed)); err != nil {
		t.Errorf("%d of %d bytes, %v", n, passed, err)
	}
}

// send has a side send a byte, which nobody reads, so that even a unix socket's
// close is a reset, or so much that some of it is held.
func (r *resetCase) send(t *testing.T, s *steps, e *ends, side int) {
	w := &e.pair.ways[side]
	if !r.held[side] {
		_, _ = e.outer[side].Write([]byte("x"))
		s.turnUntil(t, "it is moved", func() bool { return w.moved.Load() == 1 })
		return
	}
	// More than the other side takes; little enough for a FIN to arrive behind it.
	const much = 256 << 10
	e.narrow(1-side, 32<<10)
	_ = e.outer[side].SetWriteBuffer(2 * much)
	_ = e.outer[side].SetWriteDeadline(deadline())
	if _, err := e.outer[side].Write(make([]byte, much)); err != nil {
		t.Fatal(err)
	}
	s.turnUntil(t, "some of it is held", func() bool { return w.holding() && !w.writable })
}

// Of two sides that are reset, whichever is told of first is the first, and was reset.
func TestBothReset(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			src := newSource(t, network)
			for first := range 2 {
				s, e := newSteps(t, 1), src.ends(t)
				e.start(t, s.Relay)
				s.turn(0)
				_, _ = e.outer[first].Write([]byte("x")) // the relay finds the other's reset by writing
				for _, side := range [...]int{first, 1 - first} {
					_, _ = unix.Write(e.inner[side], []byte("x")) // unread, it makes a unix socket's close a reset
					e.reset(side)
					waitFor(t, "the reset has arrived", func() bool { return polled(e.inner[side])&unix.POLLERR != 0 })
				}
				s.turnUntil(t, "the end", func() bool { return e.pair.End().Over })
				if end := e.pair.End(); int(end.First) != first || !end.Reset || end.InOrder || !end.Abort {
					t.Errorf("%+v", end)
				}
			}
		})
	}
}

// A pair whose sockets were in another before goes on from that one's end: a reset
// that was found by writing, and that the socket tells nobody any more, is no FIN.
func TestStartFromEnd(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			s, e := newSteps(t, 1), newSource(t, network).ends(t)
			e.start(t, s.Relay)
			r := resetCase{held: [2]bool{1: true}}
			r.send(t, s, e, 1)
			_, _ = unix.Write(e.inner[1], []byte("x"))
			e.reset(1)
			waitFor(t, "the reset has arrived", func() bool { return polled(e.inner[1])&unix.POLLERR != 0 })
			_, _ = unix.GetsockoptInt(e.inner[1], unix.SOL_SOCKET, unix.SO_ERROR) // so that no event tells
			_, _ = e.outer[0].Write([]byte("x"))
			s.turnUntil(t, "the write", func() bool { return e.pair.End().Abort })
			before := e.pair.End()
			if before.First != 1 || !before.Reset || before.Gone != 1 || before.Over {
				t.Fatalf("%+v", before)
			}
			var err error
			if e.pair, err = s.Start(e.inner[0], e.inner[1], e.pair.Stop(), before, &e.passed, toldOf(func() {})); err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = io.Copy(io.Discard, e.outer[0]) }()
			s.turnUntil(t, "the end", func() bool { return e.pair.End().Over })
			before.Over = true
			if end := e.pair.End(); end != before {
				t.Errorf("%+v, want %+v", end, before)
			}
			if err := writeAll(e.inner[0], []byte("x")); err != nil {
				t.Errorf("a FIN was passed on: %v", err)
			}
		})
	}
}

// polled is what poll(2) says of a descriptor at this moment.
func polled(fd int) int16 {
	p := []unix.PollFd{{Fd: int32(fd)}}
	_, _ = unix.Poll(p, 0)
	return p[0].Revents
}

// A reset ends both ways, also when there is more before it than a side that takes
// nothing has room for, and all of it was there at the start.
func TestResetBehindBlockedSink(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			e := newSource(t, network).ends(t)
			e.narrow(1, 32<<10)
			_ = unix.SetsockoptInt(e.inner[0], unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<20)
			fd, err := duplicate(e.outer[0])
			if err != nil {
				t.Fatal(err)
			}
			fill(t, fd)
			_ = unix.Close(fd)
			_, _ = unix.Write(e.inner[0], []byte("x")) // unread, it makes a unix socket's close a reset
			e.reset(0)
			waitFor(t, "the reset has arrived", func() bool { return polled(e.inner[0])&unix.POLLERR != 0 })
			e.start(t, newRelay(t, 1))
			until(t, "over", func() bool { return e.pair.End().Over })
			if end := e.pair.End(); !end.Abort || !end.Reset || end.First != 0 || end.Gone != 0 {
				t.Errorf("%+v", end)
			}
		})
	}
}

// A pair that is announced while it still has its share of a turn to go on with
// is not noted twice: it would have twice the share, and the list grow for ever.
func TestAgainOnce(t *testing.T) {
	s := newSteps(t, 1)
	e := newSource(t, "tcp4").ends(t)
	e.start(t, s.Relay)
	th := s.threads[0]
	stop := pour(t, e)
	defer stop()
	for range 2000 {
		s.turn(0)
		if len(th.again) > 1 {
			t.Fatalf("one pair is noted %d times", len(th.again))
		}
	}
}

// pour has side 0 send and side 1 receive as fast as they can, until stop.
func pour(t testing.TB, e *ends) (stop func()) {
	t.Helper()
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		chunk := make([]byte, 256<<10)
		for {
			if _, err := e.outer[0].Write(chunk); err != nil {
				return
			}
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		_, _ = io.Copy(io.Discard, e.outer[1])
	}()
	return func() {
		e.close()
		<-done
		<-done
	}
}

// A read that is shorter than the buffer has not always taken everything: it
// ends where a byte was sent as urgent, and at descriptors that were sent along.
func TestShortReadBeforeMore(t *testing.T) {
	send := map[string]func(fd int) error{
		"tcp4": func(fd int) error {
			return unix.Sendmsg(fd, []byte("!"), nil, nil, unix.MSG_OOB)
		},
		"unix": func(fd int) error {
			return unix.Sendmsg(fd, []byte("!"), unix.UnixRights(fd), nil, 0)
		},
	}
	for network, special := range send {
		t.Run(network, func(t *testing.T) {
			e := newSource(t, network).ends(t)
			fd, err := duplicate(e.outer[0])
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			for _, err := range []error{writeAll(fd, []byte("before")), special(fd), writeAll(fd, []byte("after"))} {
				if err != nil {
					t.Fatal(err)
				}
			}
			e.start(t, newRelay(t, 1))
			var got []byte
			buf := make([]byte, 64)
			for !bytes.HasSuffix(got, []byte("after")) {
				_ = e.outer[1].SetReadDeadline(deadline())
				n, err := e.outer[1].Read(buf)
				if err != nil {
					t.Fatalf("%q, %v", got, err)
				}
				got = append(got, buf[:n]...)
			}
		})
	}
}

// The same while the kernel moves the bytes: splice(2) takes nothing at an
// urgent byte, and says that all is over when a FIN follows.
func TestUrgentWhileSpliced(t *testing.T) {
	s := newSteps(t, 1)
	e := newSource(t, "tcp4").ends(t)
	fd, err := duplicate(e.outer[0])
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, err := range []error{
		writeAll(fd, []byte("before")),
		unix.Sendmsg(fd, []byte("!"), nil, nil, unix.MSG_OOB),
		writeAll(fd, []byte("after")),
		e.outer[0].CloseWrite(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	e.start(t, s.Relay)
	e.pair.ways[0].bulk = true
	s.turnUntil(t, "the end", func() bool { return e.pair.ways[0].done })
	_ = e.outer[1].SetReadDeadline(deadline())
	if got, err := io.ReadAll(e.outer[1]); !bytes.HasSuffix(got, []byte("after")) || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
}

// A start that fails leaves both sockets and any other pair as they were.
func TestStartFails(t *testing.T) {
	regular, err := os.Create(filepath.Join(t.TempDir(), "regular"))
	if err != nil {
		t.Fatal(err)
	}
	defer regular.Close()
	src := newSource(t, "tcp4")
	r := newRelay(t, 1) // by which a socket in another pair is seen to be
	before := descriptors(t)
	other := src.ends(t)
	other.start(t, r)
	e := src.ends(t)
	closed, err := unix.Dup(e.inner[0])
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(closed)
	for what, fds := range map[string][2]int{
		"closed":              {e.inner[0], closed},
		"closed first":        {closed, e.inner[0]},
		"negative":            {e.inner[0], -1},
		"not a socket":        {e.inner[0], int(regular.Fd())},
		"twice the same":      {e.inner[0], e.inner[0]},
		"second is in a pair": {e.inner[0], other.inner[0]},
		"first is in a pair":  {other.inner[1], e.inner[0]},
	} {
		if _, err := r.Start(fds[0], fds[1], [2][]byte{}, End{}, &e.passed, toldOf(func() {})); err == nil {
			t.Errorf("%s: started", what)
		}
		roundTrip(t, what, other)
	}
	e.start(t, r) // neither is watched any more
	roundTrip(t, "the same sockets at last", e)
	other.close()
	e.close()
	if r.pairs.Load(); len(r.free) != int(r.next) {
		t.Errorf("%d of %d places are free", len(r.free), r.next)
	}
	waitFor(t, "descriptors are closed", func() bool { return descriptors(t) <= before })
}

// A start that fails has not taken what was there before.
func TestStartFailsWithDataThere(t *testing.T) {
	regular, err := os.Create(filepath.Join(t.TempDir(), "regular"))
	if err != nil {
		t.Fatal(err)
	}
	defer regular.Close()
	src := newSource(t, "tcp4")
	r := newRelay(t, 4)
	e := src.ends(t)
	buf := make([]byte, 16)
	for i := range 300 {
		if _, err := e.outer[0].Write([]byte("data")); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Start(e.inner[0], int(regular.Fd()), [2][]byte{}, End{}, &e.passed, toldOf(func() {})); err == nil {
			t.Fatal("started")
		}
		if n, err := unix.Read(e.inner[0], buf); string(buf[:max(0, n)]) != "data" {
			t.Fatalf("time %d: %d bytes are there, %v", i, n, err)
		}
	}
}

// roundTrip sends a few bytes through a pair both ways.
func roundTrip(t testing.TB, what string, e *ends) {
	t.Helper()
	buf := make([]byte, 5)
	for side := range e.outer {
		_, _ = e.outer[side].Write([]byte("hello"))
		_ = e.outer[1-side].SetReadDeadline(deadline())
		if _, err := io.ReadFull(e.outer[1-side], buf); err != nil {
			t.Fatalf("%s: from side %d: %v", what, side, err)
		}
	}
}

package splice

import (
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// looped is a hand with the event loop that it is for.
type looped struct {
	hand *Hand
	wake int
	told []uint32 // tokens that came back

	mu     sync.Mutex // of what follows
	posted []func()
	over   bool
}

const wakeToken = 7

// newLooped runs a hand until the returned function is called.
func newLooped(t testing.TB, r *Relay) (*looped, func()) {
	t.Helper()
	h, err := r.NewHand()
	if err != nil {
		t.Fatal(err)
	}
	l := &looped{hand: h}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	if err := h.Watch(l.wake, unix.EPOLLIN, wakeToken); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { l.run(); close(done) }()
	return l, func() {
		l.do(func() { l.over = true })
		<-done
		h.Close()
		_ = unix.Close(l.wake)
	}
}

func (l *looped) run() {
	for !l.over {
		l.hand.Wait(-1)
		l.hand.Work(func(token, _ uint32) {
			if token == wakeToken {
				_, _ = unix.Read(l.wake, make([]byte, 8))
			}
			l.told = append(l.told, token)
		})
		l.mu.Lock()
		posted := l.posted
		l.posted = nil
		l.mu.Unlock()
		for _, f := range posted {
			f()
		}
	}
}

// do has the loop do f, and waits for it.
func (l *looped) do(f func()) {
	done := make(chan struct{})
	l.mu.Lock()
	l.posted = append(l.posted, func() { f(); close(done) })
	l.mu.Unlock()
	_, _ = unix.Write(l.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-done
}

// start starts a pair as a loop does that has waited for both its sides before.
func (l *looped) start(a, b int, rest [2][]byte, passed *[2]Counters, notify func()) (p *Pair, err error) {
	l.do(func() {
		for i, fd := range [2]int{a, b} {
			if err == nil {
				err = l.hand.Watch(fd, unix.EPOLLIN|unix.EPOLLONESHOT, uint32(100+i))
			}
		}
		if err == nil {
			p, err = l.hand.Start(a, b, rest, passed, toldOf(notify))
		}
	})
	return p, err
}

func (p *Pair) movedBy() *thread {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.thread
}

// TestHand: a hand tells of the loop's descriptors and moves the first chunks of a pair, which it passes on to a thread when
// there are more; nothing is lost over that.
func TestHand(t *testing.T) {
	r := newRelay(t, 1)
	l, stop := newLooped(t, r)
	defer stop()
	w := &wired{t: t}
	for i := range w.outer {
		w.outer[i], w.inner[i] = connection(t)
	}
	defer w.close()
	var err error
	if w.pair, err = l.start(w.inner[0], w.inner[1], [2][]byte{[]byte("re"), []byte("st")}, &w.passed, func() { w.told.Add(1) }); err != nil {
		t.Fatal(err)
	}
	defer w.pair.Stop()
	expect := func(side int, text string) {
		t.Helper()
		b := make([]byte, len(text))
		_ = w.outer[side].SetReadDeadline(time.Now().Add(20 * time.Second))
		for n := 0; n < len(b); {
			m, err := w.outer[side].Read(b[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += m
		}
		if string(b) != text {
			t.Fatalf("side %d got %q, want %q", side, b, text)
		}
	}
	expect(1, "re")
	expect(0, "st")
	for i := range 3 * youngChunks {
		side := i % 2
		if _, err := w.outer[side].Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		expect(1-side, "hello")
		if by := w.pair.movedBy(); i < youngChunks-1 && by != l.hand.thread {
			t.Fatalf("chunk %d was moved by a thread", i)
		}
	}
	until(t, "a thread moves the pair", func() bool { return w.pair.movedBy() == r.threads[0] })
	_ = w.outer[0].CloseWrite()
	_ = w.outer[1].CloseWrite()
	until(t, "the end is told", func() bool { return w.pair.End().Over && w.told.Load() == 2 })
	l.do(func() {
		if !slices.Contains(l.told, wakeToken) {
			t.Error("nothing was told of the loop's own descriptor")
		}
	})
}

package splice

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stormVariable is how long each storm lasts, as a duration.
const stormVariable = "STREAMQ_SPLICE_STORM"

func stormTime(t *testing.T) time.Duration {
	t.Helper()
	s := os.Getenv(stormVariable)
	if s == "" {
		return 800 * time.Millisecond
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Every side of a storm sends a stretch of one fixed noise, from a start of its
// own. What is received can so be checked at every position without being kept.
// The noise's length is a prime: no size of ours hides a mistake.
var noise = sync.OnceValue(func() []byte {
	const prime, longest = 1048583, 64 << 10
	n := make([]byte, prime+longest)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(n[:prime])
	copy(n[prime:], n)
	return n[:]
})

// noiseAt is n bytes of a stream that begins at start, from position on.
func noiseAt(start, position, n int) []byte {
	const prime = 1048583
	at := (start + position) % prime
	return noise()[at : at+n]
}

const longestChunk = 64 << 10 // of what a peer writes or reads at once

// ending is how a peer of a storm ends.
type ending int

const (
	inOrder    ending = iota // sends all, half-closes, reads to the end
	closing                  // sends all to a peer that sends nothing, and closes
	resetLate                // is reset after it has received everything
	resetEarly               // is reset somewhere on the way
	closeEarly               // is closed somewhere on the way, with whatever that makes of it
	endings
)

// script is what a peer of a storm does.
type script struct {
	start, size int
	ending      ending
	cut         int64 // how much is sent or received before an early end
	slow        bool
	seed        uint64
}

func newScript(random *rand.Rand) script {
	const most = 4 << 20
	u := random.Float64()
	s := script{
		start: random.IntN(1 << 20),
		size:  int(math.Exp(u * u * u * math.Log(most))),
		slow:  random.IntN(8) == 0,
		seed:  random.Uint64(),
	}
	if random.IntN(2) == 0 {
		s.ending = ending(random.IntN(int(endings)))
	}
	return s
}

// newScripts are those of both peers, which fit together: how much the early
// end of one waits for is what the two are to send.
func newScripts(random *rand.Rand) (s [2]script) {
	s = [2]script{newScript(random), newScript(random)}
	for i := range s {
		if s[i].ending == closing {
			s[1-i].size, s[1-i].ending = 0, inOrder
		}
	}
	if s[0].ending == closing {
		s[0].ending, s[1].ending = closing, inOrder
	}
	for i := range s {
		s[i].cut = random.Int64N(int64(s[0].size + s[1].size + 1))
	}
	return s
}

// whole says whether everything that a side sends must be received.
func whole(s [2]script, from int) bool {
	sender, receiver := s[from].ending, s[1-from].ending
	return (sender == inOrder || sender == closing) && (receiver == inOrder || receiver == resetLate)
}

// peer plays one side's script.
type peer struct {
	script
	conn     outerConn
	partner  script
	progress atomic.Int64
	received int
	eof      bool
	err      error // only what must never happen
}

func (p *peer) play() {
	sent := make(chan struct{})
	go func() { defer close(sent); p.send() }()
	if p.ending != closing {
		p.receive()
	}
	switch p.ending {
	case resetLate, resetEarly:
		resetConn(p.conn)
	case closeEarly:
		_ = p.conn.Close()
	}
	<-sent
	_ = p.conn.Close()
}

// cutNow says whether the peer's early end is due, after n bytes more.
func (p *peer) cutNow(n int) bool {
	return p.progress.Add(int64(n)) >= p.cut && (p.ending == resetEarly || p.ending == closeEarly)
}

func (p *peer) send() {
	random := rand.New(rand.NewPCG(p.seed, 1))
	for sent := 0; sent < p.size; {
		n := min(1+random.IntN(1<<random.IntN(17)), longestChunk, p.size-sent)
		m, err := p.conn.Write(noiseAt(p.start, sent, n))
		sent += m
		if err != nil {
			return // reset by the other side: its own reader says whether too early
		}
		if p.cutNow(m) {
			_ = p.conn.SetReadDeadline(time.Now()) // wakes the reader, who does it
		}
	}
	if p.ending != resetEarly && p.ending != closeEarly {
		_ = p.conn.CloseWrite()
	}
}

func (p *peer) receive() {
	random := rand.New(rand.NewPCG(p.seed, 2))
	buf := make([]byte, longestChunk)
	for {
		if p.slow {
			time.Sleep(time.Duration(random.IntN(1000)) * time.Microsecond)
		}
		n, err := p.conn.Read(buf[:1+random.IntN(1<<random.IntN(17)|1)%longestChunk])
		if p.received+n > p.partner.size || !bytes.Equal(buf[:n], noiseAt(p.partner.start, p.received, n)) {
			p.err = fmt.Errorf("something else than what was sent, within %d bytes after %d of %d", n, p.received, p.partner.size)
			return
		}
		p.received += n
		if err != nil {
			p.eof = errors.Is(err, io.EOF)
			return
		}
		if p.cutNow(n) {
			return
		}
	}
}

// weather is one storm.
type weather struct {
	*testing.T
	relay  *Relay
	source *source
	pairs  atomic.Int64
	bytes  atomic.Uint64
	aborts atomic.Int64
	start  func(a, b int, passed *[2]Counters, notify func()) (*Pair, error)
	stop   func() // of what start starts pairs on
}

// one has a pair go through a random life.
func (w *weather) one(seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	s := newScripts(random)
	e := &ends{}
	for i := range e.outer {
		var err error
		if e.outer[i], e.inner[i], err = w.source.connect(); err != nil {
			w.Error(err)
			return
		}
	}
	var peers [2]*peer
	var playing sync.WaitGroup
	for i := range peers {
		peers[i] = &peer{script: s[i], partner: s[1-i], conn: e.outer[i]}
		if random.IntN(4) == 0 {
			e.narrow(i, 256<<10)
		}
		playing.Go(peers[i].play)
	}
	w.own(e)
	playing.Wait()
	e.close()
	for i, p := range peers {
		from := 1 - i
		if p.err != nil {
			w.Errorf("seed %d, side %d of %+v: %v", seed, i, s, p.err)
		}
		if whole(s, from) && (p.received != s[from].size || !p.eof) {
			w.Errorf("seed %d, side %d of %+v received %d bytes, to the end: %t; %+v", seed, i, s, p.received, p.eof, e.pair.End())
		}
		w.bytes.Add(uint64(p.received))
	}
	if end := e.pair.End(); s[0].ending == inOrder && s[1].ending == inOrder && (end.Abort || end.Reset) {
		w.Errorf("seed %d, %+v: %+v", seed, s, end)
	}
	w.pairs.Add(1)
}

// own does what the owner of a pair does: waits for its end, and passes a reset on.
func (w *weather) own(e *ends) {
	told := make(chan struct{}, 2)
	var err error
	e.pair, err = w.start(e.inner[0], e.inner[1], &e.passed, func() { told <- struct{}{} })
	if err != nil {
		w.Fatal(err)
	}
	patience := time.After(2 * time.Minute)
	for !e.pair.End().Over {
		select {
		case <-told:
		case <-patience:
			w.Errorf("a pair does not end: %+v", e.pair.End())
			e.close()
			return
		}
	}
	end := e.pair.End()
	rest := e.pair.Stop()
	for i, fd := range e.inner {
		if end.Abort {
			_, _ = unix.Write(fd, rest[1-i])
			_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		} else if len(rest[i]) > 0 {
			w.Errorf("ended in order with %d bytes not given to side %d", len(rest[i]), 1-i)
		}
		_ = unix.Close(fd)
		e.inner[i] = -1
	}
	if end.Abort {
		w.aborts.Add(1)
	}
}

// Whatever sizes, speeds and ends the two sides of many pairs have: what one
// receives is the beginning of what the other sent, and all of it where the
// receiver did not go first. Nothing is left behind.
func TestStorm(t *testing.T) {
	for _, network := range networks {
		for _, threads := range []int{1, 4} {
			if network == "tcp6" && threads == 1 {
				continue
			}
			t.Run(fmt.Sprintf("%s, %d threads", network, threads), func(t *testing.T) { storm(t, network, threads, false) })
		}
	}
	t.Run("tcp4, a hand", func(t *testing.T) { storm(t, "tcp4", 2, true) })
}

func storm(t *testing.T, network string, threads int, byHand bool) {
	w := &weather{T: t, source: newSource(t, network)}
	noise()
	seed := rand.Uint64()
	goroutines, open := runtime.NumGoroutine(), descriptors(t)
	var err error
	if w.relay, err = New(threads, 8); err != nil { // so few pipes run out
		t.Fatal(err)
	}
	w.start, w.stop = func(a, b int, passed *[2]Counters, notify func()) (*Pair, error) {
		return w.relay.Start(a, b, [2][]byte{}, End{}, passed, toldOf(notify))
	}, func() {}
	if byHand {
		l, stop := newLooped(t, w.relay)
		w.stop = stop
		w.start = func(a, b int, passed *[2]Counters, notify func()) (*Pair, error) {
			return l.start(a, b, [2][]byte{}, passed, notify)
		}
	}
	still := stir(w, w.relay)
	var lives sync.WaitGroup
	var serial atomic.Uint64
	end := time.Now().Add(stormTime(t))
	for range 48 {
		lives.Go(func() {
			for ok := true; ok; ok = time.Now().Before(end) && !t.Failed() {
				w.one(seed + serial.Add(1))
			}
		})
	}
	lives.Wait()
	still()
	t.Logf("%d pairs, %d aborted, %d MiB", w.pairs.Load(), w.aborts.Load(), w.bytes.Load()>>20)
	w.flat(goroutines, open)
}

// flat checks that a storm has left nothing behind.
func (w *weather) flat(goroutines, open int) {
	r := w.relay
	w.stop()
	if len(r.free) != int(r.next) {
		w.Errorf("%d of %d places are free", len(r.free), r.next)
	}
	waitFor(w, "threads keep only spare pipes", func() bool {
		r.pipes.mu.Lock()
		defer r.pipes.mu.Unlock()
		return r.pipes.n <= len(r.pipes.spare)+len(r.threads)
	})
	r.Close()
	if r.pipes.n != 0 {
		w.Errorf("%d pipes are left", r.pipes.n)
	}
	waitFor(w, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
	if now := descriptors(w); now > open {
		w.Errorf("%d descriptors became %d", open, now)
	}
}

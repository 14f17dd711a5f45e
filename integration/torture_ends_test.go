package integration

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// end is how a peer ends its connection.
type end int

const (
	inOrder    end = iota // sends everything and a FIN, and reads until the other's
	inAnswer              // the same, but says nothing before the other's FIN has come
	closing               // sends everything to a peer that sends nothing, and closes
	resetLate             // resets once the other's FIN has come, whatever itself has sent by then
	resetEarly            // resets somewhere on the way, never having sent a FIN
	closeEarly            // closes somewhere on the way, which makes a FIN or a reset of it
	ends
)

var endNames = [...]string{"in order", "in answer", "closing", "reset late", "reset early", "close early"}

func (e end) String() string { return endNames[e] }

func (e end) early() bool { return e == resetEarly || e == closeEarly }

// script is what a peer does once the greetings are through.
type script struct {
	size   int // bytes
	end    end
	cut    int64 // how much it has sent and received when it ends early
	eager  bool  // its first bytes come in one piece with its READY
	slow   bool  // as a reader
	narrow bool  // its buffer for what it is to read is small
}

func (s script) String() string {
	return fmt.Sprintf("(%d bytes, %v, cut at %d, eager %t, slow %t, narrow %t)", s.size, s.end, s.cut, s.eager, s.slow, s.narrow)
}

// scripts are those of a client and its worker: an early end is due at some time, and nobody waits for one who waits.
func (x *torture) scripts(client uint64) (s [2]script) {
	most := sized(256<<10, 4<<20)
	r := rand.New(rand.NewPCG(x.seed, client))
	for i := range s {
		s[i] = script{size: anySize(r, most), eager: r.IntN(4) == 0, slow: r.IntN(16) == 0, narrow: r.IntN(4) == 0}
		if r.IntN(2) == 0 {
			s[i].end = end(r.IntN(int(ends)))
		}
	}
	first := r.IntN(2)
	for i, other := range [2]int{1, 0} {
		if s[i].end == closing {
			s[other].size, s[other].end = 0, inOrder
		}
	}
	if s[0].end == inAnswer && s[1].end == inAnswer {
		s[first].end = inOrder
	}
	for i := range s {
		s[i].cut = r.Int64N(int64(s[0].size + s[1].size + 1))
		if s[1-i].end == inAnswer { // who has to hear a FIN first, and will not from this one
			s[i].cut = r.Int64N(int64(s[i].size + 1))
		}
	}
	return s
}

// player plays a script.
type player struct {
	*numbered
	script
	random   [2]*rand.Rand // of its writing and its reading
	out, in  *text
	most     int // bytes that can come
	sent     int
	refused  bool // a write has failed, and may have taken the reset with it that a read would be told of
	fin      bool // it has sent one, or may have
	received int
	eof      bool
	err      error // what must never happen
	progress atomic.Int64
	cutting  sync.Once
	heardAll chan struct{} // closed when nothing more comes
}

func (p *player) play(ownReady, otherReady []byte) {
	defer p.Close()
	if p.narrow {
		_ = p.SetReadBuffer(16 << 10)
	}
	if err := p.exchangeReady(ownReady, otherReady); err != nil {
		p.err = fmt.Errorf("READY: %w", err)
		return
	}
	var sending sync.WaitGroup
	sending.Go(p.send)
	if p.end == closing {
		sending.Wait()
		p.fin = true
		return
	}
	p.receive()
	switch {
	case p.end == resetLate:
		_ = p.abort()
		p.Close()
	case p.end.early():
		p.cutOff() // the other was first
	}
	sending.Wait()
}

// exchangeReady completes the handshake. An eager peer sends as much as it likes behind its own command.
func (p *player) exchangeReady(own, other []byte) error {
	if n := min(p.size, 1+p.random[0].IntN(32<<10)); p.eager && n > 0 && p.end != inAnswer {
		own = append(own, p.out.next(n)...)
		p.sent = n
	}
	if _, err := p.Write(own); err != nil {
		return err
	}
	if err := p.hear(other); err != nil {
		return err
	}
	p.passed(p.sent)
	return nil
}

// passed counts, and ends the connection if that is due.
func (p *player) passed(n int) {
	if p.progress.Add(int64(n)) >= p.cut && p.end.early() {
		p.cutOff()
	}
}

func (p *player) cutOff() {
	p.cutting.Do(func() {
		if p.end == resetEarly {
			_ = p.abort()
		}
		p.Close()
	})
}

func (p *player) send() {
	if p.end == inAnswer {
		if <-p.heardAll; !p.eof {
			return
		}
	}
	for p.sent < p.size {
		piece := p.out.next(min(1+p.random[0].IntN(1<<p.random[0].IntN(17)), p.size-p.sent))
		n, err := p.Write(piece)
		p.sent += n
		if err != nil { // the other has reset, which its own script says, or this one has
			p.refused = true
			p.unless(err)
			return
		}
		p.passed(n)
	}
	if !p.end.early() && p.CloseWrite() == nil {
		p.fin = true
	}
}

// unless notes an error that means that the time was up.
func (p *player) unless(err error) {
	if isTimeout(err) {
		p.err = fmt.Errorf("hangs: %w", err)
	}
}

func (p *player) receive() {
	defer close(p.heardAll)
	buf := make([]byte, 64<<10)
	for {
		if p.slow {
			time.Sleep(time.Duration(p.random[1].IntN(500)) * time.Microsecond)
		}
		n, err := p.Read(buf[:1+p.random[1].IntN(1<<(10+p.random[1].IntN(7)))])
		if p.received += n; p.received > p.most {
			p.err = fmt.Errorf("%w: %d bytes of %d", errWrong, p.received, p.most)
			return
		}
		if wrong := p.in.check(buf[:n]); wrong != nil {
			p.err = wrong
			return
		}
		if err != nil {
			p.eof = errors.Is(err, io.EOF)
			p.unless(err)
			return
		}
		p.passed(n)
	}
}

// judge says what is wrong with what a peer has received from its partner.
func (p *player) judge(from *player) error {
	// In order: all was sent and a FIN behind it, and the other kept reading until the FIN. Nobody reset before that.
	sends, reads := from.end <= closing, p.end <= inAnswer || p.end == resetLate
	if from.end == inAnswer && !from.eof { // it never came to its turn
		sends = false
	}
	switch eof := p.eof && !p.refused; {
	case p.err != nil:
		return p.err
	case sends && reads && (p.received != from.size || !p.eof):
		return fmt.Errorf("received %d bytes of %d, a FIN: %t, although all was in order", p.received, from.size, p.eof)
	case eof && !from.fin && from.end != closeEarly:
		return errors.New("was told of a FIN where none was sent")
	case eof && p.received != from.sent:
		return fmt.Errorf("was told of a FIN after %d bytes, when %d were sent before it", p.received, from.sent)
	}
	return nil
}

// crowdOfEnds has pairs live and end in every way.
type crowdOfEnds struct {
	*torture
	mu    sync.Mutex
	first map[uint64]*player       // of a client's pair, whose other side is still at it
	over  map[uint64]chan struct{} // closed when both sides of a client's pair are through

	bytes  [2]int64 // that workers and clients received
	orders int      // pairs of which both ways were carried to their end
	halves int      // of these, with an answer that began when the question's way was shut
	cuts   int      // pairs that one side ended early
}

// TestTortureEnds has clients and workers send each other everything between a byte and four MiB at any speed, and close,
// half-close and reset whenever they like. What one receives is what the other sent, from the beginning on; it is all of
// that where the end was in order, which means: the sender has sent everything and its FIN, the other has read until that
// FIN, and neither has reset the connection before. A reset never looks like a FIN, and nobody is left hanging.
func TestTortureEnds(t *testing.T) {
	const atOnce = 64
	pairs := sized(260, 10_000)
	start := time.Now()
	var bytes [2]int64
	var played int
	for _, relay := range []string{"auto", "stream"} {
		for _, w := range throughProxy() {
			t.Run(relay+"/"+w.name, func(t *testing.T) {
				x := &crowdOfEnds{first: map[uint64]*player{}, over: map[uint64]chan struct{}{}}
				x.torture = newTorture(t, relay, "tcp", w.name == listening().name)
				x.serve(t, x.worker)
				x.run(t, pairs/4, atOnce)
				played += pairs / 4
				bytes[0] += x.bytes[0]
				bytes[1] += x.bytes[1]
			})
		}
	}
	t.Logf("%d pairs in %v: workers received %d MiB, clients %d MiB", played, time.Since(start).Round(time.Millisecond), bytes[0]>>20, bytes[1]>>20)
	if enough := int64(sized(0, 1<<30)); !t.Failed() && min(bytes[0], bytes[1]) < enough {
		t.Errorf("that is less than %d bytes one way", enough)
	}
}

func (x *crowdOfEnds) run(t *testing.T, pairs, atOnce int) {
	defer func() {
		if t.Failed() {
			t.Logf("the seed was %#x", x.seed)
		}
	}()
	const sparePipes = 16 // that the relay keeps, and one for each of its threads
	x.play(t, 1, pairs/5, atOnce)
	warm := x.rests(t)
	warm.descriptors += 2 * (sparePipes + runtime.NumCPU())
	x.play(t, pairs/5+1, pairs, atOnce)
	t.Logf("%d pairs: %d in order both ways (%d of them with an answer to a half that was closed), %d cut off", pairs, x.orders, x.halves, x.cuts)
	x.expectFlat(t, warm)
	x.expectEnds(t, pairs, "client-closed", "worker-closed", "client-reset", "worker-reset")
	x.beside.expectUntouched(t, x.operated)
}

// play has the clients of these numbers come, so many at once, and as many workers dial in if they do.
func (x *crowdOfEnds) play(t *testing.T, from, to, atOnce int) {
	t.Helper()
	var turns sync.WaitGroup
	numbers := make(chan uint64)
	for range atOnce {
		turns.Go(func() {
			for number := range numbers {
				if err := x.turn(number); err != nil {
					t.Errorf("turn %d: %v", number, err)
				}
			}
		})
	}
	for i := from; i <= to && !t.Failed(); i++ {
		if i%1000 == 0 {
			tell(t, "pair %d of %d", i, to)
		}
		numbers <- uint64(i)
	}
	close(numbers)
	if turns.Wait(); t.Failed() {
		t.FailNow()
	}
}

// turn is the life of a client, and with it that of one worker or another.
func (x *crowdOfEnds) turn(number uint64) error {
	over := make(chan struct{})
	x.mu.Lock()
	x.over[number] = over
	x.mu.Unlock()
	worker := make(chan error, 1)
	go func() {
		if x.listens {
			worker <- nil
			return
		}
		p, err := dialNumbered(x.backend[0], x.nextWorker())
		if err == nil {
			err = x.worker(p)
			p.Close()
		}
		worker <- err
	}()
	p, err := dialNumbered(x.frontend[0], number)
	if err != nil {
		return err
	}
	err = errors.Join(x.live(p, 0), <-worker)
	if err != nil {
		return err
	}
	select {
	case <-over:
		return nil
	case <-time.After(3 * patience): // is more than any of them has
		return errors.New("the other side has not come to an end")
	}
}

func (x *crowdOfEnds) worker(p *numbered) error { return x.live(p, 1) }

// live is the life of a peer of a side: 0 is the client.
func (x *crowdOfEnds) live(n *numbered, side int) error {
	r := rand.New(rand.NewPCG(x.seed, n.number))
	partner, err := n.greet(asLibzmq, r, nil)
	if err != nil {
		n.Close()
		return fmt.Errorf("greeting: %w", err)
	}
	client := n.number
	readies := [2][]byte{ready("DEALER"), ready("ROUTER")}
	if side == 1 {
		client = partner
	}
	s := x.scripts(client)
	p := &player{
		numbered: n, script: s[side], most: s[1-side].size, heardAll: make(chan struct{}),
		out: newText(x.seed, n.number, partner), in: newText(x.seed, partner, n.number),
		random: [2]*rand.Rand{rand.New(rand.NewPCG(r.Uint64(), 0)), rand.New(rand.NewPCG(r.Uint64(), 1))},
	}
	p.play(readies[side], readies[1-side])
	return x.through(client, side, p)
}

// through notes that a side of a pair has ended. The second of the two is told what is wrong with the pair.
func (x *crowdOfEnds) through(client uint64, side int, p *player) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	other := x.first[client]
	if other == nil {
		x.first[client] = p
		return p.err
	}
	delete(x.first, client)
	defer close(x.over[client]) // when all is counted
	delete(x.over, client)
	x.bytes[1-side] += int64(p.received)
	x.bytes[side] += int64(other.received)
	switch {
	case p.end.early() || other.end.early():
		x.cuts++
	case p.end <= closing && other.end <= closing:
		x.orders++
		if p.end == inAnswer || other.end == inAnswer {
			x.halves++
		}
	}
	for _, err := range [...]error{p.judge(other), other.judge(p)} {
		if err != nil {
			return fmt.Errorf("pair %d, client %v, worker %v: %w", client, x.scripts(client)[0], x.scripts(client)[1], err)
		}
	}
	return nil
}

// TestResetBehindUnread has a worker reset its connection while its client has much to read yet, and the client then end
// its own sending: what it reads is the beginning of what the worker sent, and behind it a reset, for a FIN would say
// that this was all.
func TestResetBehindUnread(t *testing.T) {
	t.Parallel()
	for _, w := range throughProxy() {
		t.Run(w.name, func(t *testing.T) {
			client, served := openRaw(t, w, "--drain-timeout", "25s")
			must(t, served.SetWriteDeadline(time.Now().Add(time.Second)))
			sent, err := io.Copy(served, endless{})
			if !isTimeout(err) {
				t.Fatalf("%d bytes were sent to a client that does not read: %v", sent, err)
			}
			served.reset()
			must(t, client.tcp().CloseWrite())
			must(t, client.SetReadDeadline(time.Now().Add(patience)))
			n, err := io.Copy(io.Discard, client)
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%v after %d bytes of %d, want a reset", err, n, sent)
			}
		})
	}
}

// endless is a reader of zeros.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

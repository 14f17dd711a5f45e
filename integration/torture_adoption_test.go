package integration

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// storms are crowds of peers that all come at the same moment, to be taken out of libzmq in the middle of whatever they
// are saying.
type storms struct {
	*torture
	clients, strays uint64 // so far
}

// TestTortureAdoption has storms of peers greet in every manner that there is, on both relays, over tcp and ipc, with
// strays between who say nothing or little and close or reset. Each peer gets through to its partner at the first try, and
// every byte of the two with it. In the end the proxy is what it was after the first storms.
func TestTortureAdoption(t *testing.T) {
	connections, size := sized(400, 100_000*tortureFactor()), sized(50, 1000)
	start, came := time.Now(), 0
	for _, relay := range []string{"auto", "stream"} {
		for _, transport := range []string{"tcp", "ipc"} {
			for _, w := range throughProxy() {
				t.Run(relay+"/"+transport+"/"+w.name, func(t *testing.T) {
					listens := w.name == listening().name
					s := &storms{}
					s.torture = newTorture(t, relay, transport, listens)
					s.serve(t, s.worker)
					n, each := max(connections/8/size, 1), size
					if !listens {
						each = size / 2
					}
					s.run(t, n, each)
					came += n * size
				})
			}
		}
	}
	t.Logf("%d connections in %v", came, time.Since(start).Round(time.Millisecond))
}

// run has so many storms of so many pairs come one after another. The first fifth is not held against the proxy, nor is memory
// that it had in the first half.
func (s *storms) run(t *testing.T, n, pairs int) {
	defer func() {
		if t.Failed() {
			t.Logf("the seed was %#x", s.seed)
		}
	}()
	var warm, most footing
	for i := range n {
		s.storm(t, pairs)
		if i == n/5 {
			warm = s.rests(t)
		}
		_, own := s.own(t)
		if i <= n/2 { // when a heap is given back after a storm is chance: the most that it was counts
			most.anonymous = max(most.anonymous, own)
			most.resident = max(most.resident, resident(t, s.command.Process.Pid))
		}
		if i%5 == 4 {
			tell(t, "storm %d of %d, %.1f MiB of its own", i+1, n, float64(own)/(1<<20))
		}
	}
	warm.anonymous, warm.resident = max(warm.anonymous, most.anonymous), max(warm.resident, most.resident)
	s.expectFlat(t, warm)
	s.beside.expectUntouched(t, s.operated)
}

// storm is one of so many pairs, all at once, and of a quarter as many strays.
func (s *storms) storm(t *testing.T, pairs int) {
	t.Helper()
	var lives sync.WaitGroup
	for i := range pairs {
		s.clients++
		client, worker := s.clients, s.nextWorker()
		lives.Go(func() { come(t, s.frontend[0], client, s.client) })
		if !s.listens {
			lives.Go(func() { come(t, s.backend[0], worker, s.worker) })
		}
		if i%4 == 0 {
			s.strays++
			stray := firstStray + s.strays
			lives.Go(func() { come(t, s.frontend[0], stray, s.stray) })
		}
	}
	if lives.Wait(); t.Failed() {
		t.FailNow()
	}
	s.expectEnds(t, int(s.clients+s.strays), "client-closed", "client-reset", "client-gave-up", "probe")
}

// firstStray is behind the numbers of all clients.
const firstStray = 1 << 19

// come has a peer connect and live its life.
func come(t *testing.T, endpoint string, number uint64, live func(*numbered) error) {
	p, err := dialNumbered(endpoint, number)
	if err == nil {
		err = live(p)
		p.Close()
	}
	if err != nil {
		t.Errorf("peer %x: %v", number, err)
	}
}

// stray is the life of somebody who says at most the first bytes of a greeting, and leaves.
func (s *storms) stray(p *numbered) error {
	pace := rand.New(rand.NewPCG(s.seed, p.number))
	if _, err := p.Write(numberedGreeting(p.number)[:pace.IntN(9)]); err != nil {
		return err
	}
	dawdle(pace)
	if pace.IntN(2) == 0 {
		return nil
	}
	return p.abort()
}

// ending makes of a peer's error where it happened.
func (p *numbered) ending(err error) error {
	if err != nil {
		err = fmt.Errorf("after %d bytes: %w", p.heard, err)
	}
	return err
}

// client is the life of one: it sends its text and gets it back, and gets the worker's and sends that back.
func (s *storms) client(p *numbered) error { return p.ending(s.ask(p)) }

func (s *storms) ask(p *numbered) error {
	partner, err := s.shake(p, ready("DEALER"), ready("ROUTER"))
	if err != nil {
		return err
	}
	mine, its := s.texts(p.number, partner)
	if _, err := p.Write(mine); err != nil {
		return err
	}
	if err := p.hear(append(mine, its...)); err != nil {
		return err
	}
	if _, err := p.Write(its); err != nil {
		return err
	}
	if err := p.hear([]byte(farewell)); err != nil {
		return err
	}
	if p.number%4 == 0 {
		return p.CloseWrite() // and Close behind it
	}
	return p.abort()
}

// farewell is what a worker says when all is well.
const farewell = "well"

// worker is the life of one.
func (s *storms) worker(p *numbered) error { return p.ending(s.answer(p)) }

func (s *storms) answer(p *numbered) error {
	partner, err := s.shake(p, ready("ROUTER"), ready("DEALER"))
	if err != nil {
		return err
	}
	mine, its := s.texts(p.number, partner)
	if err := p.hear(its); err != nil {
		return err
	}
	if _, err := p.Write(append(its, mine...)); err != nil {
		return err
	}
	if err := p.hear(mine); err != nil {
		return err
	}
	if _, err := p.Write([]byte(farewell)); err != nil {
		return err
	}
	if n, err := io.Copy(io.Discard, p); n > 0 || isTimeout(err) {
		return fmt.Errorf("%w: %d bytes, %w for the end", errWrong, n, err)
	}
	return nil
}

// shake greets in a random manner and exchanges the READY commands.
func (x *torture) shake(p *numbered, mine, its []byte) (partner uint64, err error) {
	pace := rand.New(rand.NewPCG(x.seed, p.number))
	if partner, err = p.greet(manner(pace.IntN(int(manners))), pace, mine); err != nil {
		return 0, err
	}
	return partner, p.hear(its)
}

// texts are what a peer and its partner send each other.
func (s *storms) texts(number, partner uint64) (mine, its []byte) {
	const most = 16 << 10 // both fit into the kernel's buffers: nobody needs to read while he writes
	size := func(from uint64) int { return anySize(rand.New(rand.NewPCG(s.seed, ^from)), most) }
	return newText(s.seed, number, partner).next(size(number)), newText(s.seed, partner, number).next(size(partner))
}

// footing is what a proxy stands on when nobody is there but the pair beside.
type footing struct {
	figures
	threads   int
	anonymous int // bytes of memory that are its own and no file's (proc(5), Pss_Anon)
}

// rests waits until only the pair beside is left.
func (x *torture) rests(t *testing.T) footing {
	t.Helper()
	x.until(t, "only the pair beside is left", func(s samples) bool { return s.of(t, "connections") == 2 })
	f := x.calm(t)
	threads, own := x.own(t)
	return footing{f, threads, own}
}

// own are the proxy's threads, and its anonymous memory in bytes.
func (x *torture) own(t testing.TB) (threads, memory int) {
	t.Helper()
	pid := x.command.Process.Pid
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	must(t, err)
	return len(tasks), anonymous(t, pid)
}

func anonymous(t testing.TB, pid int) int {
	t.Helper()
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	must(t, err)
	for line := range strings.Lines(string(rollup)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "Pss_Anon:" {
			n, err := strconv.Atoi(fields[1])
			must(t, err)
			return n << 10
		}
	}
	t.Fatal("no Pss_Anon in the memory map of a process")
	return 0
}

// What a proxy may have more of at the end than after its first storms.
const (
	// That Go's heap and libzmq's keep: of a thousand connections that come at once more are with libzmq at the same moment
	// in one storm than in another, at 21 kB each.
	spareMemory  = 24 << 20
	spareThreads = 4 // that Go's runtime adds when many system calls happen to block at once
)

// expectFlat waits until only the pair beside is left, and fails if the proxy then has more than it had.
func (x *torture) expectFlat(t *testing.T, before footing) {
	t.Helper()
	x.expectBack(t, before.figures, spareMemory)
	threads, own := x.own(t)
	t.Logf("before: %.1f MiB of its own, %d threads; after: %.1f MiB, %d threads",
		float64(before.anonymous)/(1<<20), before.threads, float64(own)/(1<<20), threads)
	if threads > before.threads+spareThreads {
		t.Errorf("%d threads became %d", before.threads, threads)
	}
	if more := own - before.anonymous; more > spareMemory && !raced(t, x.executable()) {
		t.Errorf("%d bytes more are its own than before, at most %d are expected", more, spareMemory)
	}
}

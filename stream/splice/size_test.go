package splice

import (
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Nothing is allocated for a message that goes through.
func TestEchoAllocatesNothing(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			s := newSteps(t, 1)
			e := newSource(t, network).ends(t)
			e.start(t, s.Relay)
			var fds [2]int
			for i := range fds {
				var err error
				if fds[i], err = duplicate(e.outer[i]); err != nil {
					t.Fatal(err)
				}
				defer unix.Close(fds[i])
			}
			message, buf := make([]byte, 64), make([]byte, 64)
			through := func(from int) {
				if _, err := unix.Write(fds[from], message); err != nil {
					t.Fatal(err)
				}
				for n := 0; n <= 0; n, _ = unix.Read(fds[1-from], buf) {
					s.threads[0].turn()
				}
			}
			if n := testing.AllocsPerRun(1000, func() { through(0); through(1) }); n != 0 {
				t.Errorf("%v allocations for an echo", n)
			}
		})
	}
}

// What a pair costs in memory that only waits.
func TestIdlePairIsSmall(t *testing.T) {
	const most = 300                               // bytes, its place among them
	if size := unsafe.Sizeof(Pair{}); size > 192 { // the next that Go allocates is 208
		t.Errorf("a Pair is %d bytes", size)
	}
	var limit unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	n := min(10_000, (int(limit.Cur)-1000)/2)
	if n < 100 {
		t.Skipf("%d descriptors are allowed", limit.Cur)
	}
	r := newRelay(t, 1)
	sockets := make([][2]int, n)
	for i := range sockets {
		var err error
		if sockets[i], err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(sockets[i][0])
		defer unix.Close(sockets[i][1])
	}
	pairs := make([]*Pair, n)
	var passed [2]Counters
	notify := toldOf(func() {})
	before := heap()
	for i, s := range sockets {
		var err error
		if pairs[i], err = r.Start(s[0], s[1], [2][]byte{}, End{}, &passed, notify); err != nil {
			t.Fatal(err)
		}
	}
	each := (float64(heap()) - float64(before)) / float64(n)
	t.Logf("%.0f bytes a pair, of which the Pair itself is %d, over %d pairs", each, unsafe.Sizeof(Pair{}), n)
	if each > most {
		t.Errorf("%.0f bytes a pair", each)
	}
	for _, p := range pairs {
		p.Stop()
	}
}

// What a relay has open besides its sockets.
func TestDescriptors(t *testing.T) {
	const threads = 4
	before := descriptors(t)
	r := newRelay(t, threads)
	if n, most := descriptors(t)-before, Descriptors(threads, 0); n > most {
		t.Errorf("%d descriptors, want at most %d", n, most)
	}
	if p := r.pipes.get(); p == nil {
		t.Error("no pipe")
	} else {
		defer r.pipes.put(p)
	}
	if n, most := descriptors(t)-before, Descriptors(threads, 1); n > most {
		t.Errorf("%d descriptors with a pipe, want at most %d", n, most)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A pair that has moved much holds nothing of it afterwards.
func TestNothingIsHeldAfterBulk(t *testing.T) {
	s := newSteps(t, 1)
	e := newSource(t, "tcp4").ends(t)
	e.start(t, s.Relay)
	stop := pour(t, e)
	w := &e.pair.ways[0]
	s.turnUntil(t, "blocked in between, and spliced", func() bool { return w.moved.Load() > 64<<20 && w.bulk })
	_ = e.outer[0].CloseWrite()
	s.turnUntil(t, "the end", func() bool { return w.done })
	if w.holding() {
		t.Errorf("%v and %v are held", w.rest, w.pipe)
	}
	stop()
	if spare := len(s.pipes.spare); s.pipes.n > spare+1 {
		t.Errorf("%d pipes for one thread, %d of them spare", s.pipes.n, spare)
	}
}

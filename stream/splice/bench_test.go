package splice

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// mover moves the bytes of pairs: the relay, or what is compared with it.
type mover func(b *testing.B, e *ends)

// movers has a benchmark run with the relay, and with two goroutines a pair as the reference.
func movers(b *testing.B, run func(b *testing.B, move mover)) {
	b.Run("relay", func(b *testing.B) {
		r, err := New(2, MaxPipes)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(r.Close)
		run(b, func(b *testing.B, e *ends) { e.start(b, r) })
	})
	b.Run("copy", func(b *testing.B) { run(b, copied) })
}

// copied moves a pair's bytes by io.Copy.
func copied(b *testing.B, e *ends) {
	var conns [2]*net.TCPConn
	for i, fd := range e.inner {
		f := os.NewFile(uintptr(fd), "inner")
		c, err := net.FileConn(f)
		if err != nil {
			b.Fatal(err)
		}
		_ = f.Close()
		conns[i], e.inner[i] = c.(*net.TCPConn), -1
	}
	var moving sync.WaitGroup
	for i := range conns {
		moving.Go(func() {
			_, _ = io.Copy(conns[1-i], conns[i])
			_ = conns[1-i].CloseWrite()
		})
	}
	b.Cleanup(func() {
		for i := range conns {
			_ = conns[i].Close()
		}
		moving.Wait()
	})
}

// benchEnds is a pair that is moved, whose second side sends back what it receives, or drops it.
func benchEnds(b *testing.B, src *source, move mover, echo bool) *ends {
	e := src.ends(b)
	move(b, e)
	to := io.Discard
	if echo {
		to = e.outer[1]
	}
	var answering sync.WaitGroup
	answering.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := e.outer[1].Read(buf)
			if err != nil {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	})
	b.Cleanup(func() {
		_ = e.outer[0].Close()
		_ = e.outer[1].Close()
		answering.Wait()
	})
	return e
}

// cpu is what this process has used, in nanoseconds.
func cpu() int64 {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

// measured times a loop, and reports what of the CPU an operation took, its peers' part too.
func measured(b *testing.B, loop func()) {
	b.ResetTimer()
	before := cpu()
	loop()
	b.StopTimer()
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

// roundTrips sends and receives so many messages.
func roundTrips(b *testing.B, c net.Conn, size int, more func() bool) {
	message := make([]byte, size)
	for more() {
		if _, err := c.Write(message); err != nil {
			b.Error(err)
			return
		}
		if _, err := io.ReadFull(c, message); err != nil {
			b.Error(err)
			return
		}
	}
}

// One client that waits for each answer.
func BenchmarkEcho64B(b *testing.B) {
	movers(b, func(b *testing.B, move mover) {
		e := benchEnds(b, newSource(b, "tcp4"), move, true)
		n := 0
		measured(b, func() { roundTrips(b, e.outer[0], 64, func() bool { n++; return n <= b.N }) })
	})
}

// One way, as fast as it goes.
func BenchmarkBulk64K(b *testing.B) {
	movers(b, func(b *testing.B, move mover) {
		e := benchEnds(b, newSource(b, "tcp4"), move, false)
		chunk := make([]byte, 64<<10)
		b.SetBytes(int64(len(chunk)))
		moved := e.passed[0].Bytes.Load
		measured(b, func() {
			for range b.N {
				if _, err := e.outer[0].Write(chunk); err != nil {
					b.Fatal(err)
				}
			}
			if e.pair != nil {
				waitFor(b, "all is moved", func() bool { return moved() == uint64(b.N*len(chunk)) })
			}
		})
	})
}

// Messages of many sizes there and back: where the kernel's moving pays.
func BenchmarkEchoSizes(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dK", size>>10), func(b *testing.B) {
			movers(b, func(b *testing.B, move mover) {
				e := benchEnds(b, newSource(b, "tcp4"), move, true)
				b.SetBytes(int64(2 * size))
				n := 0
				measured(b, func() { roundTrips(b, e.outer[0], size, func() bool { n++; return n <= b.N }) })
			})
		})
	}
}

// Many clients that each wait for their answers.
func BenchmarkManyClients(b *testing.B) {
	const clients = 200
	movers(b, func(b *testing.B, move mover) {
		src := newSource(b, "tcp4")
		all := make([]*ends, clients)
		for i := range all {
			all[i] = benchEnds(b, src, move, true)
		}
		var begun atomic.Int64
		var running sync.WaitGroup
		measured(b, func() {
			for _, e := range all {
				running.Go(func() {
					roundTrips(b, e.outer[0], 64, func() bool { return begun.Add(1) <= int64(b.N) })
				})
			}
			running.Wait()
		})
	})
}

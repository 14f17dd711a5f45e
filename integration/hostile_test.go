package integration

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// dialAny connects to a tcp or ipc endpoint.
func dialAny(t testing.TB, endpoint string) *rawPeer {
	t.Helper()
	path, ok := strings.CutPrefix(endpoint, "ipc://")
	if !ok {
		return dialRaw(t, endpoint)
	}
	c, err := net.Dial("unix", path)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return &rawPeer{c}
}

// reset closes a TCP connection by an RST.
func (p *rawPeer) reset() {
	if c, ok := p.Conn.(*net.TCPConn); ok {
		_ = c.SetLinger(0) // on a connection that has ended anyway it does not matter
	}
	p.Close()
}

// awaitEnd reads until the connection ends, and drops what comes before.
func (p *rawPeer) awaitEnd(t testing.TB) {
	t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(patience)) // fails when it has ended by our own hand
	if _, err := io.Copy(io.Discard, p); isTimeout(err) {
		t.Fatalf("still open after %v", patience)
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// expectEnds waits until so many clients have ended, and fails when one of them ended with another reason than these.
func (p *operated) expectEnds(t testing.TB, n int, reasons ...string) {
	t.Helper()
	s := p.until(t, fmt.Sprintf("%d clients have ended", n), func(s samples) bool { return s.ended() >= n })
	if s.ended() != n {
		t.Errorf("%d clients have ended, want %d", s.ended(), n)
	}
	s.expectReasons(t, reasons...)
}

// expectReasons fails when a client ended with another reason than these.
func (s samples) expectReasons(t testing.TB, reasons ...string) {
	t.Helper()
	for reason, n := range s.ends() {
		if !slices.Contains(reasons, reason) {
			t.Errorf("%d clients ended with %s, want %v", n, reason, reasons)
		}
	}
}

// oddClient is somebody at the frontend who is no client, or a bad one.
type oddClient struct {
	name    string
	act     func(t testing.TB, p *rawPeer, number int)
	reasons []string // any of these may be how it ends
}

// oddClients end without ever having cost a worker anything.
func oddClients() []oddClient {
	return []oddClient{
		{"a port scanner", func(_ testing.TB, p *rawPeer, _ int) { p.Close() }, []string{"probe"}},
		{"a port scanner that resets", func(_ testing.TB, p *rawPeer, _ int) { p.reset() }, []string{"probe"}},
		{"silence", func(t testing.TB, p *rawPeer, _ int) { p.awaitEnd(t) }, []string{"probe"}},
		{"half a greeting and then silence", func(t testing.TB, p *rawPeer, _ int) {
			p.send(t, signature()[:5])
			p.awaitEnd(t)
		}, []string{"handshake-timeout"}},
		{"a byte at a time", func(t testing.TB, p *rawPeer, _ int) {
			for _, b := range signature()[:9] { // of a second each if the time limit were not scaled down
				_, _ = p.Write([]byte{b}) // on a busy machine it may be cut off before the last of them
				time.Sleep(50 * time.Millisecond)
			}
			p.awaitEnd(t)
		}, []string{"handshake-timeout"}},
		{"64 KiB of random bytes", func(t testing.TB, p *rawPeer, number int) {
			b := make([]byte, 64<<10)
			_, _ = rand.NewChaCha8([32]byte{byte(number)}).Read(b) // never fails
			_, _ = p.Write(b)                                      // it may be cut off before the last of them
			p.awaitEnd(t)
		}, []string{"not-zmtp"}},
		{"a TLS hello", func(t testing.TB, p *rawPeer, _ int) {
			must(t, p.SetDeadline(time.Now().Add(patience)))
			if err := tls.Client(p, &tls.Config{InsecureSkipVerify: true}).Handshake(); err == nil || isTimeout(err) {
				t.Errorf("a TLS handshake: %v, want to be cut off", err)
			}
		}, []string{"not-zmtp"}},
		{"a browser", func(t testing.TB, p *rawPeer, _ int) {
			_, _ = fmt.Fprint(p, "GET / HTTP/1.1\r\nHost: example.org\r\nUser-Agent: Mozilla/5.0\r\n\r\n")
			p.awaitEnd(t)
		}, []string{"not-zmtp"}},
		{"an SSH client", func(t testing.TB, p *rawPeer, _ int) {
			_, _ = fmt.Fprint(p, "SSH-2.0-OpenSSH_9.2\r\n")
			p.awaitEnd(t)
		}, []string{"not-zmtp"}},
	}
}

// TestHostileClients has each kind of odd client come in numbers, over TCP and over ipc, while a slot is free: none of
// them gets it, each ends with its reason, and the proxy is left as it was.
func TestHostileClients(t *testing.T) {
	const crowd = 50
	for _, transport := range []string{"tcp", "ipc"} {
		for _, odd := range oddClients() {
			t.Run(transport+"/"+odd.name, func(t *testing.T) {
				t.Parallel()
				p, beside := startBeside(t, "--frontend", wildcard(t, transport), "--backend", "tcp://127.0.0.1:0", "--handshake-timeout", "4s",
					"--slot-max-age", "0") // or on a busy machine the slot is old before the end
				slot := dialRaw(t, p.backend[0])
				slot.send(t, signature())
				p.until(t, "a slot", func(s samples) bool { return s.of(t, "worker_connections", "state=slot") == 1 })
				before := p.calm(t)
				var wg sync.WaitGroup
				for i := range crowd {
					wg.Go(func() { odd.act(t, dialAny(t, p.frontend[0]), i) })
				}
				wg.Wait()
				p.expectEnds(t, crowd, odd.reasons...)
				p.expectBack(t, before, 16<<20)
				if n := p.scrape(t).of(t, "worker_connections", "state=slot"); n != 1 {
					t.Errorf("%d slots are left of one", n)
				}
				beside.expectUntouched(t, p)
			})
		}
	}
}

// TestHostileStorm is ten thousand connects, each reset at once, as fast as they can be made: thousands are there at a
// time, and some of the memory for that is kept. Ten thousand more, a few at a time, add nothing to it.
func TestHostileStorm(t *testing.T) {
	const storm, few = 10_000, 250
	withoutRace(t)
	p, beside := startBeside(t, "--access-log=false")
	before, unheard := p.calm(t), resetsUnheard(t)
	connectAndReset(t, p.frontend[0], storm)
	p.until(t, "all have ended", func(s samples) bool { return s.ended() >= storm-(resetsUnheard(t)-unheard) })
	p.expectBack(t, before, 4096*32<<10) // as many as the listener's queue holds, of 32 KiB
	heard := p.settledEnds(t)
	p.expectEnds(t, heard, "probe")
	if heard > storm {
		t.Errorf("%d clients have ended of %d", heard, storm)
	}
	before = p.calm(t)
	for n := few; n <= storm; n += few {
		connectAndReset(t, p.frontend[0], few)
		p.expectEnds(t, heard+n, "probe")
	}
	p.expectBack(t, before, 8<<20)
	beside.expectUntouched(t, p)
}

// settledEnds waits until no more clients end, and is how many have.
func (p *operated) settledEnds(t testing.TB) (ended int) {
	t.Helper()
	since := time.Now()
	p.until(t, "no more clients end", func(s samples) bool {
		if now := s.ended(); now != ended {
			ended, since = now, time.Now()
		}
		return time.Since(since) > time.Second
	})
	return ended
}

// resetsUnheard is how many connections this machine has ever seen reset before they were in a listener's queue. The
// side that connects takes its connection for made by then; when the queue is full the other has never heard of it.
func resetsUnheard(t testing.TB) int {
	t.Helper()
	const counter = "EmbryonicRsts"
	b, err := os.ReadFile("/proc/net/netstat") // a line of names, and below it one of numbers
	must(t, err)
	names, rest, _ := strings.Cut(string(b), "\n")
	numbers, _, _ := strings.Cut(rest, "\n")
	i := slices.Index(strings.Fields(names), counter)
	if i < 0 {
		t.Fatalf("the kernel does not count %s", counter)
	}
	n, err := strconv.Atoi(strings.Fields(numbers)[i])
	must(t, err)
	return n
}

// connectAndReset has so many connections made and reset at once.
func connectAndReset(t testing.TB, endpoint string, n int) {
	t.Helper()
	const at = 10
	var wg sync.WaitGroup
	for range at {
		wg.Go(func() {
			for range n / at {
				c, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "tcp://"))
				if err != nil {
					t.Errorf("a connect failed: %v", err)
					return
				}
				(&rawPeer{c}).reset()
			}
		})
	}
	wg.Wait()
}

package integration

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

const (
	browsers = 20
	// browserSlice is long beside the second from one tick to the next.
	browserSlice = 3 * time.Second
	// browserMemory is by how much they may have the proxy's memory grow, which is far more than pages, the last
	// hour and their queues take, and what garbage Go leaves of them.
	browserMemory = 64 << 20
)

// TestBrowsersBesideLoad measures what 20 browsers at the console do to the round trips of pairs in the same proxy, as
// TestControlLoad does it of the control socket: the browsers use the CPU, too, so the pairs are measured beside browsers at
// another proxy as well. One of the 20 reads nothing of the events that it asked for. The proxy's memory is bounded. It
// runs by `make bench-console`; otherwise one short round sees that it works.
func TestBrowsersBesideLoad(t *testing.T) {
	rounds, _ := strconv.Atoi(os.Getenv("STREAMQ_BROWSERS"))
	slice := browserSlice
	if rounds == 0 {
		rounds, slice = 1, browserSlice/30
	} else {
		withoutRace(t)
		beModest(t)
	}
	ctx, sec := newContext(t), newSecurity(t, "CURVE")
	worker := newWorker(t, ctx, zmq.REP, sec)
	here := startOperated(t, "--worker", worker.listen(t, "tcp://127.0.0.1:*"), "--frontend", "tcp://127.0.0.1:0")
	there := startOperated(t, "--backend", "tcp://127.0.0.1:0", "--frontend", "tcp://127.0.0.1:0")
	worker.serve(t, echo)
	crowd := newCrowdOfBrowsers(here)
	b := newLoadBench(t, ctx, sec, here.frontend[0], slice, newCrowdOfBrowsers(there), crowd)
	before := resident(t, here.pid())
	b.measure(t, rounds)
	grown := resident(t, here.pid()) - before
	t.Logf("the proxy's memory grew by %.1f MiB, from %.1f", float64(grown)/(1<<20), float64(before)/(1<<20))
	if grown > browserMemory {
		t.Errorf("it grew by %d bytes", grown)
	}
}

// crowdOfBrowsers looks at the console of a proxy: each has a stream of server-sent events, and asks for its page
// at every tick, as console.js does. One more asks for what happens, and reads nothing.
type crowdOfBrowsers struct {
	site    string // HOST:PORT
	scanned string // the frontend
	pages   atomic.Int64
	spent   time.Duration
}

func newCrowdOfBrowsers(p *operated) *crowdOfBrowsers {
	site := strings.TrimSuffix(strings.TrimPrefix(p.metrics, "http://"), "/metrics")
	return &crowdOfBrowsers{site: site, scanned: strings.TrimPrefix(p.frontend[0], "tcp://")}
}

func (c *crowdOfBrowsers) refresh(testing.TB) {}

// run has them look for a slice, and until each has seen something.
func (c *crowdOfBrowsers) run(t testing.TB, slice time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	start, seen := time.Now(), make(chan struct{}, browsers)
	for i := range browsers - 1 {
		path := []string{"/", "/workers", "/clients", "/pairs", "/ends", "/handshakes"}[i%6]
		all.Go(func() { c.look(ctx, t, path, seen) })
	}
	all.Go(func() { c.stare(ctx, t) })
	all.Go(func() { c.scan(ctx) })
	for range browsers - 1 {
		select {
		case <-seen:
		case <-time.After(patience):
			t.Error("a browser sees nothing")
		}
	}
	time.Sleep(slice - time.Since(start)) // a slice is a time, not something to wait for
	cancel()
	all.Wait()
	c.spent += time.Since(start)
}

// look is a browser at one page.
func (c *crowdOfBrowsers) look(ctx context.Context, t testing.TB, path string, seen chan<- struct{}) {
	stream, err := c.get(ctx, "/api/v1/live")
	if err != nil {
		return // the slice is over
	}
	defer stream.Close()
	first := true
	for in := bufio.NewScanner(stream); in.Scan(); {
		if !strings.HasPrefix(in.Text(), "event: status") {
			continue
		}
		page, err := c.get(ctx, path)
		if err == nil {
			_, err = io.Copy(io.Discard, page)
			page.Close()
		}
		switch {
		case err == nil:
			c.pages.Add(1)
		case ctx.Err() == nil:
			t.Errorf("%s: %v", path, err)
		}
		if first {
			seen <- struct{}{}
			first = false
		}
	}
}

func (c *crowdOfBrowsers) get(ctx context.Context, path string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.site+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("%s", answer.Status)
	}
	return answer.Body, nil
}

// stare asks for events, and reads none.
func (c *crowdOfBrowsers) stare(ctx context.Context, t testing.TB) {
	conn, err := net.Dial("tcp", c.site)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	_, _ = io.WriteString(conn, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-ctx.Done()
}

// scan has something happen: a hundred times a second somebody comes who speaks no ZMTP, of which there are two events.
func (c *crowdOfBrowsers) scan(ctx context.Context) {
	for ctx.Err() == nil {
		if conn, err := net.Dial("tcp", c.scanned); err == nil {
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n")
			_, _ = io.Copy(io.Discard, conn)
			conn.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// said tells how much they saw.
func (c *crowdOfBrowsers) said(t *testing.T) string {
	t.Helper()
	if c.pages.Load() == 0 {
		t.Error("no page was seen")
	}
	return fmt.Sprintf("%d browsers, %.1f pages/s", browsers, float64(c.pages.Load())/c.spent.Seconds())
}

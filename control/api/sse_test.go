package api

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamq/streamq-proxy/stream"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// running has a rig's server run, and be over when the test is.
func running(t *testing.T, clients int) *rig {
	r := newRig(t, clients)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { r.Run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	return r
}

// sse reads server-sent events.
type sse struct {
	body  io.ReadCloser
	lines *bufio.Scanner
}

func (r *rig) listen(t *testing.T, path string) *sse {
	t.Helper()
	answer, err := http.Get(r.web.URL + Prefix + path)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatal(answer.Status, answer.Header)
	}
	t.Cleanup(func() { answer.Body.Close() })
	s := &sse{answer.Body, bufio.NewScanner(answer.Body)}
	s.lines.Buffer(nil, 1<<20)
	return s
}

// next is the next event's name and data.
func (s *sse) next(t *testing.T) (name, data string) {
	t.Helper()
	for s.lines.Scan() {
		switch line := s.lines.Text(); {
		case strings.HasPrefix(line, "event: "):
			name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			data = line[len("data: "):]
		case line == "" && name != "":
			return name, data
		}
	}
	t.Fatalf("the stream has ended: %v", s.lines.Err())
	return "", ""
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// Listeners get what happens, each what it asks for, and what a page has made of names is data.
func TestEventsAreTold(t *testing.T) {
	t.Parallel()
	r := running(t, 1)
	r.events.Record(stream.Event{Topic: stream.TopicPairMade}) // nobody listens
	all, pairs := r.listen(t, "/events"), r.listen(t, "/events?topic=pair")
	const hostile = "a\nevent: x\n\n<script>\u2028"
	r.events.Record(stream.Event{Topic: stream.TopicClientConnected, Identity: hostile})
	r.events.Record(stream.Event{Topic: stream.TopicPairEnded, Pool: "first", ID: 7})
	if name, data := all.next(t); name != "client.connected" || !told(t, data).is(hostile) {
		t.Errorf("%s %s", name, data)
	} else {
		asEvent(t, data)
	}
	for _, s := range []*sse{all, pairs} {
		if name, data := s.next(t); name != "pair.ended" || !strings.Contains(data, `"id":7`) {
			t.Errorf("%s %s", name, data)
		}
	}
}

type toldEvent Event

func (e toldEvent) is(identity string) bool { return e.Identity == identity }

func told(t *testing.T, data string) (e toldEvent) {
	t.Helper()
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		t.Error(err)
	}
	return e
}

// asEvent holds an event against the description.
func asEvent(t *testing.T, data string) {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(data), &value); err != nil {
		t.Fatal(err)
	}
	if err := described(t).Components.Schemas["Event"].Value.VisitJSON(value); err != nil {
		t.Error(err)
	}
}

// The status comes once a second, from one snapshot for all.
func TestStatusIsTold(t *testing.T) {
	t.Parallel()
	r := running(t, 3)
	var all []*sse
	for range 10 {
		all = append(all, r.listen(t, "/live"))
	}
	begun, before := time.Now(), r.first.Snapshots.Load()
	for range 3 {
		for _, s := range all {
			if name, data := s.next(t); name != "status" || !strings.Contains(data, `"pairs":3`) {
				t.Fatalf("%s %s", name, data)
			}
		}
	}
	if n, most := r.first.Snapshots.Load()-before, 1+int64(time.Since(begun)/momentAge); n > most {
		t.Errorf("%d snapshots in %v", n, time.Since(begun))
	}
}

// A listener that reads nothing loses events, is told how many, and holds nobody up; one that
// never reads again is cut off.
func TestSlowListener(t *testing.T) {
	t.Parallel()
	r := running(t, 1)
	slow, quick := r.listen(t, "/events"), r.listen(t, "/events")
	const events = 4000
	long := strings.Repeat("x", 10_000) // so that it does not all fit into the kernel's queues
	record := func(e stream.Event) {
		for len(r.events.queue) == cap(r.events.queue) {
			time.Sleep(time.Millisecond)
		}
		r.events.Record(e)
	}
	go func() {
		for range events {
			record(stream.Event{Topic: stream.TopicPairMade, Client: long, ID: 1})
		}
		for ; t.Context().Err() == nil; time.Sleep(time.Millisecond) { // the quick one may have no room for one of them
			record(stream.Event{Topic: stream.TopicWorkerUp})
		}
	}()
	for name := ""; name != stream.TopicWorkerUp; {
		name, _ = quick.next(t)
	}
	if n := r.events.lost.Load(); n > 0 {
		t.Errorf("%d events were lost to all", n)
	}
	eventually(t, "the slow one is cut off", func() bool { return r.events.hub.count.Load() == 1 })
	slow.body.Close()
}

// There are so many listeners at most, also when all come at once; further ones are refused, and take nobody's place.
func TestListenersAreBounded(t *testing.T) {
	t.Parallel()
	r := running(t, 1)
	var all sync.WaitGroup
	var let, refused atomic.Int64
	for i := range 3 * mostListeners {
		all.Go(func() {
			answer, err := http.Get(r.web.URL + Prefix + []string{"/live", "/events"}[i%2])
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { answer.Body.Close() })
			switch answer.StatusCode {
			case http.StatusOK:
				let.Add(1)
			case http.StatusServiceUnavailable:
				refused.Add(1)
			}
		})
	}
	all.Wait()
	if let.Load() != mostListeners || refused.Load() != 2*mostListeners {
		t.Errorf("%d listen, %d were refused", let.Load(), refused.Load())
	}
	if status, _ := r.get(t, "/status"); status != http.StatusOK {
		t.Error(status)
	}
}

// A stream outlives the server's time-outs, which are for answers that end.
func TestStreamsOutliveTimeouts(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { r.Run(ctx); close(ended) }()
	mux := http.NewServeMux()
	r.Register(mux)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const limit = time.Second // in which also a busy machine reads a request
	server := &http.Server{Handler: mux, ReadTimeout: limit, WriteTimeout: limit}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	r.web.URL = "http://" + l.Addr().String()
	begun := time.Now()
	s := r.listen(t, "/live")
	for time.Since(begun) < 3*limit {
		s.next(t)
	}
	cancel() // and it ends with the proxy
	<-ended
	for s.lines.Scan() {
	}
	if err := s.lines.Err(); err != nil {
		t.Error(err)
	}
}

// deaf is a browser for a stream whose bytes nobody wants.
type deaf struct{ *httptest.ResponseRecorder }

func (deaf) SetReadDeadline(time.Time) error  { return nil }
func (deaf) SetWriteDeadline(time.Time) error { return nil }

// A stream ends soon after its user was taken out of the file, or has another password, or its certificate is not taken any more.
func TestStreamsEndWithTheirRight(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*steered){
		"user":        func(s *steered) { s.user = "" },
		"certificate": func(s *steered) { s.strange = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			streamEnds(t, end)
		})
	}
}

func streamEnds(t *testing.T, end func(*steered)) {
	synctest.Test(t, func(t *testing.T) {
		s := newSteered(t)
		s.user = "alice"
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, Prefix+"/events", http.NoBody)
		r.Host, r.RemoteAddr = "127.0.0.1:9555", "127.0.0.1:40000"
		var ended atomic.Bool
		go func() { s.mux.ServeHTTP(deaf{httptest.NewRecorder()}, r); ended.Store(true) }()
		time.Sleep(10 * quietTime)
		synctest.Wait()
		if ended.Load() {
			t.Error("it ended while it might listen")
		}
		s.mutex.Lock()
		end(s)
		s.mutex.Unlock()
		time.Sleep(quietTime)
		synctest.Wait()
		if !ended.Load() {
			t.Error("it goes on")
		}
		cancel()
	})
}

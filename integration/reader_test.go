package integration

import (
	"cmp"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// joinRaw makes a pair of a raw client and a raw worker in a proxy that has no other workers to give, and takes both
// through a NULL handshake. The worker dials in, unless it listens.
func joinRaw(t testing.TB, p *operated, listens *rawWorker) (client, served *rawPeer) {
	t.Helper()
	if listens == nil {
		served = dialRaw(t, p.backend[0])
		served.send(t, signature())
		p.until(t, "a slot", func(s samples) bool { return s.of(t, "worker_connections", "state=slot") > 0 })
	}
	client = dialRaw(t, p.frontend[0])
	client.send(t, signature())
	if listens != nil {
		served = listens.peer(t)
		served.send(t, signature())
	}
	served.expect(t, signature())
	client.expect(t, signature())
	shakeHands(t, client, served)
	return client, served
}

// flood sends until it is cut off, or told that the other side has ended, and counts.
func (p *rawPeer) flood(t testing.TB, sent *atomic.Int64) {
	must(t, p.SetDeadline(time.Time{}))
	go func() {
		_, _ = io.Copy(io.Discard, p) // as every ZeroMQ library reads, too
		p.Close()
	}()
	block := make([]byte, 64<<10)
	for {
		n, err := p.Write(block)
		sent.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// stuck waits until nothing more is taken of a flood.
func stuck(t testing.TB, sent *atomic.Int64) {
	t.Helper()
	last, since := int64(-1), time.Now()
	eventually(t, "the flood is held up", func() bool {
		if now := sent.Load(); now != last || now == 0 {
			last, since = now, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	})
}

// whoReads are all the ways in which one side of a pair does not read what the other floods it with.
type whoReads struct {
	deaf    string // "client" or "worker"
	listens bool   // how the worker is there
	relay   string
}

func (w whoReads) String() string {
	how := map[bool]string{true: "listening", false: "dialling"}[w.listens]
	return strings.Join([]string{w.relay, how, w.deaf}, "/")
}

// TestHostileReaders has a client, and a worker, that never read what their partners send and send. Whoever sends is held
// up, for as long as both live. Meanwhile the proxy grows by no more than a pair may use, and the pair beside notices nothing.
func TestHostileReaders(t *testing.T) {
	withoutRace(t)
	for _, relay := range []string{"auto", "stream"} {
		for _, listens := range []bool{false, true} {
			for _, deaf := range []string{"client", "worker"} {
				w := whoReads{deaf, listens, relay}
				t.Run(w.String(), func(t *testing.T) {
					t.Parallel()
					hostileReader(t, w)
				})
			}
		}
	}
}

func hostileReader(t *testing.T, w whoReads) {
	const most = 24 << 20 // two directions of 4 MiB, and what Go's heap grows by beside them
	flags := []string{"--relay", w.relay, "--backend", "tcp://127.0.0.1:0"}
	var listens *rawWorker
	if w.listens {
		listens = &rawWorker{}
		flags = append(flags, "--worker", listens.listen(t, ""))
	}
	p, beside := startBeside(t, flags...)
	before := p.calm(t)
	client, served := joinRaw(t, p, listens)
	deaf, loud := client, served
	if w.deaf == "worker" {
		deaf, loud = served, client
	}
	var sent atomic.Int64
	done := make(chan struct{})
	go func() { defer close(done); loud.flood(t, &sent) }()
	stuck(t, &sent)
	beside.expectAnswers(t, 20)
	p.expectGrowth(t, before, most)
	p.expectEnds(t, 0)
	deaf.reset() // nothing else would end it: a direct connection would stay, too
	p.expectEnds(t, 1, w.deaf+"-reset")
	<-done
	beside.expectAnswers(t, 20)
	p.expectBack(t, before, most)
	t.Logf("%d bytes were taken of the flood", sent.Load())
	beside.expectUntouched(t, p)
}

// expectGrowth fails when more memory is in use than before by more than so many bytes.
func (p *operated) expectGrowth(t testing.TB, before figures, most int) {
	t.Helper()
	if more := resident(t, p.command.Process.Pid) - before.resident; more > most && !raced(t, p.executable()) {
		t.Errorf("the proxy has grown by %d bytes, want at most %d", more, most)
	}
}

// TestHostileReaderLease has an idle lease end the pair of a client that never reads, once nothing moves any more.
func TestHostileReaderLease(t *testing.T) {
	t.Parallel()
	p, beside := startBeside(t, "--backend", "tcp://127.0.0.1:0", "--lease", "idle", "--lease-ttl", "4s") // in which the pair beside says something on a busy machine, too
	before := p.calm(t)
	_, served := joinRaw(t, p, nil)
	var sent atomic.Int64
	served.flood(t, &sent) // until the lease is over
	p.expectEnds(t, 1, "idle-expired")
	p.expectBack(t, before, 24<<20)
	beside.expectUntouched(t, p)
}

// TestHostileHandshakes has workers that end in the middle of the handshake, or stop talking in it, dialling in and
// listening: their client is told by its connection's end, and the next one has the next worker.
func TestHostileHandshakes(t *testing.T) {
	for _, stage := range []struct {
		name   string
		act    func(t testing.TB, served *rawPeer)
		reason []string
		limit  string // for handshakes, "" for one that none of them comes to
	}{
		{"closes", func(_ testing.TB, served *rawPeer) { served.Close() }, []string{"refused-by-worker"}, ""},
		{"resets", func(_ testing.TB, served *rawPeer) { served.reset() }, []string{"refused-by-worker"}, ""},
		{"closes in the greeting", func(t testing.TB, served *rawPeer) {
			served.send(t, greeting("CURVE", 1)[10:40])
			must(t, served.tcp().CloseWrite())
		}, []string{"refused-by-worker"}, ""},
		{"says what is not ZMTP", func(t testing.TB, served *rawPeer) {
			served.send(t, greeting("NULL", 0)[10:], []byte{0xFF, 0xFF, 0xFF})
		}, []string{"protocol-error"}, ""},
		{"falls silent", func(testing.TB, *rawPeer) {}, []string{"handshake-timeout"}, "3s"},
	} {
		for _, listens := range []bool{false, true} {
			for _, relay := range []string{"auto", "stream"} {
				name := stage.name + "/" + whoReads{deaf: "worker", listens: listens, relay: relay}.String()
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					hostileHandshake(t, relay, listens, cmp.Or(stage.limit, patience.String()), stage.act, stage.reason)
				})
			}
		}
	}
}

func hostileHandshake(t *testing.T, relay string, listens bool, limit string, act func(testing.TB, *rawPeer), reasons []string) {
	times := 5
	if limit != patience.String() { // which each time waits for
		times = 2
	}
	flags := []string{"--relay", relay, "--backend", "tcp://127.0.0.1:0", "--handshake-timeout", limit}
	rw := &rawWorker{}
	if listens {
		flags = append(flags, "--worker", rw.listen(t, ""))
	}
	p, beside := startBeside(t, flags...)
	before := p.calm(t)
	for i := range times {
		var served *rawPeer
		if !listens {
			served = dialRaw(t, p.backend[0])
			served.send(t, signature())
			p.until(t, "a slot", func(s samples) bool { return s.of(t, "worker_connections", "state=slot") == 1 })
		}
		client := dialRaw(t, p.frontend[0])
		client.send(t, signature())
		if listens {
			served = rw.peer(t)
			served.send(t, signature())
		}
		served.expect(t, signature())
		client.expect(t, signature())
		client.send(t, greeting("CURVE", 0)[10:])
		act(t, served)
		client.awaitEnd(t)
		client.Close()
		served.awaitEnd(t)
		served.Close()
		p.expectEnds(t, i+1, reasons...)
	}
	if !listens {
		rw = nil
	}
	client, served := joinRaw(t, p, rw)
	client.send(t, message("still there?"))
	served.expect(t, message("still there?"))
	client.Close()
	served.awaitEnd(t)
	served.Close()
	p.expectBack(t, before, 16<<20)
	beside.expectUntouched(t, p)
}

// TestHostileWorkers has odd connections come to the backend: none of them becomes a slot, and each is closed in time.
func TestHostileWorkers(t *testing.T) {
	const crowd = 50
	for _, odd := range oddClients() {
		t.Run(odd.name, func(t *testing.T) {
			t.Parallel()
			p, beside := startBeside(t, "--backend", "tcp://127.0.0.1:0", "--handshake-timeout", "4s", "--slot-max-age", "1s")
			before := p.calm(t)
			for i := range crowd {
				c := dialRaw(t, p.backend[0])
				go func() { defer c.Close(); odd.act(t, c, i) }()
			}
			p.until(t, "all are gone", func(s samples) bool {
				return s.of(t, "worker_connections_ungreeted_total") == crowd
			})
			p.expectEnds(t, 0)
			p.expectBack(t, before, 16<<20)
			beside.expectUntouched(t, p)
		})
	}
}

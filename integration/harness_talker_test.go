package integration

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// talker is a peer in a process of its own that talks for as long as its one connection lives: see peers/py/talker.py.
type talker struct {
	*process
	endpoint string

	mu     sync.Mutex
	counts map[string]int // of its events
	silent bool           // its process has ended
}

// startTalker starts one on a host, nil for this machine.
func startTalker(t testing.TB, h *host, flags ...string) *talker {
	t.Helper()
	on := h.of(program{name: "talker", client: []string{"/usr/bin/python3", "peers/py/talker.py"}})
	k := &talker{process: startProcess(t, on, on.client, flags...), counts: map[string]int{}}
	k.endpoint = k.hear(t, "ready").Endpoint
	go k.listen()
	return k
}

// listen counts what it says. Nobody must leave that unread, or it would wait.
func (k *talker) listen() {
	for line := range k.lines {
		k.mu.Lock()
		k.counts[line.Event]++
		k.mu.Unlock()
	}
	k.mu.Lock()
	k.silent = true
	k.mu.Unlock()
}

func (k *talker) count(event string) (n int, silent bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.counts[event], k.silent
}

// expect waits until an event has come so many times more, and returns when it began to, which was before the first.
func (k *talker) expect(t testing.TB, event string, n int) (since time.Time) {
	t.Helper()
	before, _ := k.count(event)
	since = time.Now()
	k.expectInAll(t, event, before+n)
	return since
}

// expectInAll waits until an event has come so many times since the peer was started.
func (k *talker) expectInAll(t testing.TB, event string, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("a peer says %q, %d times in all", event, n), func() bool {
		got, silent := k.count(event)
		if got < n && silent {
			k.ended = true
			t.Fatalf("the peer has ended: %v\n%s", k.command.Wait(), k.stderr.String())
		}
		return got >= n
	})
}

// expectNever fails when an event has come.
func (k *talker) expectNever(t testing.TB, event string) {
	t.Helper()
	if n, _ := k.count(event); n > 0 {
		t.Errorf("a peer said %q, %d times", event, n)
	}
}

// reachable is an endpoint as it was bound, in the form that every peer can connect to.
func reachable(endpoint string) string {
	before, rest, mapped := strings.Cut(endpoint, "[::ffff:")
	if !mapped {
		return endpoint
	}
	return before + strings.Replace(rest, "]", "", 1)
}

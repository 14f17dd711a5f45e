//go:build peers

package integration

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// independent is all that a library that shares no code with libzmq is asked.
func independent(t *testing.T, p program) {
	t.Run("talk", func(t *testing.T) { interoperate(t, p) })
	for _, mechanism := range p.mechanisms {
		kinds, ways := [2]string{"DEALER", "ROUTER"}, append([]way{direct()}, otherWays()...)
		t.Run("client/"+mechanism, func(t *testing.T) { foreignClient(t, p, mechanism, kinds, ways) })
		t.Run("worker/"+mechanism, func(t *testing.T) { foreignWorker(t, p, mechanism, kinds, ways) })
	}
	for _, w := range relayWays() {
		t.Run("push/"+w.name, func(t *testing.T) { foreignPush(t, p, w) })
		t.Run("pull/"+w.name, func(t *testing.T) { foreignPull(t, p, w) })
		t.Run("subscribe/"+w.name, func(t *testing.T) { foreignSubscriber(t, p, w) })
		t.Run("publish/"+w.name, func(t *testing.T) { foreignPublisher(t, p, w) })
		for _, size := range []int{1, 16 << 20} {
			t.Run(fmt.Sprintf("size-%d/%s", size, w.name), func(t *testing.T) { foreignSize(t, p, w, size) })
		}
		t.Run("again/"+w.name, func(t *testing.T) { foreignAgain(t, p, w) })
	}
}

// relayWays are every way, by the agent, too, and on both relays.
func relayWays() []way { return append(everyWay(), otherWays()...) }

// otherWays are by the agent, and on the relay that is not the default.
func otherWays() []way {
	ways := []way{byAgent()}
	for _, w := range throughProxy() {
		open := w.open
		ways = append(ways, way{w.name + "-stream", func(t testing.TB, transport string, workers []worker, flags ...string) string {
			return open(t, transport, workers, append(flags, "--relay", "stream")...)
		}})
	}
	return ways
}

func blob(number, size int) string {
	block := sha256.Sum256([]byte(strconv.Itoa(number)))
	return strings.Repeat(string(block[:]), size/len(block)+1)[:size]
}

// foreignPush has the peer push to a libzmq worker.
func foreignPush(t *testing.T, p program, w way) {
	p.lacking(t)
	ctx, sec := newContext(t), newSecurity(t, "NULL")
	served := newWorker(t, ctx, zmq.PULL, sec)
	client := p.startClient(t, task{
		kind: "PUSH", to: "PULL", connect: w.open(t, "tcp", []worker{served}), identity: "client",
		requests: 50, atOnce: 10, size: 20_000, sec: sec,
	})
	for i := range 50 {
		want := []string{"client", strconv.Itoa(i)}
		if i%10 == 0 {
			want = append(want, "", blob(i, 20_000))
		}
		if got := served.recv(t); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("message %d is not what was pushed: %d frames for %d", i, len(got), len(want))
		}
	}
	client.finish(t)
}

// foreignPull has a libzmq client push to the peer.
func foreignPull(t *testing.T, p program, w way) {
	p.lacking(t)
	ctx, sec := newContext(t), newSecurity(t, "NULL")
	served := &processWorker{program: p, kind: "PULL", sec: sec, slots: 1}
	client := newClient(t, ctx, zmq.PUSH, sec, "")
	must(t, client.Connect(w.open(t, "tcp", []worker{served})))
	digest := sha256.New()
	for i := range 51 {
		m := []string{strconv.Itoa(i), "", blob(i, 5000)}
		if i == 50 {
			m = []string{"end"}
		}
		client.send(t, m...)
		for _, frame := range m {
			fmt.Fprintf(digest, "%d:%s", len(frame), frame)
		}
	}
	served.hear(t, "pulled")
	if got := served.finish(t); got.Messages != 51 || got.Digest != fmt.Sprintf("%x", digest.Sum(nil)) {
		t.Errorf("the worker pulled %d messages, want the 51 that were pushed", got.Messages)
	}
}

// foreignSubscriber has the peer subscribe to a libzmq worker.
func foreignSubscriber(t *testing.T, p program, w way) {
	p.lacking(t)
	ctx, sec := newContext(t), newSecurity(t, "NULL")
	served := newWorker(t, ctx, zmq.PUB, sec)
	client := p.startClient(t, task{
		kind: "SUB", to: "PUB", connect: w.open(t, "tcp", []worker{served}), identity: "client",
		requests: 20, atOnce: 1, size: 1000, sec: sec,
	})
	for i := 0; ; i++ {
		served.send(t, strconv.Itoa(i), blob(i, 1000))
		select {
		case line, ok := <-client.lines:
			if !ok || line.Received != 20 || line.Wrong != 0 {
				t.Errorf("%+v, want 20 received and none wrong\n%s", line, client.stderr.String())
			}
			return
		case <-time.After(5 * time.Millisecond):
		}
		if i > 6000 {
			t.Fatalf("nothing was received\n%s", client.stderr.String())
		}
	}
}

// foreignPublisher has the peer publish to a libzmq client.
func foreignPublisher(t *testing.T, p program, w way) {
	p.lacking(t)
	ctx, sec := newContext(t), newSecurity(t, "NULL")
	served := &processWorker{program: p, kind: "PUB", sec: sec, slots: 1}
	client := newClient(t, ctx, zmq.SUB, sec, "")
	must(t, client.SetSubscribe(""))
	must(t, client.Connect(w.open(t, "tcp", []worker{served})))
	last := -1
	for range 20 {
		got := client.recv(t)
		number, err := strconv.Atoi(got[0])
		must(t, err)
		if number <= last || len(got) != 2 || got[1] != blob(number, 1000) {
			t.Fatalf("after %d came %q with %d frames", last, got[0], len(got))
		}
		last = number
	}
	served.finish(t)
}

// foreignSize has the peer ask and answer with a frame of one size.
func foreignSize(t *testing.T, p program, w way, size int) {
	p.lacking(t)
	sec := newSecurity(t, "NULL")
	served := &processWorker{program: p, kind: "ROUTER", sec: sec, slots: 1}
	got := p.startClient(t, task{
		kind: "DEALER", to: "ROUTER", connect: w.open(t, "tcp", []worker{served}), identity: "client",
		requests: 3, atOnce: 1, size: size, sec: sec,
	}).end(t)
	if got.Received != 3 || got.Wrong != 0 {
		t.Errorf("%d replies, %d of them wrong; want 3 and none", got.Received, got.Wrong)
	}
	served.finish(t)
}

// foreignAgain has three libzmq clients come one after another to a peer that offers one slot: it connects again.
func foreignAgain(t *testing.T, p program, w way) {
	p.lacking(t)
	ctx, sec := newContext(t), newSecurity(t, "NULL")
	served := &processWorker{program: p, kind: "REP", sec: sec, slots: 1}
	endpoint := w.open(t, "tcp", []worker{served})
	for i := range 3 {
		client := newClient(t, ctx, zmq.REQ, sec, "")
		must(t, client.Connect(endpoint))
		client.send(t, strconv.Itoa(i))
		if got := client.recv(t); got[0] != strconv.Itoa(i) {
			t.Errorf("client %d got %q", i, got)
		}
		client.close()
	}
	if got := served.finish(t); got.Messages != 3 {
		t.Errorf("the worker served %d, want 3", got.Messages)
	}
}

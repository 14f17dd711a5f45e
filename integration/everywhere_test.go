package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
)

// has says how a proxy has a worker, in a few words, and who has said so.
func (f *together) has(proxy int, worker string) string {
	f.t.Helper()
	var page struct{ Workers []wire.WorkerInfo }
	say(f.t, f.control[proxy], &page, "WORKERS", "worker="+worker)
	w := page.Workers[0]
	return fmt.Sprint(w.State, " ", w.Weight)
}

// have waits until all proxies have a worker be so.
func (f *together) have(worker, want string) {
	f.t.Helper()
	begun := time.Now()
	for i := range f.proxies {
		eventually(f.t, fmt.Sprintf("proxy %d has %s be %s", i, worker, want), func() bool { return f.has(i, worker) == want })
	}
	f.t.Logf("%s is %s at all after %v", worker, want, time.Since(begun))
}

// everywhere has an operator say something at a proxy, and says whether the store was told.
func (f *together) everywhere(proxy int, verb string, args ...string) string {
	f.t.Helper()
	var is wire.Steered
	say(f.t, f.control[proxy], &is, verb, append(args, "everywhere")...)
	return is.Everywhere
}

// join starts one more proxy, and says where its control socket is.
func (f *together) join() (proxy int, at string) {
	f.t.Helper()
	at = "ipc://" + filepath.Join(shortDir(f.t), "c")
	args := []string{"--frontend", "tcp://127.0.0.1:0", "--control", at, "--shared", f.store.URL(), "--access-log=false"}
	for _, c := range f.workers.configs() {
		args = append(args, "--worker", c.Name+"="+c.Endpoint)
	}
	f.proxies = append(f.proxies, startProxy(f.t, args...))
	f.control = append(f.control, dialControl(f.t, at))
	return len(f.proxies) - 1, at
}

// upgrade has a proxy go on as another process, and waits until that answers at its control socket.
func (f *together) upgrade(proxy int, at string) {
	f.t.Helper()
	say(f.t, f.control[proxy], nil, "UPGRADE")
	eventually(f.t, "the successor answers", func() bool { // which does not know what the process before was asked at its end
		if !strings.Contains(f.proxies[proxy].said(), "handed over") {
			return false
		}
		ctx, cancel := context.WithTimeout(f.t.Context(), 2*time.Second)
		defer cancel()
		c, err := client.Dial(ctx, at, nil)
		if err != nil {
			return false
		}
		f.t.Cleanup(c.Close)
		f.control[proxy] = c
		_, err = c.Do(ctx, "STATUS")
		return err == nil
	})
}

// TestEverywhere has an operator steer workers at one of three proxies, everywhere: the others follow, and so does one that joins
// later, before it answers anybody. Clients of all of them go elsewhere. It says who has said it, and where.
func TestEverywhere(t *testing.T) {
	f := newTogether(t, 3, 3, "--affinity", "none")
	eventually(t, "the store has it at once", func() bool { return f.everywhere(0, "DRAIN", "w1") == wire.Told })
	f.have("w1", "draining 1")
	f.everywhere(1, "WEIGHT", "w0", "7")
	f.have("w0", "ready 7")
	late, _ := f.join()
	if is := f.has(late, "w1") + ", " + f.has(late, "w0"); is != "draining 1, ready 7" {
		t.Errorf("who joins later has them be %s", is)
	}
	for i := range f.proxies {
		for who := range 12 {
			s := f.connect(100*i+who, i)
			if is := ask(t, s); is == "w1" {
				t.Errorf("proxy %d sends somebody to w1, which drains", i)
			}
			s.close()
		}
	}
	all, err := f.control[0].Proxies(t.Context())
	must(t, err)
	var here string
	for _, p := range all {
		if p.Here {
			here = p.Proxy
		}
	}
	var page struct{ Workers []wire.WorkerInfo }
	say(t, f.control[late], &page, "WORKERS", "worker=w1")
	if words := page.Workers[0].Everywhere; len(words) != 1 || words[0].Proxy != here || words[0].What != "state" || words[0].Value != "draining" {
		t.Errorf("of w1 was said %+v, and it was said at %s", words, here)
	}
	s := f.connect(1, late)
	defer s.close()
	ask(t, s)
	say(t, f.control[late], nil, "HINT", "ann", "address="+address(2))
	ann := f.connect(2, late)
	defer ann.close()
	ask(t, ann)
	var e wire.Explanation
	say(t, f.control[late], &e, "EXPLAIN", "ann")
	for _, c := range e.Candidates {
		if c.Worker == "w1" && (c.Why != "draining" || len(c.Everywhere) != 1 || c.Everywhere[0].Proxy != here) {
			t.Errorf("it explains %+v", c)
		}
	}
	f.everywhere(late, "ENABLE", "w1")
	f.have("w1", "ready 1")
}

// TestEverywhereShown has the manual's line be said at one of two proxies, where a worker has three pairs: it says what is shown, and the
// other proxy follows.
func TestEverywhereShown(t *testing.T) {
	line, shown, _ := strings.Cut(strings.TrimPrefix(manualBlock(t, "docs/control.md", "TestEverywhereShown"), "$ streamq-proxy "), "\n")
	f := newTogether(t, 1, 2)
	here, at := f.join()
	for who := range 3 {
		say(t, f.control[here], nil, "HINT", fmt.Sprint("client-", who), "address="+address(who), "prefer=w1")
		s := f.connect(who, here)
		defer s.close()
		ask(t, s)
	}
	eventually(t, "it says what is shown", func() bool { // until then the store is not yet up
		drain := exec.Command(os.Getenv(binaryVariable), strings.Fields(line)...)
		drain.Env = append(drain.Environ(), "STREAMQ_CONTROL="+at)
		said, err := drain.CombinedOutput()
		t.Logf("%v, %s", err, said)
		return err == nil && string(said) == shown
	})
	f.have("w1", "draining 1")
}

// TestEverywhereWithoutStore has two operators steer at two proxies while the store is dead: each counts where it was said, at once, and
// when the store is back, empty, all agree on what was said last; an upgrade meanwhile forgets nothing.
func TestEverywhereWithoutStore(t *testing.T) {
	f := newTogether(t, 2, 3)
	third, at := f.join()
	f.becomes(third, "up")
	f.everywhere(third, "WEIGHT", "w2", "5")
	f.have("w2", "ready 5")
	f.store.Kill()
	for i := range f.proxies {
		f.becomes(i, "down")
	}
	for i, weight := range []string{"11", "12"} {
		if where := f.everywhere(i, "WEIGHT", "w0", weight); where != wire.Queued || f.has(i, "w0") != "ready "+weight {
			t.Errorf("%q: w0 is %s", where, f.has(i, "w0"))
		}
		time.Sleep(2 * time.Millisecond) // so that one is later
	}
	if where := f.everywhere(third, "DRAIN", "w1"); where != wire.Queued {
		t.Errorf("the store: %q", where)
	}
	f.upgrade(third, at)
	if is := f.has(third, "w1") + ", " + f.has(third, "w2"); is != "draining 1, ready 5" {
		t.Errorf("the successor has them be %s", is)
	}
	f.store.Start()
	f.have("w0", "ready 12")
	f.have("w1", "draining 1")
	f.have("w2", "ready 5")
	if late, _ := f.join(); f.has(late, "w2") != "ready 5" {
		t.Errorf("who joins later has w2 be %s", f.has(late, "w2"))
	}
}

// TestEverywhereAlone: a proxy that shares nothing refuses, and nothing has changed.
func TestEverywhereAlone(t *testing.T) {
	ctx, sec := newContext(t), newSecurity(t, "CURVE")
	ws := newNamed(t, ctx, sec, 1, 0)
	_, c := startControlled(t, ws)
	for _, said := range [][]string{{"DRAIN", "w0"}, {"MAINT", "w0"}, {"ENABLE", "w0"}, {"WEIGHT", "w0", "2"}, {"MAXCONN", "w0", "2"}, {"PIN", "ann", "w0"}, {"UNPIN", "ann"}} {
		if _, err := c.Do(t.Context(), said[0], append(said[1:], "everywhere")...); wire.CodeOf(err) != wire.Conflict {
			t.Errorf("%v: %v", said, err)
		}
	}
	f := together{t: t, control: []*client.Client{c}}
	if is := f.has(0, "w0"); is != "ready 1" {
		t.Errorf("it is %s", is)
	}
}

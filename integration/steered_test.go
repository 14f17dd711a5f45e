package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

// dialControl is a client of a proxy's control socket.
func dialControl(t testing.TB, endpoint string) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := client.Dial(ctx, endpoint, nil)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// listenFor collects the events of a topic.
func listenFor(t testing.TB, c *client.Client, topic string) <-chan wire.Event {
	t.Helper()
	got := make(chan wire.Event, 100)
	ready, done := make(chan struct{}), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		done <- c.Events(ctx, []string{topic}, func() { close(ready) }, func(e wire.Event) error { got <- e; return nil })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("events: %v", err)
		}
	})
	select {
	case <-ready:
	case <-time.After(patience):
		t.Fatal("no events can be had")
	}
	return got
}

// TestDrainUnderLoad drains a worker while its clients talk and others come and go: no pair is cut and no question left
// without an answer, nobody new comes to it, an event tells when it is empty, and ENABLE brings it back.
func TestDrainUnderLoad(t *testing.T) {
	for _, way := range []struct{ name, relay string }{{"listening", "stream"}, {"dialling", "auto"}, {"listening", "auto"}} {
		t.Run(way.name+"/"+way.relay, func(t *testing.T) {
			t.Parallel()
			const workers, clients = 3, 9
			ctx := newContext(t)
			sec := newSecurity(t, "CURVE")
			at := "ipc://" + filepath.Join(shortDir(t), "c")
			flags := []string{"--relay", way.relay, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0", "--control", at, "--access-log=false"}
			ws := newNamed(t, ctx, sec, workers, 8)
			ids := []string{"127.0.0.11", "127.0.0.12", "127.0.0.13"} // what those are called that dial in
			if way.name == "listening" {
				for i, c := range ws.configs() {
					ids[i] = c.Name
					flags = append(flags, "--worker", c.Name+"="+c.Endpoint)
				}
			}
			p := startOperated(t, flags...)
			if way.name == "dialling" {
				for _, w := range ws.sockets {
					w.dialIn(t, p.backend[0])
				}
			}
			ws.serve()
			c := dialControl(t, at)
			empty := listenFor(t, c, stream.TopicWorkerEmpty)
			all := &crowd{endpoint: p.frontend[0], ctx: ctx, sec: sec}
			all.join(t, clients)
			others := all.welcome(t)
			drainUnderLoad(t, p, c, all, others, ids[1], empty)
		})
	}
}

// drainUnderLoad drains the worker w1, which the proxy calls by id.
func drainUnderLoad(t *testing.T, p *operated, c *client.Client, all *crowd, others *visitors, id string, empty <-chan wire.Event) {
	its := all.of("w1")
	if len(its) != 3 {
		t.Fatalf("w1 has %d of the clients, want a third", len(its))
	}
	others.expectAt(t, "w1")
	reply, err := c.Do(t.Context(), "DRAIN", id)
	must(t, err)
	var left struct{ Pairs int }
	must(t, json.Unmarshal(reply.Body, &left))
	if reply.Code != wire.Accepted || left.Pairs < len(its) {
		t.Errorf("DRAIN: %d %s", reply.Code, reply.Body)
	}
	for range 3 {
		others.expectAway(t, "w1")
		all.expectAnswers(t, 20)
	}
	// Those who had just come when it began to drain have gone, and its clients are still there.
	eventually(t, "the pairs of w1 are its clients", func() bool {
		var page struct{ Pairs []struct{ State string } }
		say(t, c, &page, "PAIRS", "worker="+id)
		if len(page.Pairs) < len(its) {
			t.Fatalf("w1 has %d pairs left, and %d clients", len(page.Pairs), len(its))
		}
		return len(page.Pairs) == len(its)
	})
	for _, m := range its[1:] {
		m.leave()
	}
	others.expectAway(t, "w1")
	select {
	case e := <-empty:
		t.Errorf("one client is left, and an event says %+v", e)
	default:
	}
	its[0].leave()
	select {
	case e := <-empty:
		if e.Worker != id || e.State != "draining" {
			t.Errorf("the event says %+v", e)
		}
	case <-time.After(patience):
		t.Error("no event says that the worker is empty")
	}
	others.expectAway(t, "w1")
	say(t, c, nil, "ENABLE", id)
	others.expectAt(t, "w1")
	others.stop()
	all.expectAll(t)
	for reason, n := range p.scrape(t).ends() {
		if reason != "client-closed" {
			t.Errorf("%d clients ended with %s", n, reason)
		}
	}
}

// configFile is a file that a running proxy reads again.
type configFile struct {
	path, head string
	p          *operated
	c          *client.Client
}

// write puts these workers into the file, each as YAML has it in braces.
func (f *configFile) write(t testing.TB, workers ...string) {
	t.Helper()
	text := f.head
	for _, w := range workers {
		text += "      - {" + w + "}\n"
	}
	must(t, os.WriteFile(f.path, []byte(text), 0o600))
}

// hup sends SIGHUP and waits until the log has one line more that says so much.
func (f *configFile) hup(t testing.TB, says string) {
	t.Helper()
	count := func() int { return strings.Count(f.p.said(), says) }
	before := count()
	must(t, f.p.command.Process.Signal(syscall.SIGHUP))
	eventually(t, "the log says "+says, func() bool { return count() > before })
}

// workers are the workers that take clients and their weights, by the control socket.
func (f *configFile) workers(t *testing.T) map[string]int {
	t.Helper()
	var page struct {
		Workers []struct {
			Worker  string
			Weight  int
			Removed bool
		}
	}
	say(t, f.c, &page, "WORKERS")
	all := map[string]int{}
	for _, w := range page.Workers {
		if !w.Removed {
			all[w.Worker] = w.Weight
		}
	}
	return all
}

// expect compares the workers with these.
func (f *configFile) expect(t *testing.T, want map[string]int) {
	t.Helper()
	if got := f.workers(t); !maps.Equal(got, want) {
		t.Errorf("the workers are %v, want %v", got, want)
	}
}

// expectTold waits until the metrics tell of so many reloads that were good and bad, and of how the last one went.
func (f *configFile) expectTold(t *testing.T, good, bad, last int) {
	t.Helper()
	f.p.until(t, fmt.Sprintf("the metrics tell of %d good reloads and %d bad ones, the last %d", good, bad, last), func(s samples) bool {
		return s[`streamq_config_reloads_total{result="success"}`] == float64(good) &&
			s[`streamq_config_reloads_total{result="failure"}`] == float64(bad) &&
			s["streamq_config_last_reload_successful"] == float64(last)
	})
}

// TestReloadUnderLoad rewrites the configuration while clients talk and others come and go: by SIGHUP and by RELOAD
// workers are added, reweighted and removed, and a bad file changes nothing and is told why. No pair is cut, and no
// question is left without an answer, by the workers that were in the file or by the one that has dialled in.
func TestReloadUnderLoad(t *testing.T) {
	for _, relay := range []string{"auto", "stream"} {
		t.Run(relay, func(t *testing.T) {
			t.Parallel()
			ctx := newContext(t)
			sec := newSecurity(t, "CURVE")
			ws := newNamed(t, ctx, sec, 5, 8)
			dir := shortDir(t)
			at := "ipc://" + filepath.Join(dir, "c")
			f := &configFile{path: filepath.Join(dir, "f.yaml"), head: "log: {access: false}\ncontrol: {endpoints: ['" + at + "']}\npools:\n" +
				"  - frontend: ['tcp://127.0.0.1:0']\n    backend: ['tcp://127.0.0.1:0']\n    relay: " + relay + "\n    policy: round-robin\n    workers:\n"}
			w := make([]string, len(ws.sockets)-1) // the last dials in
			for i := range w {
				w[i] = fmt.Sprintf("name: w%d, endpoint: '%s'", i, ws.sockets[i].listen(t, "tcp://127.0.0.1:*"))
			}
			f.write(t, w[0], w[1])
			f.p = startOperated(t, "--config", f.path)
			ws.sockets[4].dialIn(t, f.p.backend[0])
			ws.serve()
			f.c = dialControl(t, at)
			f.p.until(t, "the worker has dialled in", func(s samples) bool { return s.of(t, "worker_connections", "state=slot") == 8 })
			all := &crowd{endpoint: f.p.frontend[0], ctx: ctx, sec: sec}
			all.join(t, 9)
			for _, name := range []string{"w0", "w1", "w4"} {
				if n := len(all.of(name)); n != 3 {
					t.Fatalf("%s has %d of the clients, want a third", name, n)
				}
			}
			reloadUnderLoad(t, f, w, all)
		})
	}
}

func reloadUnderLoad(t *testing.T, f *configFile, w []string, all *crowd) {
	const dialledIn = "127.0.0.15"
	others := all.welcome(t)
	talk := func(want map[string]int) {
		t.Helper()
		want[dialledIn] = 1
		f.expect(t, want)
		all.expectAnswers(t, 20)
	}
	talk(map[string]int{"w0": 1, "w1": 1})

	f.write(t, w[0], w[1], w[2])
	say(t, f.c, nil, "RELOAD")
	others.expectAt(t, "w2")
	talk(map[string]int{"w0": 1, "w1": 1, "w2": 1})

	f.write(t, w[0]+", weight: 7", w[1]+", weight: 2", w[2])
	f.hup(t, `"msg":"reloaded"`)
	talk(map[string]int{"w0": 7, "w1": 2, "w2": 1})

	// A bad file would also have removed two and set a weight.
	f.write(t, w[0]+", weight: 9", w[3]+", weight: heavy")
	reply, err := f.c.Do(t.Context(), "RELOAD")
	if reply.Code != wire.Conflict || !strings.Contains(reply.Text, "nothing has changed: ") || !strings.Contains(reply.Text, `f.yaml:10:`) ||
		!strings.Contains(reply.Text, `weight: "heavy" is no whole number`) {
		t.Errorf("RELOAD of a bad file: %d %s, %v", reply.Code, reply.Text, err)
	}
	talk(map[string]int{"w0": 7, "w1": 2, "w2": 1})
	f.hup(t, `"msg":"not reloaded, nothing has changed"`)
	talk(map[string]int{"w0": 7, "w1": 2, "w2": 1})
	f.expectTold(t, 2, 2, 0)

	// Those who are removed keep the clients that they have.
	f.write(t, w[1], w[2], w[3])
	say(t, f.c, nil, "RELOAD")
	others.expectAway(t, "w0")
	others.expectAt(t, "w3")
	talk(map[string]int{"w1": 1, "w2": 1, "w3": 1})
	f.write(t, w[3], w[0])
	f.hup(t, `"msg":"reloaded"`)
	others.expectAway(t, "w1")
	others.expectAt(t, "w0")
	talk(map[string]int{"w0": 1, "w3": 1})

	// Changing all the time, as fast as it goes.
	for i := range 20 {
		f.write(t, w[i%4], fmt.Sprintf("%s, weight: %d", w[(i+1)%4], 1+i))
		say(t, f.c, nil, "RELOAD")
	}
	talk(map[string]int{"w3": 1, "w0": 20})
	f.expectTold(t, 2+2+20, 2, 1)
	others.stop()
	all.expectAll(t)
	for reason, n := range f.p.scrape(t).ends() {
		if reason != "client-closed" {
			t.Errorf("%d clients ended with %s", n, reason)
		}
	}
}

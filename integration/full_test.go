package integration

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestHostileFull has a crowd come to a frontend that takes four clients: who is beyond ends with queue-full,
// and who leaves makes room.
func TestHostileFull(t *testing.T) {
	t.Parallel()
	const most, crowd = 4, 60
	p, beside := startBeside(t, "--backend", "tcp://127.0.0.1:0", "--max-clients", fmt.Sprint(most))
	before := p.calm(t)
	var in []*rawPeer
	for i := range most - 1 {
		in = append(in, dialRaw(t, p.frontend[0]))
		p.until(t, "one more is in", func(s samples) bool { return s.of(t, "clients", "state=connected") == i+1 })
	}
	var refused []*rawPeer
	for i := range crowd {
		c := dialRaw(t, p.frontend[0])
		if i%2 == 0 {
			_, _ = c.Write(signature()) // it may have been refused already
		}
		refused = append(refused, c)
	}
	p.expectEnds(t, crowd, "queue-full")
	for _, c := range refused { // which have been held, so that they do not come back at once
		c.awaitEnd(t)
		c.Close()
	}
	in[0].Close()
	p.until(t, "one has left", func(s samples) bool { return s.ends()["probe"] == 1 })
	client, served := joinRaw(t, p, nil)
	client.send(t, message("room at last"))
	served.expect(t, message("room at last"))
	for _, c := range append(in, client, served) {
		c.Close()
	}
	p.expectBack(t, before, 16<<20)
	beside.expectUntouched(t, p)
}

// TestHostileDescriptors has four hundred connections come, and stay, to a proxy that may have three hundred descriptors.
// It refuses some (queue-full) before accept can fail, for libzmq would try that accept again and again for ever; the
// pair beside goes on, the processor rests, and when the crowd has left others are served.
func TestHostileDescriptors(t *testing.T) {
	const descriptors, crowd = 300, 400
	withoutRace(t)
	limited(t, descriptors)
	p, beside := startBeside(t, "--backend", "tcp://127.0.0.1:0", "--handshake-timeout", "0")
	pid := p.command.Process.Pid
	before := p.calm(t)
	conns := make([]*rawPeer, crowd)
	var wg sync.WaitGroup
	for at := range 8 {
		wg.Go(func() {
			for i := at; i < crowd; i += 8 {
				conns[i] = dialRaw(t, p.frontend[0])
			}
		})
	}
	wg.Wait()
	s := p.until(t, "every one is in or refused", func(s samples) bool {
		return s.of(t, "clients", "state=connected")+s.ends()["queue-full"]+s.process(t, "accepts_refused_total") == crowd
	})
	if s.ends()["queue-full"] == 0 || s.of(t, "clients", "state=connected") == 0 {
		t.Errorf("%d are in and %d refused: want some of both", s.of(t, "clients", "state=connected"), s.ends()["queue-full"])
	}
	if f := figuresOf(t, p, s); f.descriptors >= descriptors {
		t.Errorf("%d descriptors are open of %d", f.descriptors, descriptors)
	}
	beside.expectAnswers(t, 50)
	p.expectRest(t, beside, pid)

	refused, unheard := s.ends()["queue-full"], s.process(t, "accepts_refused_total")
	for _, c := range conns {
		c.Close()
	}
	p.until(t, "all have left", func(s samples) bool {
		e := s.ends()
		return e["probe"] == crowd-refused-unheard && e["queue-full"] == refused
	})
	p.expectBack(t, before, 16<<20)
	client, served := joinRaw(t, p, nil)
	client.send(t, message("room again"))
	served.expect(t, message("room again"))
	beside.expectUntouched(t, p)
}

// expectRest fails when the proxy is busy while nobody asks it for anything.
func (p *operated) expectRest(t testing.TB, beside *steady, pid int) {
	t.Helper()
	beside.paused.Store(true)
	defer beside.paused.Store(false)
	const most = 250 * time.Millisecond
	used := time.Duration(math.MaxInt64) // the least of a few looks: what has been begun before may go on for a moment
	for try := 0; try < 5 && used > most; try++ {
		start := processorTime(t, pid)
		time.Sleep(time.Second) // not for luck: what is used in this time is what is looked at
		used = processorTime(t, pid) - start
	}
	if t.Logf("%v of processor time in a second of rest", used); used > most {
		t.Error("that is no rest")
	}
}

// limited has the test run a proxy that may open so many descriptors. The test must not be parallel.
func limited(t *testing.T, descriptors int) {
	t.Helper()
	script := fmt.Sprintf("#!/bin/sh\nulimit -n %d && exec '%s' \"$@\"\n", descriptors, os.Getenv(binaryVariable))
	path := filepath.Join(t.TempDir(), "streamq-proxy")
	must(t, os.WriteFile(path, []byte(script), 0o700))
	t.Setenv(binaryVariable, path)
}

package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// soakVariable is how many clients come and go in each TestSoak; unset, enough of them to see a leak of a kilobyte each.
const soakVariable = "STREAMQ_SOAK"

func soakCycles(t testing.TB) int {
	t.Helper()
	s := os.Getenv(soakVariable)
	if s == "" {
		return 8000
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1000 {
		t.Fatalf("%s=%q: want a number from 1000 up", soakVariable, s)
	}
	return n
}

// TestSoak has tens of thousands of NULL clients connect, shake hands with a libzmq worker, have a message answered and
// go, some by a reset: what the proxy uses when half of them have been is what it uses when all have.
func TestSoak(t *testing.T) {
	withoutRace(t)
	for _, relay := range []string{"auto", "stream"} {
		t.Run(relay+"/listening", func(t *testing.T) { soak(t, relay, true) })
		t.Run(relay+"/dialling", func(t *testing.T) { soak(t, relay, false) })
	}
}

func soak(t *testing.T, relay string, listens bool) {
	const atOnce = 16
	cycles := soakCycles(t)
	sec := newSecurity(t, "NULL")
	w := newWorker(t, newContext(t), zmq.ROUTER, sec)
	w.slots = 2 * atOnce
	must(t, w.SetReconnectIvl(time.Millisecond))
	flags := []string{"--relay", relay, "--access-log=false"}
	if listens {
		flags = append(flags, "--worker", "soak="+w.listen(t, "tcp://127.0.0.1:*"))
	} else {
		flags = append(flags, "--backend", "tcp://127.0.0.1:0")
	}
	p, beside := startBeside(t, flags...)
	slots := 0
	if !listens {
		w.dialIn(t, p.backend[0])
		slots = w.slots
	}
	w.serve(t, echo)

	start := time.Now()
	comeAndGo(t, p.frontend[0], cycles*3/4, atOnce) // what is resident grows by the logarithm of how many have come
	p.settled(t, cycles*3/4, slots)
	warm := p.calm(t)
	comeAndGo(t, p.frontend[0], cycles-cycles*3/4, atOnce)
	s := p.settled(t, cycles, slots)
	took := time.Since(start)
	if made := s.of(t, "worker_pairs_made_total", "worker=steady"); s.of(t, "pairs_made_total") != cycles+made {
		t.Errorf("%d pairs were made for %d clients and %d beside", s.of(t, "pairs_made_total"), cycles, made)
	}
	p.expectBack(t, warm, 4<<20)
	t.Logf("%d clients came and went in %v: %.0f a second", cycles, took.Round(time.Millisecond),
		float64(cycles)/took.Seconds())
	beside.expectUntouched(t, p)
}

// settled waits until so many clients have ended, in order, all of their pairs with them, and the worker's slots are back.
func (p *operated) settled(t testing.TB, n, slots int) samples {
	t.Helper()
	p.expectEnds(t, n, "client-closed", "client-reset")
	return p.until(t, "only the pair beside is left", func(s samples) bool {
		return s.of(t, "connections") == 2+slots && s.of(t, "worker_connections", "state=slot") == slots && s.of(t, "pairs", "state=open") == 1
	})
}

// comeAndGo has so many clients visit, a few at a time.
func comeAndGo(t testing.TB, endpoint string, n, atOnce int) {
	t.Helper()
	var wg sync.WaitGroup
	turns := make(chan int)
	for range atOnce {
		wg.Go(func() {
			for i := range turns {
				if err := visit(endpoint, i); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			}
		})
	}
	for i := range n {
		if turns <- i; t.Failed() {
			break
		}
	}
	close(turns)
	if wg.Wait(); t.Failed() {
		t.FailNow()
	}
}

// visit is the stay of one NULL client: handshake, one message and its echo, and the end.
func visit(endpoint string, number int) error {
	c, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "tcp://"))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := c.Write(append(greeting("NULL", 0), ready("DEALER")...)); err != nil {
		return err
	}
	head := make([]byte, 64+2) // the greeting, and flags and length of READY
	if _, err := io.ReadFull(c, head); err != nil {
		return fmt.Errorf("the worker's greeting: %w", err)
	}
	if head[64] != 4 {
		return fmt.Errorf("the worker says %x after its greeting, want a short command", head[64:])
	}
	hello := message(fmt.Sprintf("this is %d", number))
	if _, err := c.Write(hello); err != nil { // not before: libzmq closes on a message that comes with the greeting
		return err
	}
	rest := make([]byte, int(head[65])+len(hello))
	if _, err := io.ReadFull(c, rest); err != nil {
		return fmt.Errorf("the worker's READY and reply: %w", err)
	}
	if !bytes.HasSuffix(rest, hello) {
		return errors.New("the reply is another client's")
	}
	if number%4 == 0 {
		(&rawPeer{c}).reset()
	}
	return nil
}

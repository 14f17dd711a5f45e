package integration

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// offendersVariable is how long each offender goes on, at ten a second: 60s for the full size.
const offendersVariable = "STREAMQ_OFFENDERS"

func offendersFor(t testing.TB) time.Duration {
	text := os.Getenv(offendersVariable)
	if text == "" {
		return time.Second
	}
	d, err := time.ParseDuration(text)
	must(t, err)
	return d
}

// offender is a client that would cost a worker which dials in by itself a slot for good.
type offender struct {
	name string
	// seen says that the proxy can see what is wrong, and so refuses it before the worker has it.
	seen bool
	// once has one offend, and returns how it leaves.
	once func(t testing.TB, ctx *zmq.Context, frontend string, good security) (leave func())
}

// rawOffender writes these bytes, each when something has come for the one before.
func rawOffender(parts ...[]byte) func(testing.TB, *zmq.Context, string, security) func() {
	return func(_ testing.TB, _ *zmq.Context, frontend string, _ security) func() {
		c, err := net.Dial("tcp", strings.TrimPrefix(frontend, "tcp://"))
		if err != nil { // the proxy has gone: the test will say so
			return func() {}
		}
		go func() {
			answer := make([]byte, 1024)
			for _, part := range parts {
				if _, err = c.Write(part); err == nil {
					_, err = c.Read(answer)
				}
			}
		}()
		return func() { c.Close() }
	}
}

// socketOffender is a libzmq socket of a kind.
func socketOffender(kind zmq.Type, secure func(t testing.TB, s *socket, good security)) func(testing.TB, *zmq.Context, string, security) func() {
	return func(t testing.TB, ctx *zmq.Context, frontend string, good security) func() {
		s := newSocket(t, ctx, kind)
		secure(t, s, good)
		must(t, s.Connect(frontend))
		if kind == zmq.REQ {
			_, _ = s.SendBytes(make([]byte, 100_000), zmq.DONTWAIT) // above MAXMSGSIZE
		}
		return s.close
	}
}

func offenders(t *testing.T) []offender {
	wrong := newSecurity(t, "CURVE")
	authenticated := func(t testing.TB, s *socket, good security) { good.asClient(t, s.Socket) }
	return []offender{
		{"wrong key", false, socketOffender(zmq.DEALER, func(t testing.TB, s *socket, _ security) { wrong.asClient(t, s.Socket) })},
		{"PULL", false, socketOffender(zmq.PULL, authenticated)},
		{"too long", false, socketOffender(zmq.REQ, authenticated)},
		{"bad READY", true, rawOffender(signature(), greeting("CURVE", 0)[10:], command("READY", []byte{200, 'x'}))},
		{"impossible frame", true, rawOffender(signature(), greeting("CURVE", 0)[10:], []byte{6, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 1})},
		{"NULL", true, socketOffender(zmq.DEALER, func(testing.TB, *socket, security) {})},
		{"ZMTP 1.0", true, rawOffender([]byte{1, 0}, []byte{6, 0, 'h', 'e', 'l', 'l', 'o'})},
		{"ZMTP 2.0", true, rawOffender(signature(), []byte{1, 5, 0, 0})},
	}
}

// TestOffenders: by an agent each offender, ten a second, leaves a ROUTER its six slots and a REP its one, and a good client
// beside it is served every time. By themselves they keep their slots where the proxy can see what is wrong; else the
// client is named.
func TestOffenders(t *testing.T) {
	for _, bad := range offenders(t) {
		for kind, slots := range map[zmq.Type]int{zmq.ROUTER: 6, zmq.REP: 1} {
			t.Run(fmt.Sprintf("%s/%v/agent", bad.name, kind), func(t *testing.T) {
				t.Parallel()
				ctx, sec := newContext(t), newSecurity(t, "CURVE")
				served := newWorker(t, ctx, kind, sec)
				must(t, served.SetMaxmsgsize(10_000))
				p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0", "--slot-lost-after", "1s")
				a := startAgent(t, p.backend[0], served.listen(t, "tcp://127.0.0.1:0"), slots)
				served.serve(t, echo)
				n := offend(t, ctx, bad, p.frontend[0], sec, true)
				a.expectSlots(t, slots)
				if strings.Contains(p.said(), "cost a worker slots") {
					t.Error("slots are said to be lost")
				}
				t.Logf("%d -> %d slots, %d good clients served of %d", slots, slots, n, n)
			})
			t.Run(fmt.Sprintf("%s/%v/itself", bad.name, kind), func(t *testing.T) {
				t.Parallel()
				ctx, sec := newContext(t), newSecurity(t, "CURVE")
				served := newWorker(t, ctx, kind, sec)
				must(t, served.SetMaxmsgsize(10_000))
				served.slots = slots
				p := startOperated(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0", "--mechanisms", "CURVE", "--slot-lost-after", "1s")
				served.dialIn(t, p.backend[0])
				served.serve(t, echo)
				offend(t, ctx, bad, p.frontend[0], sec, false)
				if bad.seen {
					eventually(t, "all slots are there", func() bool { return p.slots(t) == slots && p.scrape(t).of(t, "slots_lost_total") == 0 })
					t.Logf("%d -> %d slots", slots, slots)
					return
				}
				begun := time.Now()
				named := func() bool {
					return strings.Contains(p.said(), "a client cost a worker slots for good") && strings.Contains(p.said(), `"address":"127.0.0.1"`)
				}
				if kind == zmq.REP && bad.name == "too long" { // its pair had opened, and nothing of the worker is left
					return
				}
				eventually(t, "the client is named", named)
				t.Logf("%v slots lost, named %v after the last", p.scrape(t).of(t, "slots_lost_total"), time.Since(begun))
			})
		}
	}
}

// slots is how many wait at the proxy.
func (o *operated) slots(t testing.TB) (n int) {
	t.Helper()
	for name, there := range o.scrape(t) {
		if strings.HasPrefix(name, "streamq_slots{") {
			n += int(there)
		}
	}
	return n
}

// offend has an offender go on for as long as is wanted and, if they are to be served, good clients beside it, of which it says
// how many were.
func offend(t testing.TB, ctx *zmq.Context, bad offender, frontend string, good security, serve bool) (served int) {
	t.Helper()
	long := offendersFor(t)
	var leave []func()
	for begun, next := time.Now(), time.Now(); time.Since(begun) < long; {
		if time.Now().After(next) {
			leave = append(leave, bad.once(t, ctx, frontend, good))
			next = next.Add(100 * time.Millisecond)
		}
		if len(leave) > 5 { // each stays for half a second
			leave[0]()
			leave = leave[1:]
		}
		if !serve {
			time.Sleep(time.Until(next)) // it is the rate
			continue
		}
		c := newClient(t, ctx, zmq.REQ, good, "")
		must(t, c.Connect(frontend))
		c.send(t, "hello")
		c.recv(t)
		c.close()
		served++
		time.Sleep(20 * time.Millisecond) // they are good clients, and no load
	}
	for _, l := range leave {
		l()
	}
	return served
}

package integration

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// TestR9GreetingThenBothWays follows the bytes of a pair from the first on: the client gets the worker's stored greeting,
// the worker the client's, then everything goes both ways as it comes, and the end of one side is the end of the other.
func TestR9GreetingThenBothWays(t *testing.T) {
	for _, w := range throughProxy() {
		for _, clientEnds := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/client ends %v", w.name, clientEnds), func(t *testing.T) {
				client, served := openRaw(t, w)
				for i := range 20 {
					there, back := message(fmt.Sprintf("there %d", i)), message(fmt.Sprintf("back %d", i))
					client.send(t, there)
					served.expect(t, there)
					served.send(t, back)
					client.expect(t, back)
				}
				first, other := client, served
				if !clientEnds {
					first, other = served, client
				}
				first.send(t, message("the last word"))
				first.Close()
				other.expect(t, message("the last word"))
				other.expectEnd(t)
			})
		}
	}
}

// message is a ZMTP frame of a message of one short part.
func message(body string) []byte { return append([]byte{0, byte(len(body))}, body...) }

// TestR10ForwardsUnchanged sends random bytes in pieces of every size both ways at the same time, by the relay of the two STREAM
// sockets and by the default one, through an open pair that is parsed no more: they arrive unchanged, in order, all of them, and none of another's.
func TestR10ForwardsUnchanged(t *testing.T) {
	const volume = 8 << 20
	for _, w := range throughProxy() {
		for _, relay := range []string{"stream", "auto"} {
			t.Run(w.name+"/"+relay, func(t *testing.T) { bothWays(t, w, relay, volume) })
		}
	}
}

// bothWays has each side of a raw pair send so many bytes while it receives the other's.
func bothWays(t *testing.T, w way, relay string, volume int) {
	// The stream relay ends a pair whose reader is behind by more than its buffer, as one on a busy machine may be.
	client, served := openRaw(t, w, "--relay", relay, "--pair-buffer", strconv.Itoa(2*volume))
	sent, received := make(chan [32]byte, 2), make(chan [32]byte, 2)
	for i, p := range []*rawPeer{client, served} {
		must(t, p.SetDeadline(time.Now().Add(2*patience)))
		go func() { sent <- writeRandom(t, p, uint64(i), volume) }()
		go func() {
			h := sha256.New()
			if n, err := io.CopyN(h, p, int64(volume)); err != nil {
				t.Errorf("%d of %d bytes arrived: %v", n, volume, err)
			}
			received <- [32]byte(h.Sum(nil))
		}()
	}
	a, b, c, d := <-sent, <-sent, <-received, <-received
	if a != c && a != d || b != c && b != d || c == d {
		t.Error("what arrived is not what was sent")
	}
}

// writeRandom writes so many bytes in pieces of 1 to 100,000 and returns their hash.
func writeRandom(t *testing.T, to io.Writer, seed uint64, volume int) [32]byte {
	random := rand.New(rand.NewPCG(seed, 1))
	source := rand.NewChaCha8([32]byte{byte(seed)})
	h := sha256.New()
	for volume > 0 {
		size := 1 + random.IntN(100)
		if random.IntN(4) == 0 {
			size = 1 + random.IntN(100_000)
		}
		piece := make([]byte, min(size, volume))
		_, _ = source.Read(piece) // never fails
		h.Write(piece)
		if _, err := to.Write(piece); err != nil {
			t.Errorf("write: %v", err)
			break
		}
		volume -= len(piece)
	}
	return [32]byte(h.Sum(nil))
}

// TestR11Partner has many open pairs speak in random order: every byte finds its own partner. That finding it costs the
// same with ten pairs as with a million is shown by the benchmarks of package pairing.
func TestR11Partner(t *testing.T) {
	const pairs = 300
	p := openPool(t, func(*stream.Config) {})
	clients, served := make([]*rawPeer, pairs), make([]*rawPeer, pairs)
	for i := range pairs {
		served[i] = dialRaw(t, p.backend)
		served[i].send(t, signature())
		eventually(t, "the worker is a slot", func() bool { return p.counts(t).slots == 1 })
		clients[i] = dialRaw(t, p.frontend)
		clients[i].send(t, signature())
		clients[i].expect(t, signature())
		served[i].expect(t, signature())
		shakeHands(t, clients[i], served[i])
	}
	for range 3 {
		for _, i := range rand.Perm(pairs) {
			clients[i].send(t, message(fmt.Sprintf("there %d", i)))
			served[i].send(t, message(fmt.Sprintf("back %d", i)))
		}
		for i := range pairs {
			served[i].expect(t, message(fmt.Sprintf("there %d", i)))
			clients[i].expect(t, message(fmt.Sprintf("back %d", i)))
		}
	}
}

// TestR13AnyMechanism takes mechanisms that the proxy has never heard of, and GSSAPI for which no ticket server is here,
// through greeting and handshake unchanged; NULL, PLAIN and CURVE do real work in TestS2EveryCombination.
func TestR13AnyMechanism(t *testing.T) {
	t.Parallel()
	for _, w := range throughProxy() {
		for _, mechanism := range []string{"GSSAPI", "BLAKE3-NOISE", "X"} {
			t.Run(w.name+"/"+mechanism, func(t *testing.T) {
				rw := &rawWorker{}
				endpoint := w.open(t, "tcp", []worker{rw})
				if rw.dialled != nil {
					rw.dialled.send(t, signature())
				}
				client := dialRaw(t, endpoint)
				client.send(t, signature())
				served := rw.peer(t)
				if rw.dialled == nil {
					served.send(t, signature())
				}
				client.expect(t, signature())
				served.expect(t, signature())

				ask, answer := greeting(mechanism, 0)[10:], greeting(mechanism, 1)[10:]
				client.send(t, ask)
				served.expect(t, ask)
				served.send(t, answer)
				client.expect(t, answer)
				there, back := "TOKEN", "COUNTER" // words that are nobody's
				if mechanism == "GSSAPI" {
					there, back = "INITIATE", "INITIATE"
				}
				for i := range 5 { // a handshake of five round trips
					token := bytes.Repeat([]byte{byte(i)}, 100*i)
					if mechanism == "GSSAPI" {
						token = append(binary.BigEndian.AppendUint32(nil, uint32(len(token))), token...)
					}
					client.send(t, command(there, token))
					served.expect(t, command(there, token))
					served.send(t, command(back, token))
					client.expect(t, command(back, token))
				}
				client.send(t, ready("DEALER"))
				served.send(t, ready("ROUTER"))
				served.expect(t, ready("DEALER"))
				client.expect(t, ready("ROUTER"))
				client.send(t, message("hello"))
				served.expect(t, message("hello"))
			})
		}
	}
}

// TestR13RefusedAsDirect has a client with a wrong password and one with a wrong key: the worker refuses them through
// the proxy as it does directly, and serves the one that is right.
func TestR13RefusedAsDirect(t *testing.T) {
	for _, w := range everyWay() {
		for _, mechanism := range []string{"PLAIN", "CURVE"} {
			t.Run(w.name+"/"+mechanism, func(t *testing.T) {
				ctx := newContext(t)
				sec := newSecurity(t, mechanism)
				served := newWorker(t, ctx, zmq.ROUTER, sec)
				served.slots = 4
				endpoint := w.open(t, "tcp", []worker{served})
				bad := newClient(t, ctx, zmq.DEALER, newSecurity(t, mechanism), "bad") // a key of another worker
				if mechanism == "PLAIN" {
					must(t, bad.SetPlainPassword("guessed"))
				}
				must(t, bad.Connect(endpoint))
				bad.send(t, "let me in")
				must(t, served.SetRcvtimeo(300*time.Millisecond))
				if m, err := served.RecvMessage(0); err == nil {
					t.Fatalf("the worker's application got %q", m)
				}
				must(t, served.SetRcvtimeo(patience))
				good := newClient(t, ctx, zmq.DEALER, sec, "good")
				must(t, good.Connect(endpoint))
				good.send(t, "let me in")
				if m := served.recv(t); !slices.Equal(m, []string{"good", "let me in"}) {
					t.Errorf("the worker's application got %q", m)
				}
			})
		}
	}
}

// TestR14ClientLeaves has clients leave in every way they can: the worker's connection ends too, the table forgets both,
// and the worker serves the next client.
func TestR14ClientLeaves(t *testing.T) {
	for _, reset := range []bool{false, true} {
		t.Run(fmt.Sprintf("reset %v", reset), func(t *testing.T) {
			p := openPool(t, func(*stream.Config) {})
			for range 3 {
				served := dialRaw(t, p.backend)
				served.send(t, signature())
				client := dialRaw(t, p.frontend)
				client.send(t, signature())
				client.expect(t, signature())
				served.expect(t, signature())
				shakeHands(t, client, served)
				eventually(t, "the pair is open", func() bool { return p.counts(t).open == 1 })
				if reset {
					must(t, client.tcp().SetLinger(0))
				}
				client.Close()
				served.expectEnd(t)
				served.Close() // as every peer does when it has heard the end
				eventually(t, "both are forgotten", func() bool { return p.counts(t) == counts{} })
			}
			for _, a := range p.accesses() {
				if want := map[bool]string{false: "client-closed", true: "client-reset"}[reset]; a.Reason.String() != want {
					t.Errorf("the reason is %s, want %s", a.Reason, want)
				}
			}
		})
	}
}

// TestR14WorkerDies kills a worker's process: its clients connect again by themselves and are at another worker, the
// table counts nobody twice, and the dead worker gets nobody until it is back.
func TestR14WorkerDies(t *testing.T) {
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	ws := newNamed(t, ctx, sec, 1, 1)
	doomed := &processWorker{program: python(), kind: "REP", sec: sec}
	doomedAt := doomed.listen(t, "tcp://127.0.0.1:*")
	p := openPool(t, func(c *stream.Config) {
		c.Workers = ws.configs()
		c.Workers = append(c.Workers, c.Workers[0])
		c.Workers[1].Name, c.Workers[1].Endpoint = "doomed", doomedAt
	})
	ws.serve()
	var clients []*socket
	at := map[string]int{}
	for range 6 {
		c := newClient(t, ctx, zmq.REQ, sec, "")
		must(t, c.SetReqRelaxed(1)) // a request may be repeated when its reply will not come
		must(t, c.SetReqCorrelate(1))
		must(t, c.Connect(p.frontend))
		at[ask(t, c)]++
		clients = append(clients, c)
	}
	if at["w0"] != 3 || at["who?"] != 3 { // the Python worker returns the question
		t.Fatalf("six clients are at %v", at)
	}
	must(t, doomed.command.Process.Kill())
	eventually(t, "every client is at the worker that is left", func() bool {
		return p.counts(t).open == 6 && p.worker(t, "w0").Pairs == 6
	})
	for i, c := range clients {
		if got := ask(t, c); got != "w0" {
			t.Errorf("client %d is at %s", i, got)
		}
	}
	if c := p.counts(t); c.clients != 6 || c.waiting != 0 {
		t.Errorf("the table counts %+v", c)
	}
	if w := p.worker(t, "doomed"); w.State != pairing.SetAside || w.Pairs != 0 {
		t.Errorf("the dead worker is %v with %d pairs", w.State, w.Pairs)
	}

	back := &processWorker{program: python(), kind: "REP", sec: sec}
	back.listen(t, doomedAt)
	eventually(t, "the worker is seen to be back", func() bool { return p.worker(t, "doomed").State == pairing.Ready })
	for range 3 {
		c := newClient(t, ctx, zmq.REQ, sec, "")
		must(t, c.Connect(p.frontend))
		if got := ask(t, c); got != "who?" {
			t.Errorf("a new client is at %s and not at the worker that is back and idle", got)
		}
	}
}

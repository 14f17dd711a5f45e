package stream

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/pairing"
)

func refuseAfter(wait time.Duration) func(*Config) {
	return func(c *Config) { c.RefuseWithoutWorker, c.NoWorkerWait = true, wait }
}

// listens says whether a connection to the frontend is accepted by the kernel.
func (r *rig) listens() bool {
	f, _ := r.pool.Bound()
	return listensAt(f[0])
}

func listensAt(endpoint string) bool {
	ep, _ := ParseEndpoint(endpoint)
	c, err := net.Dial("tcp", ep.HostPort())
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// Without a worker the port is closed, who waits ends, and at once; the same port is open
// when a worker is there, and what comes then is served.
func TestPortsCloseForWantOfAWorker(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		t.Parallel()
		r := newRig(t, relay, refuseAfter(200*time.Millisecond))
		eventually(t, "the port is closed", func() bool { return !r.listens() })
		for range 3 {
			worker := r.slot()
			eventually(t, "the port is open", r.listens) // a turn after there is a worker
			client := r.clientOf(worker)
			waits := r.client()
			send(t, waits, signature)
			eventually(t, "one waits", func() bool { return r.snapshot().Stats.Waiting == 1 })
			_ = worker.Close() // which is expected back for a moment
			expectEnd(t, client)
			_ = client.Close() // until then its pair has not ended
			expectEnd(t, waits)
			eventually(t, "the port is closed", func() bool { return !r.listens() })
			if s := r.snapshot(); !s.Refusing || s.Descriptors > 0 {
				t.Errorf("refusing is %v, and %d descriptors are held", s.Refusing, s.Descriptors)
			}
		}
	})
}

// A worker that is expected back is waited for; one that an operator has taken out is not.
func TestPortsStayOpenForWhoIsExpected(t *testing.T) {
	r := newRig(t, refuseAfter(time.Hour), withWorker(refusingEndpoint(t)), func(c *Config) { c.Pairing.RetryMin, c.Pairing.RetryMax = time.Hour, time.Hour })
	send(t, r.client(), signature)
	eventually(t, "the worker is set aside", func() bool { return !r.snapshot().Usable })
	if s := r.snapshot(); s.Refusing || s.Stats.Waiting != 1 || !r.listens() {
		t.Errorf("refusing is %v, and %d wait", s.Refusing, s.Stats.Waiting)
	}
	if err := r.pool.SetWorkerState(t.Context(), "w", pairing.Draining); err != nil {
		t.Fatal(err)
	}
	eventually(t, "who waits ends", func() bool { return slices.Contains(r.reasons(), pairing.NoWorker) })
	eventually(t, "the port is closed", func() bool { return !r.listens() })
	if err := r.pool.Reload(t.Context(), r.cfg); err != nil { // which changes nothing
		t.Fatal(err)
	}
	cfg := r.cfg
	cfg.RefuseWithoutWorker = false
	if err := r.pool.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the port is open", r.listens)
}

// A port that another process has taken meanwhile leaves the pool unready, and that is said with who has it, until it is free.
func TestPortIsAnothers(t *testing.T) {
	var says said
	r := newRig(t, refuseAfter(0), func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&says, nil)) })
	end := r.slot() // a worker has been there
	eventually(t, "the port is open", r.listens)
	_ = end.Close()
	eventually(t, "the port is closed", func() bool { return !r.listens() })
	f, _ := r.pool.Bound()
	other, err := net.Listen("tcp", strings.TrimPrefix(f[0], "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	worker := r.worker()
	send(t, worker, signature)
	eventually(t, "it is unready", func() bool { s := r.snapshot(); return s.Usable && s.Readiness() == NotReadyPort })
	eventually(t, "the log says who has it", func() bool { return says.count(fmt.Sprintf("pid %d", os.Getpid())) == 1 })
	_ = other.Close()
	eventually(t, "it is ready", func() bool { s := r.snapshot(); return s.Readiness() == ReadyNow })
	r.clientOf(worker)
}

// refusingEndpoint is one that nobody listens at.
func refusingEndpoint(t *testing.T) string {
	return freePort(t)
}

// A unix socket stays open: who comes ends, and is held.
func TestNoWorkerOverIPC(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	r := newRig(t, refuseAfter(0), func(c *Config) { c.Frontend = append(c.Frontend, "ipc://"+path) })
	end := r.slot() // a worker has been there
	eventually(t, "the port is open", r.listens)
	_ = end.Close()
	eventually(t, "the port is closed", func() bool { return !r.listens() })
	c := dialPeer(t, "ipc://"+path)
	send(t, c, signature)
	eventually(t, "it ends", func() bool { return len(r.reasons()) > 0 && r.reasons()[len(r.reasons())-1] == pairing.NoWorker })
	if s := r.snapshot(); s.Descriptors != 1 {
		t.Errorf("%d are held", s.Descriptors)
	}
	worker := r.slot()
	eventually(t, "the port is open", r.listens)
	send(t, dialPeer(t, "ipc://"+path), nullPeer())
	expect(t, worker, signature)
}

// A libzmq client that had a worker, and exchanged a message with it, can end its context as
// soon as the port is closed; where it waits in the queue it cannot before that is over.
func TestClientWithoutAWorkerEnds(t *testing.T) {
	r := newRig(t, refuseAfter(100*time.Millisecond))
	worker := r.slot()
	eventually(t, "the port is open", r.listens)
	zctx, err := zmq.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	client, err := zctx.NewSocket(zmq.DEALER)
	if err != nil {
		t.Fatal(err)
	}
	f, _ := r.pool.Bound()
	if err := errors.Join(client.SetLinger(-1), client.Connect(f[0])); err != nil {
		t.Fatal(err)
	}
	send(t, worker, nullPeer()[len(signature):])
	expect(t, worker, signature)
	eventually(t, "the pair is open", func() bool { return r.snapshot().Stats.Open == 1 })
	// One that has exchanged nothing ends at once in any case.
	if _, err := client.SendMessage("x"); err != nil {
		t.Fatal(err)
	}
	message := []byte{0, 1, 'x'}
	_ = worker.SetReadDeadline(time.Now().Add(patience))
	for said := []byte(nil); !bytes.HasSuffix(said, message); {
		b := make([]byte, 1000)
		n, err := worker.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, b[:n]...)
	}
	send(t, worker, message)
	if _, err := client.RecvMessage(0); err != nil {
		t.Fatal(err)
	}
	_ = worker.Close()
	eventually(t, "the port is closed", func() bool { return r.snapshot().Refusing })
	start := time.Now()
	_ = client.Close()
	if err := zctx.Term(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v to end", took)
	}
}

package integration

import (
	"crypto/sha256"
	"math/rand/v2"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// TestBulk has a CURVE worker send two hundred megabytes (32 unless the tortures have their full size) and close at once,
// to a client that reads at a tenth of the speed: it receives every byte, on both relays, over tcp and ipc. That is so
// directly, where libzmq's linger sends what is left before the connection ends.
func TestBulk(t *testing.T) {
	t.Parallel()
	for _, relay := range []string{"auto", "stream"} {
		for _, transport := range []string{"tcp", "ipc"} {
			for _, w := range throughProxy() {
				t.Run(relay+"/"+transport+"/"+w.name, func(t *testing.T) { bulk(t, w, transport, relay) })
			}
		}
	}
}

// slowRead is the client's pause before each megabyte, of which a CURVE worker sends one in some three milliseconds.
const slowRead = 30 * time.Millisecond

func bulk(t *testing.T, w way, transport, relay string) {
	const size = 1_000_000
	messages := sized(32, 200)
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	served := newWorker(t, ctx, zmq.ROUTER, sec)
	must(t, served.SetSndhwm(0))
	must(t, served.SetLinger(-1))
	client := newClient(t, ctx, zmq.DEALER, sec, "client")
	must(t, client.SetRcvhwm(4))
	must(t, client.Connect(w.open(t, transport, []worker{served}, "--relay", relay)))
	client.send(t, "everything")
	to := served.recv(t)[0]
	sent, received := sha256.New(), sha256.New()
	random := rand.NewChaCha8([32]byte{1})
	body := make([]byte, size)
	for range messages {
		_, _ = random.Read(body) // never fails
		sent.Write(body)
		if _, err := served.SendMessage(to, body); err != nil {
			t.Fatal(err)
		}
	}
	served.close()
	total := 0
	for i := range messages {
		time.Sleep(slowRead)
		m, err := client.RecvMessageBytes(0)
		if err != nil {
			t.Fatalf("%d of %d bytes, then: %v", total, messages*size, err)
		}
		if len(m) != 1 || len(m[0]) != size {
			t.Fatalf("message %d has %d parts", i, len(m))
		}
		total += len(m[0])
		received.Write(m[0])
	}
	if string(sent.Sum(nil)) != string(received.Sum(nil)) {
		t.Error("what was received is not what was sent")
	}
}

package integration

import (
	"bytes"
	"crypto/sha256"
	"io"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// TestEveryByteBeforeTheEnd has one side send 200 MB and close at once, while the other reads slower than it comes: every
// byte arrives before the end does.
func TestEveryByteBeforeTheEnd(t *testing.T) {
	t.Parallel()
	const volume = 200_000_000
	for _, w := range throughProxy() {
		for _, from := range []string{"worker", "client"} {
			t.Run(w.name+"/"+from, func(t *testing.T) {
				client, served := openRaw(t, w)
				first, other := served, client
				if from == "client" {
					first, other = client, served
				}
				must(t, first.SetDeadline(time.Now().Add(4*patience)))
				must(t, other.SetDeadline(time.Now().Add(4*patience)))
				sent := make(chan []byte, 1)
				go func() {
					h := sha256.New()
					piece := bytes.Repeat([]byte("0123456789abcdef"), 1<<12)
					for left := volume; left > 0; left -= len(piece) {
						piece = piece[:min(len(piece), left)]
						h.Write(piece)
						if _, err := first.Write(piece); err != nil {
							t.Errorf("%d bytes before the end: %v", left, err)
							break
						}
					}
					first.Close()
					sent <- h.Sum(nil)
				}()
				h := sha256.New()
				n, err := io.Copy(h, other)
				if n != volume || err != nil {
					t.Errorf("%d of %d bytes arrived: %v", n, volume, err)
				}
				if !bytes.Equal(<-sent, h.Sum(nil)) {
					t.Error("what arrived is not what was sent")
				}
			})
		}
	}
}

// TestLastMessages has a libzmq worker send a thousand messages and close: the client has them all. That is so directly,
// where libzmq's linger sends what is left before the connection ends.
func TestLastMessages(t *testing.T) {
	for _, w := range everyWay() {
		t.Run(w.name, func(t *testing.T) {
			ctx := newContext(t)
			sec := newSecurity(t, "CURVE")
			served := newWorker(t, ctx, zmq.ROUTER, sec)
			client := newClient(t, ctx, zmq.DEALER, sec, "client")
			must(t, client.Connect(w.open(t, "tcp", []worker{served})))
			client.send(t, "everything")
			to := served.recv(t)[0]
			body := string(bytes.Repeat([]byte("m"), 10_000))
			for range 900 {
				served.send(t, to, body)
			}
			must(t, served.SetLinger(-1))
			served.close()
			for i := range 900 {
				if got := client.recv(t); got[0] != body {
					t.Fatalf("message %d has %d bytes", i, len(got[0]))
				}
			}
		})
	}
}

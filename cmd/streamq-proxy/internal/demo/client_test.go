package demo

import (
	"errors"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// A worker that keeps silent, or answers something else, must not pass unseen:
// the whole demo would prove nothing.
func TestClientSeesWhatIsLost(t *testing.T) {
	for _, c := range []struct {
		name  string
		reply []string // nil: none
		wait  time.Duration
		want  seen
	}{
		{"silence", nil, 100 * time.Millisecond, seen{requests: 1, lost: 1, connections: 1}},
		{"another's reply", []string{mark + "2-1", "w1"}, patience, seen{requests: 1, lost: 1, wrong: 1, connections: 1}},
		{"half a reply", []string{mark + "1-1"}, patience, seen{requests: 1, lost: 1, wrong: 1, connections: 1}},
		{"its own", []string{mark + "1-1", "w1"}, patience, seen{requests: 1, replies: 1, connections: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := askOnce(t, c.reply, c.wait)
			got.times, got.firsts = quantiles{}, quantiles{}
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if failed := verdict(got) != nil; failed != (c.want.lost > 0) {
				t.Errorf("the verdict is %v", verdict(got))
			}
			if c.want.lost > 0 && !errors.Is(verdict(got), ErrLost) {
				t.Errorf("the verdict is %v, want ErrLost", verdict(got))
			}
		})
	}
}

// askOnce lets one client ask one request of a worker that sends that reply.
func askOnce(t *testing.T, reply []string, wait time.Duration) seen {
	t.Helper()
	zctx, err := zmq4.NewContext()
	must(t, err)
	defer func() { must(t, zctx.Term()) }()
	server, err := newKeys()
	must(t, err)
	w, err := newListening(zctx, server, "w1", zmq4.REP)
	must(t, err)
	defer w.close()
	must(t, w.socket.SetRcvtimeo(patience))

	c := &client{
		number: 1, zctx: zctx, server: server.public, to: w.endpoint,
		tally: newTally([]*worker{w}), wait: wait,
	}
	replied := make(chan error, 1)
	go func() {
		_, err := w.socket.RecvMessage(0)
		if err == nil && reply != nil {
			_, err = w.socket.SendMessage(reply)
		}
		replied <- err
	}()
	s, err := c.connect()
	must(t, err)
	_, err = c.ask(s, time.Now(), true)
	must(t, err)
	must(t, s.Close())
	if err := <-replied; reply != nil { // who is silent may not have heard it: the client has not waited for a handshake that takes long
		must(t, err)
	}
	return c.tally.seen()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

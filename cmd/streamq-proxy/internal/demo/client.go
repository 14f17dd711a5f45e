package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"
)

const (
	// mark begins every request of the demo's own clients.
	mark = "demo-client-"
	// patience is how long a request goes unanswered before it counts as lost.
	patience = 10 * time.Second
)

// client asks one request after the other, each on the connection that it has,
// and takes a new connection, with new keys, about once a second: that is when
// the proxy pairs.
type client struct {
	number int
	zctx   *zmq4.Context
	server string // public key of the workers
	to     string // the frontend
	tally  *tally
	stay   time.Duration // on one connection, on average
	wait   time.Duration // for a reply, before the request counts as lost
	asked  uint64
}

// run asks until ctx ends. A request that is under way then is still answered:
// run returns later than ctx by one round trip, or by c.wait when it is lost.
func (c *client) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := c.visit(ctx); err != nil {
			return fmt.Errorf("client %d: %w", c.number, err)
		}
	}
	return nil
}

// visit is one connection from its first request to its last.
func (c *client) visit(ctx context.Context) error {
	started := time.Now()
	s, err := c.connect()
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	until := started.Add(c.stay/2 + rand.N(c.stay))
	for first := true; ctx.Err() == nil && time.Now().Before(until); first = false {
		if !first {
			started = time.Now()
		}
		answered, err := c.ask(s, started, first)
		if err != nil || !answered {
			return err
		}
	}
	return nil
}

func (c *client) connect() (*zmq4.Socket, error) {
	own, err := newKeys()
	if err != nil {
		return nil, err
	}
	s, err := c.zctx.NewSocket(zmq4.REQ)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		s.SetLinger(lingerTime),
		s.SetRcvtimeo(c.wait),
		s.SetSndtimeo(c.wait),
		s.ClientAuthCurve(c.server, own.public, own.secret),
	)
	if err == nil {
		err = s.Connect(c.to)
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// ask sends one request and waits for its reply. The first one of a connection
// takes as long as connecting, pairing and CURVE's handshake do, and is
// recorded apart. False: the request is lost and the socket of no more use.
func (c *client) ask(s *zmq4.Socket, started time.Time, first bool) (bool, error) {
	c.asked++
	request := fmt.Sprintf("%s%d-%d", mark, c.number, c.asked)
	c.tally.ask(first)
	_, err := s.SendMessage(request)
	var reply []string
	if err == nil {
		reply, err = s.RecvMessage(0)
	}
	switch {
	case err != nil && zmq4.AsErrno(err) != zmq4.Errno(syscall.EAGAIN):
		return false, err
	case err != nil:
		c.tally.lose()
		return false, nil
	case len(reply) != 2 || reply[0] != request:
		// Somebody else's reply, or a broken one: its own is lost.
		c.tally.confuse()
		return false, nil
	}
	c.tally.answer(reply[1], time.Since(started), first)
	return true, nil
}

package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/wire"
)

// Events calls f with each event whose topic begins with one of topics (of all,
// if there are none) until ctx ends or f fails, and returns that error. Events
// that f is too slow for are dropped by the proxy. ready, if not nil, is called
// when events can be missed no longer by being too early.
func (c *Client) Events(ctx context.Context, topics []string, ready func(), f func(wire.Event) error) error {
	var at wire.Subscription
	if err := c.ask(ctx, &at, "EVENTS"); err != nil {
		return err
	}
	return c.subscribe(ctx, at.Endpoint, topics, ready, f)
}

func (c *Client) subscribe(ctx context.Context, at string, topics []string, ready func(), f func(wire.Event) error) error {
	zctx, err := zmq4.NewContext()
	if err != nil {
		return fmt.Errorf("libzmq: %w", err)
	}
	defer func() { _ = zctx.Term() }()
	sub, err := zctx.NewSocket(zmq4.SUB)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Close() }()
	err = errors.Join(c.secure(sub), sub.SetLinger(0), sub.SetIpv6(true))
	if len(topics) == 0 {
		topics = []string{""}
	}
	for _, t := range topics {
		err = errors.Join(err, sub.SetSubscribe(t))
	}
	if err = errors.Join(err, sub.Connect(reachable(at, c.endpoint))); err != nil {
		return fmt.Errorf("events %s: %w", at, err)
	}
	if ready != nil {
		ready()
	}
	return receive(ctx, sub, f)
}

func receive(ctx context.Context, sub *zmq4.Socket, f func(wire.Event) error) error {
	poller := zmq4.NewPoller()
	poller.Add(sub, zmq4.POLLIN)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		ready, err := poller.Poll(pollEvery)
		if err != nil {
			return err
		}
		if len(ready) == 0 {
			continue
		}
		m, err := sub.RecvMessageBytes(0)
		if err != nil {
			return err
		}
		if len(m) != 2 {
			return fmt.Errorf("an event of %d frames", len(m))
		}
		e := wire.Event{Topic: string(m[0])}
		if err := json.Unmarshal(m[1], &e); err != nil {
			return fmt.Errorf("an event that is no JSON: %w", err)
		}
		if err := f(e); err != nil {
			return err
		}
	}
}

// reachable puts the host by which the requests go into an endpoint that the
// proxy knows only as all of its addresses.
func reachable(events, requests string) string {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(events, "tcp://"))
	if err != nil || host != "0.0.0.0" && host != "::" {
		return events
	}
	asked, _, err := net.SplitHostPort(strings.TrimPrefix(requests, "tcp://"))
	if err != nil {
		return events
	}
	return "tcp://" + net.JoinHostPort(asked, port)
}

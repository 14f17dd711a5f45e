package client

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
)

// Hello is what an application says of one of its connections.
type Hello struct {
	Identity string
	// Worker says that the connection is one that a worker dials in.
	Worker bool
	// Endpoint is the connection's far end as the proxy sees it, IP:PORT: the
	// local address of the application's socket. "" means the next connection
	// from this caller's address; of a worker, all of them.
	Endpoint string
	Prefer   []string // a client's worker and, after it, the fallbacks
	Weight   int      // a worker's, 0 leaves it as it is
	MaxPairs int      // a worker's, likewise
	Pool     string   // "" where there is one pool
}

func (h *Hello) args() []string {
	kind := "client"
	if h.Worker {
		kind = "worker"
	}
	args := []string{kind, h.Identity}
	if h.Endpoint != "" {
		args = append(args, "endpoint="+h.Endpoint)
	}
	if len(h.Prefer) > 0 {
		args = append(args, "prefer="+strings.Join(h.Prefer, ","))
	}
	if h.Weight > 0 {
		args = append(args, "weight="+strconv.Itoa(h.Weight))
	}
	if h.MaxPairs > 0 {
		args = append(args, "max="+strconv.Itoa(h.MaxPairs))
	}
	return withPool(args, h.Pool)
}

func withPool(args []string, pool string) []string {
	if pool != "" {
		return append(args, "pool="+pool)
	}
	return args
}

// Hello gives a connection an identity. Say it again with every new connection.
func (c *Client) Hello(ctx context.Context, h Hello) (wire.Lease, error) {
	var l wire.Lease
	if err := c.ask(ctx, &l, "HELLO", h.args()...); err != nil {
		return l, err
	}
	c.mutex.Lock()
	c.said[h.Identity] = h
	c.mutex.Unlock()
	return l, nil
}

// Heartbeat renews the lease of an identity that this client said Hello for.
func (c *Client) Heartbeat(ctx context.Context, identity string) (wire.Lease, error) {
	var l wire.Lease
	err := c.ask(ctx, &l, "HEARTBEAT", withPool([]string{identity}, c.poolOf(identity))...)
	return l, err
}

// Bye ends the identity's connections and forgets what it said.
func (c *Client) Bye(ctx context.Context, identity string) error {
	err := c.ask(ctx, nil, "BYE", withPool([]string{identity}, c.poolOf(identity))...)
	c.mutex.Lock()
	delete(c.said, identity)
	c.mutex.Unlock()
	return err
}

func (c *Client) poolOf(identity string) string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.said[identity].Pool
}

// beatEvery is how often a lease is renewed whose length is not known.
const beatEvery = 2500 * time.Millisecond

// KeepAlive renews the lease of an identity, three times in its length, until
// ctx ends, whose error it returns. A proxy that was restarted is told Hello
// again; one that does not answer is tried again. Any other refusal ends it.
func (c *Client) KeepAlive(ctx context.Context, identity string) error {
	every := beatEvery
	for {
		attempt, cancel := context.WithTimeout(ctx, every)
		l, err := c.Heartbeat(attempt, identity)
		if wire.CodeOf(err) == wire.NotFound {
			c.mutex.Lock()
			h, said := c.said[identity]
			c.mutex.Unlock()
			if said {
				l, err = c.Hello(attempt, h)
			}
		}
		cancel()
		if code := wire.CodeOf(err); code != 0 && code != wire.SlowDown && code != wire.Failed {
			return err
		}
		if err == nil && l.TTL > 0 {
			every = l.TTL.Duration() / 3
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}

// Whois tells a worker whom one of its connections serves. endpoint is IP:PORT:
// of a connection that the worker dialled in, its local address; of one that it
// accepted, the remote address. The address alone will do, as ZAP has it, where the pool
// has client-addresses. pool is "" where there is one.
func (c *Client) Whois(ctx context.Context, endpoint, pool string) (k wire.Known, err error) {
	return k, c.ask(ctx, &k, "WHOIS", withPool([]string{endpoint}, pool)...)
}

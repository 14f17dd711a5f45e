//go:build linux && cgo

package main

import (
	"context"
	"sync"
	"time"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
)

// agentControl is how an agent reaches the proxy's control socket.
type agentControl struct {
	endpoint, cert, server, pool string
}

// namer tells a proxy whose slots an agent's connections are.
type namer struct {
	agentControl
	security *client.Security

	mu        sync.Mutex // of what follows
	proxy     *client.Client
	byAddress bool                 // all from here are of one worker, as far as is known
	said      map[string]time.Time // by name: when it was last said by address
}

// sayEvery is how often at most all connections from here are named anew.
const sayEvery = time.Second

// namer is nil without an endpoint. Nothing is dialled yet: the proxy may come later.
func (a agentControl) namer(byAddress bool) (*namer, error) {
	if a.endpoint == "" {
		return nil, nil
	}
	c := ctl{endpoint: a.endpoint, cert: a.cert, server: a.server}
	security, err := c.security()
	if err != nil {
		return nil, err
	}
	return &namer{agentControl: a, security: security, byAddress: byAddress, said: map[string]time.Time{}}, nil
}

// reach is the client, made when it is first needed.
func (n *namer) reach(ctx context.Context) (*client.Client, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proxy == nil {
		proxy, err := client.Dial(ctx, n.endpoint, n.security)
		if err != nil {
			return nil, err
		}
		n.proxy = proxy
	}
	return n.proxy, nil
}

// say names the slot whose own end is endpoint, or all from this address while they are
// one worker's: that works through NAT, and for more connections than one identity may have.
func (n *namer) say(ctx context.Context, w agentWorker, endpoint string) error {
	proxy, err := n.reach(ctx)
	if err != nil {
		return err
	}
	h := client.Hello{Identity: w.Name, Worker: true, Weight: w.Weight, MaxPairs: w.Max, Pool: n.pool}
	n.mu.Lock()
	byAddress, said := n.byAddress, n.said[w.Name]
	n.mu.Unlock()
	if byAddress {
		if endpoint != "" && time.Since(said) < sayEvery {
			return nil
		}
		_, err := proxy.Hello(ctx, h)
		n.mu.Lock()
		if err == nil {
			n.said[w.Name] = time.Now()
		}
		if wire.CodeOf(err) == wire.Conflict { // another worker is here, too
			n.byAddress = false
		}
		n.mu.Unlock()
		if wire.CodeOf(err) != wire.Conflict {
			return err
		}
	}
	if h.Endpoint = endpoint; endpoint == "" {
		return nil
	}
	_, err = proxy.Hello(ctx, h)
	return err
}

// renew renews the worker's lease until ctx ends. A proxy that knows nobody of that name
// was restarted, perhaps, and is told again.
func (n *namer) renew(ctx context.Context, w agentWorker) {
	for every := sayEvery; ; {
		attempt, cancel := context.WithTimeout(ctx, every)
		if proxy, err := n.reach(attempt); err == nil {
			lease, err := proxy.Heartbeat(attempt, w.Name)
			switch {
			case wire.CodeOf(err) == wire.NotFound:
				_ = n.say(attempt, w, "") // each slot's is logged
			case err == nil && lease.TTL > 0:
				every = lease.TTL.Duration() / 3
			}
		}
		cancel()
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
	}
}

func (n *namer) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proxy != nil {
		n.proxy.Close()
	}
}

//go:build linux && cgo

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/agent"
	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
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
	byAddress bool                     // all from here are of one worker, as far as is known
	said      map[string]time.Time     // by name: when it was last said by address
	again     map[string]chan struct{} // by name, see askedAgain
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
	// Who says it over ipc has no address.
	ep, err := stream.ParseEndpoint(a.endpoint)
	byAddress = byAddress && err == nil && ep.Addressed()
	return &namer{agentControl: a, security: security, byAddress: byAddress, said: map[string]time.Time{}, again: map[string]chan struct{}{}}, nil
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

// tell is say, and once more where no answer comes within sayEvery: a proxy that ends takes what it was asked with it,
// and others wait for their turn meanwhile.
func (n *namer) tell(ctx context.Context, w agentWorker, endpoint string, anew bool) error {
	first, cancel := context.WithTimeout(ctx, sayEvery)
	defer cancel()
	err := n.say(first, w, endpoint, anew)
	if errors.Is(err, client.ErrNoAnswer) && ctx.Err() == nil {
		err = n.say(ctx, w, endpoint, true)
	}
	return err
}

// explained tells an answer that stays the same however often it is asked for from others, and what it may be that there is none.
func (n *namer) explained(err error) error {
	switch code := wire.CodeOf(err); {
	case code != 0 && code != wire.SlowDown && code != wire.Failed:
		return fmt.Errorf("%w: %w", agent.ErrNameRefused, err)
	case !errors.Is(err, client.ErrNoAnswer):
		return err
	case n.cert != "":
		return fmt.Errorf("%w (it is not there, does not know the certificate of --cert, or that of --server is not its own)", err)
	}
	return fmt.Errorf("%w (it is not there, or its control socket wants --cert and --server)", err)
}

// say names the slot whose own end is endpoint, or all from this address while they are
// one worker's: that works through NAT, and for more connections than one identity may have. What
// has been said of all within the last sayEvery is said again at its end, since the proxy may have been restarted
// meanwhile; at once if it could not be reached before.
func (n *namer) say(ctx context.Context, w agentWorker, endpoint string, anew bool) error {
	proxy, err := n.reach(ctx)
	if err != nil {
		return err
	}
	h := client.Hello{Identity: w.Name, Worker: true, Weight: w.Weight, MaxPairs: w.Max, Pool: n.pool}
	n.mu.Lock()
	byAddress, said := n.byAddress, n.said[w.Name]
	n.mu.Unlock()
	if byAddress {
		if endpoint != "" && !anew && time.Since(said) < sayEvery {
			n.sayAgain(w.Name)
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

// askedAgain is by what renew hears that a worker's name is to be said again.
func (n *namer) askedAgain(name string) chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.again[name] == nil {
		n.again[name] = make(chan struct{}, 1)
	}
	return n.again[name]
}

func (n *namer) sayAgain(name string) {
	select {
	case n.askedAgain(name) <- struct{}{}:
	default:
	}
}

// pause is between two renewals. It says the name again when that is asked for.
func (n *namer) pause(ctx context.Context, w agentWorker, every time.Duration) {
	until := time.After(every)
	for {
		select {
		case <-ctx.Done():
			return
		case <-until:
			return
		case <-n.askedAgain(w.Name):
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(sayEvery):
		}
		attempt, cancel := context.WithTimeout(ctx, sayEvery)
		_ = n.say(attempt, w, "", true) // each slot's is logged
		cancel()
	}
}

// renew renews the worker's lease until ctx ends. A proxy that knows nobody of that name
// was restarted, perhaps, and is told again.
func (n *namer) renew(ctx context.Context, w agentWorker) {
	for every := sayEvery; ; {
		attempt, cancel := context.WithTimeout(ctx, min(every, sayEvery)) // others wait for their turn meanwhile
		if proxy, err := n.reach(attempt); err == nil {
			lease, err := proxy.Heartbeat(attempt, w.Name)
			switch {
			case wire.CodeOf(err) == wire.NotFound:
				_ = n.say(attempt, w, "", true) // each slot's is logged
			case err == nil && lease.TTL > 0:
				every = lease.TTL.Duration() / 3
			}
		}
		cancel()
		if n.pause(ctx, w, every); ctx.Err() != nil {
			return
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

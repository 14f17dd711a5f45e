package main

import (
	"context"
	"time"
)

// proxies are the processes between client and worker; the clients connect to the first.
type proxies []*process

// alone is a row's only proxy.
func alone(p *process, err error) (proxies, error) {
	if err != nil {
		return nil, err
	}
	return proxies{p}, nil
}

// and starts one more behind those that have started, which are left running when it does not start.
func (ps proxies) and(p *process, err error) (proxies, error) {
	if err != nil {
		return ps, err
	}
	return append(ps, p), nil
}

func (ps proxies) stop() {
	for _, p := range ps {
		p.stop()
	}
}

// ended tells of one that has ended before it was told to, nil for none.
func (ps proxies) ended() error {
	for _, p := range ps {
		select {
		case <-p.done:
			return p.failure("ended early")
		default:
		}
	}
	return nil
}

// cpu is what they have used so far, 0 for none.
func (ps proxies) cpu() (sum time.Duration, err error) {
	for _, p := range ps {
		used, err := cpuTime(p.pid())
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// usage is what they hold now.
func (ps proxies) usage() (sum usage, err error) {
	for _, p := range ps {
		one, err := usageOf(p.pid())
		if err != nil {
			return usage{}, err
		}
		sum.memory += one.memory
		sum.descriptors += one.descriptors
	}
	return sum, nil
}

// settled waits until they have come to rest, a few seconds at most, and returns what they hold.
func (ps proxies) settled(ctx context.Context) (usage, error) {
	const (
		look  = 250 * time.Millisecond
		quiet = 2 * time.Millisecond // CPU time within a look
		least = 8                    // looks: what is given back after a moment is not held
		most  = 16
	)
	last, err := ps.cpu()
	for looks := range most {
		if err != nil {
			break
		}
		select {
		case <-ctx.Done():
			return usage{}, ctx.Err()
		case <-time.After(look):
		}
		var now time.Duration
		now, err = ps.cpu()
		if now-last < quiet && looks >= least {
			break
		}
		last = now
	}
	if err != nil {
		return usage{}, err
	}
	return ps.usage()
}

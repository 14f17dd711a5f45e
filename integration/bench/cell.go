package main

import (
	"context"
	"fmt"
	"time"
)

// figures are what one cell measured, by the metric's name.
type figures map[string]float64

// bench is what all cells of a run share.
type bench struct {
	programs programs
	keys     keys
	dir      string // for configurations
	port     int    // see freeAddress
}

// cast is who plays in a cell.
type cast struct {
	proxy  *process // nil when client and worker are alone
	worker *process
	client *process
	alone  usage // what the proxy held before anyone connected, when the case asks for it
}

func (c *cast) stop() {
	c.client.stop()
	c.worker.stop()
	c.proxy.stop()
}

// play plays one cell with fresh processes and ends them.
func (b *bench) play(ctx context.Context, c benchCase, r row) (figures, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit())
	defer cancel()
	var all cast
	defer all.stop()
	if err := b.assemble(ctx, &all, c, r); err != nil {
		return nil, err
	}
	if c.kind == idle {
		return all.watchIdle(ctx, c.count)
	}
	return all.measure(ctx, c)
}

// assemble starts the worker, the proxy and the client, whichever needs the other's address last.
func (b *bench) assemble(ctx context.Context, all *cast, c benchCase, r row) (err error) {
	s := site{dir: b.dir, mechanism: c.mechanism, keys: b.keys, hwm: c.hwm()}
	if s.frontend, err = freeAddress(&b.port); err != nil {
		return err
	}
	if s.backend, err = freeAddress(&b.port); err != nil {
		return err
	}
	if !r.dialIn {
		if s.worker, err = b.startWorker(ctx, all, c, ""); err != nil {
			return err
		}
	}
	address := s.worker
	if r.start != nil {
		address = s.frontend
		if all.proxy, err = r.start(b.programs, s); err != nil {
			return err
		}
		if err := awaitListening(ctx, all.proxy, address); err != nil {
			return err
		}
		if c.kind == idle {
			if all.alone, err = all.proxy.settled(ctx); err != nil {
				return err
			}
		}
	}
	if r.dialIn {
		if _, err := b.startWorker(ctx, all, c, s.backend); err != nil {
			return err
		}
	}
	serverPublic := b.keys.workerPublic
	if r.terminates {
		serverPublic = b.keys.brokerPublic
	}
	all.client, err = spawn("client", nil, b.programs.client, clientArgs(c, b.keys, serverPublic, address)...)
	return err
}

// startWorker returns the worker's address, which is none if it dials in.
func (b *bench) startWorker(ctx context.Context, all *cast, c benchCase, backend string) (address string, err error) {
	all.worker, err = spawn("worker", nil, b.programs.worker, workerArgs(c, b.keys, backend)...)
	if err != nil {
		return "", err
	}
	endpoint, err := all.worker.hear(ctx, "ready")
	if err != nil || endpoint == "" {
		return "", err
	}
	return endpoint[len("tcp://"):], nil
}

// cpu is the proxy's so far; nothing where there is none.
func (c *cast) cpu() (time.Duration, error) {
	if c.proxy == nil {
		return 0, nil
	}
	return cpuTime(c.proxy.pid())
}

// measure lets the client work, and counts what the proxy used for it.
func (c *cast) measure(ctx context.Context, work benchCase) (figures, error) {
	if _, err := c.client.hear(ctx, "ready"); err != nil {
		return nil, err
	}
	before, err := c.cpu()
	if err != nil {
		return nil, err
	}
	if err := c.client.tell("go"); err != nil {
		return nil, err
	}
	line, err := c.client.hear(ctx, "result")
	if err != nil {
		return nil, err
	}
	after, err := c.cpu()
	if err != nil {
		return nil, err
	}
	result, err := parseResult(line)
	if err != nil {
		return nil, err
	}
	if result["seconds"] <= 0 {
		return nil, fmt.Errorf("the client took %v s", result["seconds"])
	}
	return derive(work, result, c.proxy != nil, after-before), nil
}

// derive makes figures of what was measured.
func derive(c benchCase, result map[string]float64, proxied bool, cpu time.Duration) figures {
	f := figures{}
	count, rate := float64(c.count), float64(c.count)/result["seconds"]
	messages := count
	switch c.kind {
	case throughput:
		f[rateMessages.name] = rate
		f[rateBytes.name] = rate * float64(c.size) / 1e6
	case roundtrip:
		messages = 2 * count // there and back
		f[rateTrips.name] = rate
	case connecting:
		f[rateConnections.name] = rate
	}
	if c.kind != throughput {
		for _, m := range []metric{p50, p99, p999} {
			f[m.name] = result[m.name]
		}
	}
	if !proxied {
		return f
	}
	switch c.kind {
	case throughput:
		f[cpuMessages.name] = cpu.Seconds() / messages * 1e6
		f[cpuBytes.name] = cpu.Seconds() / (messages * float64(c.size)) * 1e9
	case roundtrip:
		f[cpuMessages.name] = cpu.Seconds() / messages * 1e6
	case connecting:
		f[cpuConnection.name] = cpu.Seconds() / count * 1e6
	}
	return f
}

// watchIdle compares what the proxy holds with its pairs and without.
func (c *cast) watchIdle(ctx context.Context, pairs int) (figures, error) {
	if _, err := c.client.hear(ctx, "ready"); err != nil || c.proxy == nil {
		return nil, err
	}
	held, err := c.proxy.settled(ctx)
	if err != nil {
		return nil, err
	}
	return figures{
		memory.name:      float64(held.memory-c.alone.memory) / 1024 / float64(pairs),
		descriptors.name: float64(held.descriptors-c.alone.descriptors) / float64(pairs),
	}, nil
}

// settled waits until a proxy has come to rest, a few seconds at most, and returns what it holds.
func (p *process) settled(ctx context.Context) (usage, error) {
	const (
		look  = 250 * time.Millisecond
		quiet = 2 * time.Millisecond // CPU time within a look
		least = 8                    // looks: what is given back after a moment is not held
		most  = 16
	)
	last, err := cpuTime(p.pid())
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
		now, err = cpuTime(p.pid())
		if now-last < quiet && looks >= least {
			break
		}
		last = now
	}
	if err != nil {
		return usage{}, err
	}
	return usageOf(p.pid())
}

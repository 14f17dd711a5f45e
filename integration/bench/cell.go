package main

import (
	"cmp"
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
	proxies proxies // none when client and worker are alone
	worker  *process
	client  *process
	alone   usage // what the proxies held before anyone connected, when the case asks for it
}

func (c *cast) stop() {
	c.client.stop()
	c.worker.stop()
	c.proxies.stop()
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
	f, err := all.measure(ctx, c)
	if err != nil {
		return nil, cmp.Or(all.proxies.ended(), err) // the client only says that nobody answers
	}
	return f, nil
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
		if all.proxies, err = r.start(b.programs, s); err != nil {
			return err
		}
		if err := awaitListening(ctx, all.proxies[0], address); err != nil {
			return err
		}
		if c.kind == idle {
			if all.alone, err = all.proxies.settled(ctx); err != nil {
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

// measure lets the client work, or do nothing, and sees what the proxies used for it.
func (c *cast) measure(ctx context.Context, work benchCase) (figures, error) {
	if work.kind == idle {
		return c.watchIdle(ctx, work.count)
	}
	if _, err := c.client.hear(ctx, "ready"); err != nil {
		return nil, err
	}
	before, err := c.proxies.cpu()
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
	after, err := c.proxies.cpu()
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
	return derive(work, result, len(c.proxies) > 0, after-before), nil
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
	case oneShot:
		f[rateOneShots.name] = rate
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
	case connecting, oneShot:
		f[cpuConnection.name] = cpu.Seconds() / count * 1e6
	}
	return f
}

// watchIdle compares what the proxy holds with its pairs and without.
func (c *cast) watchIdle(ctx context.Context, pairs int) (figures, error) {
	if _, err := c.client.hear(ctx, "ready"); err != nil || len(c.proxies) == 0 {
		return nil, err
	}
	held, err := c.proxies.settled(ctx)
	if err != nil {
		return nil, err
	}
	return figures{
		memory.name:      float64(held.memory-c.alone.memory) / 1024 / float64(pairs),
		descriptors.name: float64(held.descriptors-c.alone.descriptors) / float64(pairs),
	}, nil
}

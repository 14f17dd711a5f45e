//go:build linux && cgo

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/handover"
)

// predecessor is the process in whose place this one is to go on.
type predecessor struct {
	channel *handover.Channel
	offer   offer
	pools   map[string]stream.Listeners
	control []control.Listener
	http    *os.File // nil for none
	fds     []int    // of all listeners, which are copied by whoever uses them
}

// predecessorOf is nil for a process that was not started by another one to succeed it.
func predecessorOf() (*predecessor, error) {
	text, set := os.LookupEnv(handoverVariable)
	if !set {
		return nil, nil
	}
	_ = os.Unsetenv(handoverVariable) // it is not for those whom this one starts
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("%s=%q is no descriptor", handoverVariable, text)
	}
	channel, err := handover.Of(os.NewFile(uintptr(fd), "handover"))
	if err != nil {
		return nil, err
	}
	return &predecessor{channel: channel}, nil
}

// fail tells the predecessor, if there is one, why it has to go on.
func (p *predecessor) fail(err error) error {
	if p == nil {
		return err
	}
	_ = p.channel.Send(handover.Failed, err.Error(), nil, nil) // it finds out anyway
	p.channel.Close()
	return fmt.Errorf("the process that was to be succeeded goes on: %w", err)
}

// left is an error of the conversation in other words.
func left(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the process that was to be succeeded has gone")
	}
	return err
}

// meet says hello, and hears of the listeners.
func (p *predecessor) meet() error {
	if err := p.channel.Send(handover.Hello, hello{handover.Version, build().Version}, nil, nil); err != nil {
		return err
	}
	m, err := p.channel.Expect(handover.Offer)
	if err != nil {
		return left(err)
	}
	p.fds = m.Descriptors
	if err := m.Read(&p.offer); err != nil {
		return err
	}
	if p.offer.Format != handover.Version {
		return fmt.Errorf("it speaks version %d of the hand-over's format, not %d", p.offer.Format, handover.Version)
	}
	return p.sort()
}

// sort gives the listeners their descriptors.
func (p *predecessor) sort() error {
	fds := p.fds
	next := func() (fd int) {
		if fd = -1; len(fds) > 0 {
			fd, fds = fds[0], fds[1:]
		}
		return fd
	}
	p.pools = map[string]stream.Listeners{}
	for _, one := range p.offer.Pools {
		for _, all := range [...][]stream.Listener{one.Frontend, one.Backend} {
			for i := range all {
				all[i].FD = next()
			}
		}
		p.pools[one.Name] = one.Listeners
	}
	for i := range p.offer.Control {
		p.offer.Control[i].FD = next()
	}
	p.control = p.offer.Control
	if p.offer.HTTP != "" {
		p.http = os.NewFile(uintptr(next()), "http")
		p.fds = p.fds[:len(p.fds)-1]
	}
	if len(fds) > 0 {
		return fmt.Errorf("%d listeners are nobody's", len(fds))
	}
	return nil
}

// closeListeners closes those that came: who listens has a copy.
func (p *predecessor) closeListeners() {
	m := handover.Message{Descriptors: p.fds}
	m.Close()
	p.fds = nil
	if p.http != nil {
		_ = p.http.Close()
		p.http = nil
	}
}

// httpListener is the predecessor's, nil if it has none at that address.
func (p *predecessor) httpListener(address string) *os.File {
	if p == nil || p.offer.HTTP != address {
		return nil
	}
	return p.http
}

// succeed takes over what the predecessor has. When it returns without an error everything is
// this process's, and goes on.
func (s *server) succeed() error {
	p := s.before
	if err := p.channel.Send(handover.Opened, nil, nil, nil); err != nil {
		return left(err)
	}
	m, err := p.channel.Expect(handover.Pool)
	if err != nil {
		return left(err)
	}
	var b belongings
	if err := m.Read(&b); err != nil {
		return err
	}
	if err := s.takeOver(&b, m.Descriptors); err != nil {
		return err
	}
	if err := s.bindOperators(); err != nil {
		return err
	}
	if err := p.channel.Send(handover.Ready, nil, nil, nil); err != nil {
		return left(err)
	}
	if m, err = p.channel.Expect(handover.Motion); err != nil {
		return left(err)
	}
	if err := s.prepare(&m, b.Pools); err != nil {
		return err
	}
	// From here on everything is this process's, and nothing may fail.
	if err := p.channel.Send(handover.Taken, nil, nil, nil); err != nil {
		return left(err)
	}
	for _, pool := range s.pools {
		pool.Begin()
	}
	p.closeListeners()
	if s.control != nil {
		s.control.Succeed()
	}
	s.upgrades.Succeeded(p.offer.Upgrades)
	return nil
}

func (s *server) takeOver(b *belongings, fds []int) error {
	if len(b.Pools) != len(s.pools) {
		return errors.New("pools cannot be added or removed by an upgrade: restart for that")
	}
	for i := range b.Pools {
		saved := &b.Pools[i]
		pool, group := s.pool(saved.Pool)
		if pool == nil {
			return fmt.Errorf("pool %s cannot be removed or renamed by an upgrade: restart for that", saved.Pool)
		}
		if group != saved.Group {
			return fmt.Errorf("group cannot change by an upgrade: pool %s was in %q: restart for that", saved.Pool, saved.Group)
		}
		n := len(saved.Conns)
		for _, d := range saved.Doors {
			n += len(d.Endpoints)
		}
		if n > len(fds) {
			return errors.New("there are fewer descriptors than connections")
		}
		if err := pool.TakeOver(saved, fds[:n]); err != nil {
			return err
		}
		fds = fds[n:]
	}
	for _, pool := range s.pools {
		if g := pool.InGroup(); g != nil {
			if saved, is := b.Groups[g.Name()]; is {
				g.Restore(&saved)
				delete(b.Groups, g.Name()) // once is enough
			}
		}
	}
	s.discovery.Keep(b.Found)
	return nil
}

func (s *server) pool(name string) (pool *stream.Pool, group string) {
	for _, p := range s.pools {
		if p.Name() == name {
			return p, p.Group()
		}
	}
	return nil, ""
}

// prepare takes in what pairs were in the middle of, pool by pool as they were saved.
func (s *server) prepare(m *handover.Message, saved []stream.SavedPool) error {
	var motions [][]stream.Motion
	if err := m.Read(&motions); err != nil {
		return err
	}
	if len(motions) != len(saved) {
		return fmt.Errorf("%d pools were stopped of %d", len(motions), len(saved))
	}
	blob := m.Blob
	for i := range saved {
		pool, _ := s.pool(saved[i].Pool)
		n := 0
		for _, one := range motions[i] {
			n += max(0, one.Rest[0]) + max(0, one.Rest[1])
		}
		if n > len(blob) {
			return fmt.Errorf("%d bytes of %d are missing", n-len(blob), n)
		}
		if err := pool.Receive(motions[i], blob[:n]); err != nil {
			return err
		}
		blob = blob[n:]
	}
	return nil
}

// follow takes in who comes late, until the predecessor has ended.
func (s *server) follow(ctx context.Context) {
	defer s.before.channel.Close()
	go func() {
		<-ctx.Done()
		s.before.channel.Close()
	}()
	for {
		m, err := s.before.channel.Expect(handover.Late)
		if err != nil {
			return
		}
		if err := s.takeLate(ctx, &m); err != nil {
			s.log.Error("who comes late from the process before this one stays there", "error", err)
			m.Close()
			if s.before.channel.Send(handover.Failed, err.Error(), nil, nil) != nil {
				return
			}
		}
	}
}

func (s *server) takeLate(ctx context.Context, m *handover.Message) error {
	var late stream.LatePeers
	if err := m.Read(&late); err != nil {
		return err
	}
	pool, _ := s.pool(late.Pool)
	if pool == nil {
		return fmt.Errorf("there is no pool %s", late.Pool)
	}
	return pool.TakeLate(ctx, &late, m.Blob, m.Descriptors, func() error {
		return s.before.channel.Send(handover.Taken, nil, nil, nil)
	})
}

//go:build linux && cgo

package main

import (
	"net"
	"sync"
)

// seats is a listener that has so many connections at most open at once.
// Further ones wait in the kernel's queue, where they cost no descriptor.
type seats struct {
	net.Listener
	free   chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newSeats(l net.Listener, n int) *seats {
	return &seats{Listener: l, free: make(chan struct{}, n), closed: make(chan struct{})}
}

// Accept waits for a seat, then for a connection to sit on it.
func (s *seats) Accept() (net.Conn, error) {
	select {
	case s.free <- struct{}{}:
	case <-s.closed:
		return nil, net.ErrClosed
	}
	c, err := s.Listener.Accept()
	if err != nil {
		<-s.free
		return nil, err
	}
	return &seated{Conn: c, leave: sync.OnceFunc(func() { <-s.free })}, nil
}

// Close ends an Accept that waits for a seat too.
func (s *seats) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.Listener.Close()
}

// seated gives its seat back when it is closed.
type seated struct {
	net.Conn
	leave func()
}

func (c *seated) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

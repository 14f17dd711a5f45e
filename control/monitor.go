package control

import (
	"errors"
	"fmt"
	"time"

	"github.com/pebbe/zmq4"
)

// monitored are the events that are asked for.
const monitored = zmq4.EVENT_ACCEPTED | zmq4.EVENT_DISCONNECTED |
	zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL

// monitor reads what libzmq tells of one socket's connections.
type monitor struct {
	socket      *zmq4.Socket
	connections *connections
	refusal     *Refusal // of the connection whose end comes next: one I/O thread tells both
}

// watch has libzmq tell of a socket's connections.
func (s *Server) watch(socket *zmq4.Socket, name string) error {
	at := "inproc://monitor." + name
	if err := socket.Monitor(at, monitored); err != nil {
		return fmt.Errorf("control: a monitor: %w", err)
	}
	pair, err := s.context.NewSocket(zmq4.PAIR)
	if err != nil {
		return fmt.Errorf("control: a monitor: %w", err)
	}
	s.monitors[socket] = &monitor{socket: pair, connections: newConnections(s.cfg.Connections)}
	// Without a bound: libzmq's I/O thread would wait for whoever reads too slowly.
	return errors.Join(pair.SetRcvhwm(0), pair.SetLinger(0), pair.Connect(at))
}

// listenTo reads a monitor until the context is ended.
func (s *Server) listenTo(m *monitor) {
	defer func() { _ = m.socket.Close() }()
	for {
		event, endpoint, value, err := m.socket.RecvEvent(0)
		if errors.Is(err, zmq4.ETERM) {
			return
		}
		if err == nil {
			s.hear(m, event, endpoint, value, time.Now())
		}
	}
}

// hear is what one event means.
func (s *Server) hear(m *monitor, event zmq4.Event, endpoint string, value int, now time.Time) {
	if r, ok := refusalOf(event, value); ok && m.refusal == nil {
		m.refusal = &r
	}
	switch event {
	case zmq4.EVENT_ACCEPTED:
		if away := m.connections.came(value, endpoint, now); away != nil {
			s.refused(RefusedCrowded, away.address, now, "endpoint", endpoint, "connections", m.connections.most)
		}
	case zmq4.EVENT_DISCONNECTED:
		c := m.connections.left(value)
		if m.refusal != nil && c != nil && !c.away {
			s.refused(*m.refusal, c.address, now, "endpoint", endpoint)
		}
		m.refusal = nil
	}
}

// refused counts a connection that was not let in, and logs it, rate-limited.
func (s *Server) refused(r Refusal, address string, now time.Time, more ...any) {
	s.counters.refused[r].Add(1)
	if left, due := s.limiter.due("connection "+address, now); due {
		s.log.Warn("control: a connection was refused", append([]any{"address", address, "reason", r.String(), "detail", refusals[r].text, "unlogged", left}, more...)...)
	}
}

package control

import (
	"errors"
	"strconv"
	"syscall"

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/wire"
)

// maxEnvelope bounds the frames of an envelope.
const maxEnvelope = 4

// descriptorProperty is libzmq's own name for the descriptor of the connection that
// a message came by: zmq_msg_get(3) reads ZMQ_SRCFD from it.
const descriptorProperty = "__fd"

// message is one message with its envelope.
type message struct {
	id            string
	envelope      [][]byte // goes back as it came
	frames        [][]byte // the request, bounded
	user, address string
}

// read takes one message and keeps as much of it as a request can have.
func (s *Server) read() (m message, err error) {
	id, err := s.router.RecvBytes(zmq4.DONTWAIT)
	if err != nil {
		return m, err
	}
	m.id = string(id)
	for first := true; ; first = false {
		more, err := s.router.GetRcvmore()
		if err != nil || !more {
			s.unwrap(&m)
			return m, err
		}
		var frame []byte
		if first { // the routing id is the ROUTER's own word and has no properties
			var properties map[string]string
			frame, properties, err = s.router.RecvBytesWithMetadata(zmq4.DONTWAIT, "User-Id", "Peer-Address", descriptorProperty)
			m.user, m.address = properties["User-Id"], properties["Peer-Address"]
			if fd, err := strconv.Atoi(properties[descriptorProperty]); err == nil {
				s.monitors[s.router].connections.spoke(fd)
			}
		} else {
			frame, err = s.router.RecvBytes(zmq4.DONTWAIT)
		}
		if err != nil {
			return m, err
		}
		if len(m.frames) <= wire.MaxFrames+maxEnvelope {
			m.frames = append(m.frames, frame)
		}
	}
}

// unwrap takes off the envelope: everything up to an empty frame near the
// beginning. A REQ sends one empty frame, with ZMQ_REQ_CORRELATE a number before
// it; a DEALER as a rule nothing, and then the first frame is a verb.
func (s *Server) unwrap(m *message) {
	if len(m.frames) == 0 || s.verbOf(*m) != nil {
		return
	}
	for i, f := range m.frames[:min(len(m.frames), maxEnvelope)] {
		if len(f) == 0 {
			m.envelope, m.frames = m.frames[:i+1], m.frames[i+1:]
			return
		}
	}
}

// send replies to a message. It never waits.
func (s *Server) send(m message, frames []any) error {
	envelope := []any{m.id}
	for _, f := range m.envelope {
		envelope = append(envelope, f)
	}
	_, err := s.router.SendMessageDontwait(append(envelope, frames...)...)
	switch {
	case again(err): // it does not read
		s.counters.unread.Add(1)
	case errors.Is(err, zmq4.Errno(syscall.EHOSTUNREACH)): // it has gone
	default:
		return err
	}
	return nil
}

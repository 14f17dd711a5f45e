package agent

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/sockets"
	"github.com/streamq/streamq-proxy/stream/zmtp"
)

// mostFirst is how much of a client's first bytes is read, in bytes; the relay reads
// the rest. Nearly always it is the ten of a signature.
const mostFirst = 64

// hear takes a client's first bytes, or the end of a slot without any.
func (s *slot) hear() {
	a := s.agent
	n, err := sockets.Read(s.sides[client].FD, a.buffer[:mostFirst])
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		if err = s.watch(client, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLONESHOT); err == nil {
			return
		}
	}
	young := time.Since(s.since) < settled
	switch {
	case n > 0 && (!young || zmtp.Inspect(a.buffer[:n]) != zmtp.NotZMTP):
		s.first = append([]byte(nil), a.buffer[:n]...)
		s.become(reaching)
		a.proxyGood()
		a.used(time.Now())
		s.reach()
	case n > 0: // what says such a thing says it to whoever comes, and at once
		s.close()
		a.proxyBad("what answers is no proxy", errNoClient)
	case !young: // the proxy renews its slots, or ends
		s.close()
		a.figures.renewed.Add(1)
		a.proxyGood()
	default:
		if err == nil {
			err = errors.New("it closed a new connection")
		}
		s.close()
		if !a.forgiven(time.Now()) {
			a.proxyBad("the proxy keeps no slot", err)
		}
	}
}

// errNoClient is of bytes that a proxy passes on from nobody, such as the banner of an SSH server.
var errNoClient = errors.New("its first bytes are not those of a client that speaks ZMTP")

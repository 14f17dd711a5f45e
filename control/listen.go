package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/inuse"
	"github.com/streamq/streamq-proxy/stream/libzmq"
	"github.com/streamq/streamq-proxy/stream/seam"
)

// backlog of the listeners: who does not fit waits for his SYN to be sent again, or
// is refused by a unix listener at once.
const backlog = 4096

// listen binds an endpoint for requests and, where an operator may call, the one
// for events beside it.
func (s *Server) listen(l listener) error {
	addresses, err := l.Resolve()
	if err != nil {
		return fmt.Errorf("control %s: %w", l.Endpoint, err)
	}
	if l, err = l.at(addresses); err != nil {
		return fmt.Errorf("control: %w", err)
	}
	bound, err := s.bind(s.router, l, l.domain)
	if err != nil {
		return err
	}
	s.bound = append(s.bound, bound)
	if l.domain == domainNULL && s.cfg.LoopbackLevel < wire.Operator {
		return nil
	}
	beside := listener{l.Beside(eventsSuffix), l.domain}
	at, err := s.bind(s.pub, beside, l.domain.events())
	if err != nil {
		return fmt.Errorf("%w (for the events of %s)", err, l.Endpoint)
	}
	if s.eventsAt[l.domain] == "" {
		s.eventsAt[l.domain] = at
	}
	return nil
}

// bind has a socket listen at l. Options that libzmq reads when it binds (the
// security, the domain, the family, the descriptor) are of this endpoint only.
func (s *Server) bind(socket *zmq4.Socket, l listener, at domain) (bound string, err error) {
	err = errors.Join(socket.SetZapDomain(string(at)), socket.SetIpv6(!isIPv4(l.Host)))
	if l.domain == domainCURVE {
		err = errors.Join(err, socket.SetCurveServer(1), socket.SetCurveSecretkey(s.cert.Secret))
	} else if libzmq.HasCurve() { // libzmq without has no such option, nor an endpoint that set it
		err = errors.Join(err, socket.SetCurveServer(0))
	}
	if err != nil {
		return "", fmt.Errorf("control %s: %w", l.Endpoint, err)
	}
	if l.File() != "" {
		err = s.bindFile(socket, l)
		bound = l.String()
	} else if err = socket.Bind(l.String()); err == nil {
		bound, err = socket.GetLastEndpoint()
	}
	switch {
	case errors.Is(err, zmq4.Errno(syscall.EADDRINUSE)):
		err = inuse.TCP(l.HostPort())
	case errors.Is(err, zmq4.Errno(syscall.ENODEV)), errors.Is(err, zmq4.Errno(syscall.EADDRNOTAVAIL)):
		err = errors.New("this machine has no such address")
	case l.File() != "" && errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("the directory %s does not exist: make it first", filepath.Dir(l.File()))
	}
	if err != nil {
		return "", fmt.Errorf("control %s: %w", l.Endpoint, err)
	}
	s.monitors[socket].connections.opened(bound)
	return bound, nil
}

// isIPv4 says that a host is an IPv4 address, for which libzmq with ZMQ_IPV6 would make an AF_INET6 listener, which a
// policy may forbid. "*" is every address of both.
func isIPv4(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Is4()
}

// bindFile makes the listener itself and hands it to libzmq, which could set its
// mode only after somebody may have connected: the mode of an unbound socket is
// that of the file which bind(2) makes.
func (s *Server) bindFile(socket *zmq4.Socket, l listener) error {
	path := l.File()
	if err := stream.FreePath(path); err != nil {
		return err
	}
	mode := s.cfg.Mode
	if mode == 0 {
		mode = DefaultMode
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	err = syscall.Fchmod(fd, uint32(mode))
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
	}
	if err == nil {
		err = seam.Favour(fd) // operators are let in when descriptors are scarce
	}
	if err != nil {
		_ = syscall.Close(fd)
		return err
	}
	s.paths = append(s.paths, path)
	// The umask has taken bits away, which the configuration may have meant.
	err = errors.Join(os.Chmod(path, mode), syscall.Listen(fd, backlog), socket.SetUseFd(fd))
	if err == nil {
		err = socket.Bind(l.String())
	}
	if err != nil { // else it is libzmq's
		seam.Unlisten(fd)
	}
	return errors.Join(err, socket.SetUseFd(-1))
}

// removePaths removes the files of the listeners that were made here.
func (s *Server) removePaths() {
	for _, p := range s.paths {
		_ = os.Remove(p)
	}
}

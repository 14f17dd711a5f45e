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
	"github.com/streamq/streamq-proxy/stream/libzmq"
	"github.com/streamq/streamq-proxy/stream/seam"
)

// backlog of the listeners: who does not fit waits for his SYN to be sent again, or
// is refused by a unix listener at once.
const backlog = 4096

// listen binds an endpoint for requests and, where an operator may call, the one
// for events beside it.
func (s *Server) listen(l listener) error {
	setting := l.String()
	addresses, err := l.Resolve()
	if err != nil {
		return fmt.Errorf("control %s: %w", l.Endpoint, err)
	}
	if l, err = l.at(addresses); err != nil {
		return fmt.Errorf("control: %w", err)
	}
	bound, err := s.bind(s.router, l, l.domain, Listener{Setting: setting})
	if err != nil {
		return err
	}
	s.bound = append(s.bound, bound)
	if l.domain == domainNULL && s.cfg.LoopbackLevel < wire.Operator {
		return nil
	}
	beside := listener{l.Beside(eventsSuffix), l.domain}
	at, err := s.bind(s.pub, beside, l.domain.events(), Listener{Setting: setting, Events: true})
	if err != nil {
		return fmt.Errorf("%w (for the events of %s)", err, l.Endpoint)
	}
	if s.eventsAt[l.domain] == "" {
		s.eventsAt[l.domain] = at
	}
	return nil
}

// bind has a socket listen at l. Options that libzmq reads when it binds (the
// security, the domain, the descriptor) are of this endpoint only.
func (s *Server) bind(socket *zmq4.Socket, l listener, at domain, as Listener) (bound string, err error) {
	err = errors.Join(socket.SetZapDomain(string(at)), socket.SetIpv6(!isIPv4(l.Host)))
	if l.domain == domainCURVE {
		err = errors.Join(err, socket.SetCurveServer(1), socket.SetCurveSecretkey(s.cert.Secret))
	} else if libzmq.HasCurve() { // libzmq without has no such option, nor an endpoint that set it
		err = errors.Join(err, socket.SetCurveServer(0))
	}
	if err != nil {
		return "", fmt.Errorf("control %s: %w", l.Endpoint, err)
	}
	as.FD, err = s.descriptor(l, as)
	if err == nil {
		bound, err = s.give(socket, l, as)
	}
	switch {
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

// descriptor is a listener's, made here or by the process that this one succeeds.
func (s *Server) descriptor(l listener, as Listener) (int, error) {
	for _, from := range s.cfg.Inherit {
		if from.Setting == as.Setting && from.Events == as.Events {
			return syscall.Dup(from.FD)
		}
	}
	if l.File() != "" {
		return s.listenFile(l.File())
	}
	return stream.ListenTCP(l.Endpoint)
}

// give hands a listener to libzmq, or closes it.
func (s *Server) give(socket *zmq4.Socket, l listener, as Listener) (bound string, err error) {
	handed := "tcp://127.0.0.1:0" // of which libzmq takes only that it is tcp
	if l.File() != "" {
		s.paths = append(s.paths, l.File())
		handed = l.String()
		err = seam.Favour(as.FD) // operators are let in when descriptors are scarce
	}
	syscall.CloseOnExec(as.FD)
	if err = errors.Join(err, socket.SetUseFd(as.FD)); err == nil {
		err = socket.Bind(handed)
	}
	if err != nil { // else it is libzmq's
		seam.Unlisten(as.FD)
		return "", errors.Join(err, socket.SetUseFd(-1))
	}
	s.listeners = append(s.listeners, as)
	if bound = l.String(); l.File() == "" {
		bound, err = socket.GetLastEndpoint()
	}
	return bound, errors.Join(err, socket.SetUseFd(-1))
}

// listenFile makes the listener itself, since libzmq could set its mode only after
// somebody may have connected: the mode of an unbound socket is that of the file which
// bind(2) makes.
func (s *Server) listenFile(path string) (int, error) {
	if err := stream.FreePath(path); err != nil {
		return -1, err
	}
	mode := s.cfg.Mode
	if mode == 0 {
		mode = DefaultMode
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	err = syscall.Fchmod(fd, uint32(mode))
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
	}
	if err == nil { // the umask has taken bits away, which the configuration may have meant
		err = errors.Join(os.Chmod(path, mode), syscall.Listen(fd, backlog))
	}
	if err != nil {
		_ = syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Listeners are all that there are, by descriptors that stay the server's.
func (s *Server) Listeners() []Listener { return s.listeners }

// Leave has the files of the listeners stay when the server ends, for they are another
// process's. Of a server that inherits they are from the beginning.
func (s *Server) Leave() { s.left.Store(true) }

// Succeed has the files that were inherited be the server's own.
func (s *Server) Succeed() { s.left.Store(false) }

// removePaths removes the files of the listeners that were made here.
func (s *Server) removePaths() {
	if s.left.Load() {
		return
	}
	for _, p := range s.paths {
		_ = os.Remove(p)
	}
}

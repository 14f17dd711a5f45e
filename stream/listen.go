package stream

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/inuse"
	"github.com/streamq/streamq-proxy/stream/seam"
)

// listening is how a socket's listeners are made.
type listening struct {
	keepAlive   KeepAlive
	userTimeout time.Duration
	take        bool   // what they accept is taken from libzmq at its birth
	reads       uint64 // how many chunks libzmq may read of what is not taken, before more is allowed
}

// bind makes the socket listen on each endpoint. There is no way back but to
// close the socket: unbinding a STREAM listener takes with it every connection
// that it has accepted and still has.
func (s *socket) bind(role string, endpoints []string, how listening) error {
	for _, endpoint := range endpoints {
		if err := s.bindOne(endpoint, how); err != nil {
			return fmt.Errorf("%s %s: %w", role, endpoint, err)
		}
	}
	return nil
}

// bindOne listens at every address that an endpoint stands for, all with the same port.
func (s *socket) bindOne(endpoint string, how listening) error {
	ep, err := ParseEndpoint(endpoint)
	if err != nil {
		return err
	}
	if ep.Network == "ipc" {
		if err := FreePath(ep.Path); err != nil {
			return err
		}
	}
	all, err := ep.Resolve()
	if err != nil {
		return err
	}
	bound := 0
	for _, at := range all {
		if at.Port == 0 && bound > 0 {
			last, _ := ParseEndpoint(s.endpoints[len(s.endpoints)-1])
			at.Port = last.Port
		}
		switch err = s.bindAt(at, how); {
		case err == nil:
			bound++
		case len(all) > 1 && unusable(err): // a name's address of a family that this machine lacks
		default:
			return bindError(err, at)
		}
	}
	if bound == 0 {
		return bindError(err, ep)
	}
	return nil
}

// unusable: this machine has no such address, or is not allowed the family.
func unusable(err error) bool {
	return errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EACCES)
}

// bindAt makes a listener, has the seam follow it and gives it to libzmq. The
// options of a listener are those of what it accepts (tcp(7)), which costs libzmq and
// us nothing for each connection.
func (s *socket) bindAt(ep Endpoint, how listening) error {
	fd, err := listenAt(ep, how)
	if err != nil {
		return err
	}
	if err = s.owner.Listen(fd, how.take, how.reads); err != nil {
		closeDescriptor(fd)
		return err
	}
	if err = errors.Join(s.zmq.SetUseFd(fd), s.zmq.Bind(useFD(ep)), s.zmq.SetUseFd(-1)); err != nil {
		seam.Unlisten(fd)
		return err
	}
	s.listeners = append(s.listeners, fd)
	name := ep
	if ep.Network == "tcp" {
		local := ownEndpoint(fd)
		name.Host, name.Port = local.Addr().String(), local.Port()
	}
	s.endpoints = append(s.endpoints, name.String())
	s.notePath(ep)
	return nil
}

// useFD is what libzmq wants to hear beside a descriptor: of the endpoint it takes only the transport.
func useFD(ep Endpoint) string {
	if ep.Network == "ipc" {
		return ep.String()
	}
	return "tcp://127.0.0.1:0"
}

// listenAt makes a listening socket.
func listenAt(ep Endpoint, how listening) (fd int, err error) {
	if ep.Network == "ipc" {
		return newListener(unix.AF_UNIX, &unix.SockaddrUnix{Name: ep.Path}, nil)
	}
	options := func(fd int) error {
		return errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
			keep(fd, how.keepAlive, how.userTimeout))
	}
	if ep.Host == "*" {
		fd, err = newListener(unix.AF_INET6, &unix.SockaddrInet6{Port: int(ep.Port)}, func(fd int) error {
			return errors.Join(options(fd), unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0))
		})
		if !errors.Is(err, unix.EAFNOSUPPORT) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fd, err
		}
		return newListener(unix.AF_INET, &unix.SockaddrInet4{Port: int(ep.Port)}, options) // a machine without IPv6
	}
	ip, err := netip.ParseAddr(ep.Host)
	if err != nil {
		return -1, err
	}
	r := remote{address: netip.AddrPortFrom(ip.Unmap(), ep.Port)}
	return newListener(r.domain(), r.sockaddr(), options)
}

func newListener(domain int, at unix.Sockaddr, options func(fd int) error) (fd int, err error) {
	if fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, err
	}
	if options != nil {
		err = options(fd)
	}
	if err == nil {
		err = unix.Bind(fd, at)
	}
	if err == nil {
		err = unix.Listen(fd, listenBacklog)
	}
	if err != nil {
		closeDescriptor(fd)
		return -1, err
	}
	return fd, nil
}

// bindError puts what bind(2) says into the words that people search for.
func bindError(err error, ep Endpoint) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		if ep.Network == "ipc" {
			return inuse.Unix(ep.Path)
		}
		return inuse.TCP(ep.HostPort())
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.EADDRNOTAVAIL):
		return errors.New("this machine has no such address")
	case errors.Is(err, unix.EACCES):
		return errors.New("permission denied")
	}
	return err
}

// FreePath makes way for a unix listener. libzmq would take over the path of a
// program that is still serving it, so that case is refused here; a file that
// nobody listens on any more is removed.
func FreePath(path string) error {
	if strings.HasPrefix(path, "@") {
		return nil // bind(2) itself refuses an abstract name in use
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return errors.New("the path exists and is not a socket")
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED): // left behind
		return os.Remove(path)
	case err == nil:
		_ = c.Close()
	}
	return inuse.Unix(path)
}

// removePaths deletes the files of unix listeners, which outlive the socket,
// unless somebody else has put his there since.
func (s *socket) removePaths() {
	for path, made := range s.paths {
		if info, err := os.Lstat(path); err == nil && os.SameFile(info, made) {
			_ = os.Remove(path)
		}
	}
}

// notePath remembers which file a unix listener has made.
func (s *socket) notePath(ep Endpoint) {
	if ep.Network != "ipc" || strings.HasPrefix(ep.Path, "@") {
		return
	}
	if info, err := os.Lstat(ep.Path); err == nil {
		s.paths[ep.Path] = info
	}
}

// bound lists the endpoints, wildcard ports resolved.
func (s *socket) bound() []string { return append([]string(nil), s.endpoints...) }

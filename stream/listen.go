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

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/internal/inuse"
)

// bind makes the socket listen on each endpoint. There is no way back but to
// close the socket: unbinding a STREAM listener takes with it every connection
// that it has accepted.
func (s *socket) bind(role string, endpoints []string) error {
	for _, endpoint := range endpoints {
		if err := s.bindOne(endpoint); err != nil {
			return fmt.Errorf("%s %s: %w", role, endpoint, err)
		}
	}
	return nil
}

func (s *socket) bindOne(endpoint string) error {
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
	ep = all[0]
	if err := s.zmq.Bind(ep.String()); err != nil {
		return bindError(err, ep)
	}
	last, err := s.zmq.GetLastEndpoint()
	if err != nil {
		return fmt.Errorf("asking for the bound endpoint: %w", err)
	}
	s.endpoints = append(s.endpoints, unmapped(last))
	s.notePath(ep)
	return nil
}

// unmapped writes an IPv4 endpoint as one: on a socket that speaks IPv6, too,
// libzmq tells it as tcp://[::ffff:127.0.0.1]:5555.
func unmapped(endpoint string) string {
	ap, err := netip.ParseAddrPort(strings.TrimPrefix(endpoint, "tcp://"))
	if err != nil || !ap.Addr().Is4In6() {
		return endpoint
	}
	return "tcp://" + netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()).String()
}

// bindError puts what bind(2) says into the words that people search for.
func bindError(err error, ep Endpoint) error {
	switch syscall.Errno(zmq4.AsErrno(err)) {
	case syscall.EADDRINUSE:
		if ep.Network == "ipc" {
			return inuse.Unix(ep.Path)
		}
		return inuse.TCP(ep.HostPort())
	case syscall.ENODEV, syscall.EADDRNOTAVAIL:
		return errors.New("this machine has no such address")
	case syscall.EACCES:
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

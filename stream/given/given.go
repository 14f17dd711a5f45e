package given

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/sockets"
)

// Listeners are sockets that are taken one by one by whoever is configured to listen at their addresses.
// They are safe for concurrent use. A nil *Listeners is none.
type Listeners struct {
	stores bool

	mu  sync.Mutex
	all []listener
}

type listener struct {
	file *os.File
	at   unix.Sockaddr
}

// ErrNoListener says that a descriptor is of no use.
var ErrNoListener = errors.New("no stream socket that is bound to an address or a path")

// Of are the sockets that files are, which are the Listeners' from now on. stores: the manager keeps whatever it
// is told of. Errors: [ErrNoListener].
func Of(files []*os.File, stores bool) (*Listeners, error) {
	l := &Listeners{stores: stores}
	for _, f := range files {
		at, err := boundTo(int(f.Fd()))
		if err != nil {
			return nil, fmt.Errorf("the service manager gave descriptor %d (%s): %w", f.Fd(), f.Name(), err)
		}
		l.all = append(l.all, listener{f, at})
	}
	return l, nil
}

// boundTo is where a stream socket is bound. One over TCP may be shut, as a pool without workers has its ports: it can
// listen again.
func boundTo(fd int) (unix.Sockaddr, error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_STREAM {
		return nil, ErrNoListener
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return nil, err
	}
	switch at := at.(type) {
	case *unix.SockaddrInet4, *unix.SockaddrInet6:
		if addrPort(at).Port() != 0 {
			return at, nil
		}
	case *unix.SockaddrUnix:
		if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && listens != 0 && at.Name != "" {
			return at, nil
		}
	}
	return nil, ErrNoListener
}

func addrPort(at unix.Sockaddr) netip.AddrPort {
	switch at := at.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port))
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(at.Addr)
		if at.ZoneId != 0 {
			ip = ip.WithZone(fmt.Sprint(at.ZoneId))
		}
		return netip.AddrPortFrom(ip, uint16(at.Port))
	}
	return netip.AddrPort{}
}

// Stores says whether the manager has the listeners that are made here, too.
func (l *Listeners) Stores() bool { return l != nil && l.stores }

// TCP takes the listener at an address; without one, at every address of the machine, of both families where there are two.
func (l *Listeners) TCP(at netip.AddrPort) (fd int, found bool) {
	if !at.Addr().IsValid() {
		if fd, found = l.TCP(netip.AddrPortFrom(netip.IPv6Unspecified(), at.Port())); found {
			return fd, true
		}
		at = netip.AddrPortFrom(netip.IPv4Unspecified(), at.Port())
	}
	_, want := sockets.Sockaddr(netip.AddrPortFrom(at.Addr().Unmap(), at.Port())) // has the zone as a number
	return l.take(func(one *listener) bool { return addrPort(one.at) == addrPort(want) })
}

// Unix takes the listener at a path, @NAME in the abstract namespace. One whose file is gone is closed: nobody can
// reach it any more.
func (l *Listeners) Unix(path string) (fd int, found bool) {
	fd, found = l.take(func(one *listener) bool { return one.isAt(path) })
	if !found || path[0] == '@' {
		return fd, found
	}
	if _, err := os.Lstat(path); err != nil {
		_ = unix.Close(fd)
		return -1, false
	}
	return fd, true
}

// HasUnix says whether Unix would find one.
func (l *Listeners) HasUnix(path string) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.all, func(one listener) bool { return one.isAt(path) })
}

// isAt says whether it is the unix listener at a path.
func (l *listener) isAt(path string) bool {
	at, is := l.at.(*unix.SockaddrUnix)
	return is && at.Name == path
}

// take is a copy of the first that is wanted, which the caller closes. The one that came is closed.
func (l *Listeners) take(wanted func(*listener) bool) (fd int, found bool) {
	if l == nil {
		return -1, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.all {
		if !wanted(&l.all[i]) {
			continue
		}
		file := l.all[i].file
		fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err == nil {
			err = unix.SetNonblock(fd, true)
		}
		if err != nil {
			return -1, false
		}
		_ = file.Close()
		l.all = slices.Delete(l.all, i, i+1)
		return fd, true
	}
	return -1, false
}

// Close closes those that nobody took, and says where they were bound.
func (l *Listeners) Close() (left []string) {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.all {
		if at, unixOne := one.at.(*unix.SockaddrUnix); unixOne {
			left = append(left, "ipc://"+at.Name)
		} else {
			left = append(left, "tcp://"+addrPort(one.at).String())
		}
		_ = one.file.Close()
	}
	l.all = nil
	return left
}

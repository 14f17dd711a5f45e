package stream

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/given"
	"github.com/streamq/streamq-proxy/stream/inuse"
	"github.com/streamq/streamq-proxy/stream/sockets"
)

// ipc is unix sockets, with a file or in the abstract namespace (unix(7)).
type ipc struct{}

func (ipc) listen(ep Endpoint, _ listening) (fd int, err error) {
	return newListener(unix.AF_UNIX, &unix.SockaddrUnix{Name: ep.Path}, nil)
}

func (ipc) options(int, listening) error { return nil }

func (ipc) given(all *given.Listeners, ep Endpoint) (fd int, found bool) { return all.Unix(ep.Path) }

func (ipc) bound(ep Endpoint, _ int) Endpoint { return ep }

func (ipc) handed(ep Endpoint) string { return ep.String() }

func (ipc) inUse(ep Endpoint) error { return inuse.Unix(ep.Path) }

func (ipc) remote(ep Endpoint) sockets.Remote {
	return sockets.AtPath(ep.Path) // @ is the abstract namespace there, too
}

// FreePath makes way for the file of a unix listener, "" for none. libzmq would take over
// the path of a program that is still serving it, so that case is refused here; a file that
// nobody listens on any more is removed.
func FreePath(path string) error {
	if path == "" {
		return nil // bind(2) itself refuses an address or an abstract name in use
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

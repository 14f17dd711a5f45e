package seam

// #include "seam.h"
// #include <unistd.h>
import "C"

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"
)

// checkPatience is how long a step of [Check] may take; all of them take
// milliseconds where the seam is in force.
const checkPatience = 5 * time.Second

// calls of libzmq's that came this way.
type calls struct{ accept, interest, receive, send, close uint64 }

func counted() calls {
	var c C.seam_calls
	C.seam_count(&c)
	return calls{uint64(c.accept), uint64(c.interest), uint64(c.receive), uint64(c.send), uint64(c.close)}
}

// since is what came after an earlier count.
func (c calls) since(before calls) calls {
	return calls{c.accept - before.accept, c.interest - before.interest, c.receive - before.receive, c.send - before.send, c.close - before.close}
}

// missing are the functions that libzmq finds elsewhere.
func (c calls) missing() (names []string) {
	for _, f := range []struct {
		name  string
		calls uint64
	}{{"accept4", c.accept}, {"epoll_ctl", c.interest}, {"recv", c.receive}, {"send", c.send}, {"close", c.close}} {
		if f.calls == 0 {
			names = append(names, f.name)
		}
	}
	return names
}

// Check has a connection come, say a byte, hear one and go through a STREAM socket
// of its own, and says in one line what of that libzmq did without asking: then
// nothing that this package promises holds in this program. Nobody else may be
// using the package's functions at the same time, or what they do counts as well.
func Check(ctx *zmq4.Context) error {
	if own := int(C.getpid()); own != os.Getpid() { // as libzmq will be told it
		return fmt.Errorf("this build cannot serve: it takes itself for process %d", own)
	}
	before := counted()
	err := checkConnection(ctx)
	if errors.Is(err, errNoListener) {
		return fmt.Errorf("trying libzmq: %w", err)
	}
	missing := counted().since(before).missing()
	// libzmq closes behind the notice that says so.
	for until := time.Now().Add(checkPatience); err == nil && len(missing) == 1 && missing[0] == "close" && time.Now().Before(until); {
		time.Sleep(time.Millisecond)
		missing = counted().since(before).missing()
	}
	if len(missing) > 0 {
		return fmt.Errorf("this build cannot serve: its libzmq does not use the program's own %s "+
			"(build with cgo and external linking, and a libzmq that uses epoll(7))", strings.Join(missing, ", "))
	}
	if err != nil {
		return fmt.Errorf("trying libzmq: %w", err)
	}
	return nil
}

// errNoListener is wrapped where the check cannot begin, so that it says nothing of libzmq.
var errNoListener = errors.New("no listener at an abstract unix address")

func checkConnection(ctx *zmq4.Context) (err error) {
	listener, address, err := listenAnywhere()
	if err != nil {
		return fmt.Errorf("%w: %w", errNoListener, err)
	}
	owner, err := NewOwner()
	if err != nil {
		_ = unix.Close(listener)
		return err
	}
	defer owner.Close()
	if err := owner.Listen(listener, false, 8); err != nil {
		_ = unix.Close(listener)
		return err
	}
	socket, err := ctx.NewSocket(zmq4.STREAM)
	if err != nil {
		Unlisten(listener)
		return err
	}
	defer func() { err = errors.Join(err, socket.Close()) }()
	if err := errors.Join(
		socket.SetLinger(0), socket.SetRcvtimeo(checkPatience), socket.SetSndtimeo(checkPatience),
		socket.SetUseFd(listener),
	); err != nil {
		Unlisten(listener)
		return err
	}
	if err := socket.Bind("ipc://" + strings.TrimPrefix(address.Name, "@")); err != nil {
		Unlisten(listener)
		return err
	}
	return converse(owner, socket, address)
}

// severEnded waits for the connection whose far end has ended, and lets go of it.
func (o *Owner) severEnded(patience time.Duration) error {
	for until := time.Now().Add(patience); time.Now().Before(until); {
		poll := []unix.PollFd{{Fd: int32(o.Descriptor()), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, int(patience/time.Millisecond)); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for _, fd := range o.News(make([]int32, 1)) {
			if Ended(int(fd)).FIN {
				Sever(int(fd))
				Release(int(fd))
				return nil
			}
		}
	}
	return errors.New("no news of a connection's end")
}

// listenAnywhere listens on a unix socket without a file, under a name that nobody else has: gVisor's kernel chooses
// none by itself (autobind, see unix(7)).
func listenAnywhere() (fd int, address *unix.SockaddrUnix, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, nil, err
	}
	address = &unix.SockaddrUnix{Name: "@streamq-" + rand.Text()}
	if err := errors.Join(unix.Bind(fd, address), unix.Listen(fd, 1)); err != nil {
		_ = unix.Close(fd)
		return -1, nil, err
	}
	return fd, address, nil
}

// converse connects, sends a byte, hears one and leaves, and looks at what the
// socket makes of it.
func converse(owner *Owner, socket *zmq4.Socket, to *unix.SockaddrUnix) error {
	before := counted().receive
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Connect(fd, to); err != nil {
		return err
	}
	peer, properties, err := socket.RecvMessageBytesWithMetadata(0, "__fd") // the notice
	if err != nil {
		return err
	}
	if properties["__fd"] == "" {
		return errors.New("its notice of a connection over ipc names no descriptor, without which nobody could be served")
	}
	if _, err := unix.Write(fd, []byte{1}); err != nil {
		return err
	}
	if _, err := socket.RecvMessageBytes(0); err != nil {
		return err
	}
	if _, err := socket.SendMessage(peer[0], []byte{1}); err != nil {
		return err
	}
	var b [1]byte
	if _, err := unix.Read(fd, b[:]); err != nil {
		return err
	}
	if err := unix.Shutdown(fd, unix.SHUT_RDWR); err != nil {
		return err
	}
	if counted().receive > before { // else libzmq is told of the end by the kernel
		if err := owner.severEnded(checkPatience); err != nil {
			return err
		}
	}
	_, err = socket.RecvMessageBytes(0) // the notice of its end
	return err
}

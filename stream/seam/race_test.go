package seam_test

import (
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/seam"
)

// TestNewsAcrossOwners has one owner release a connection of which it was told and
// did not hear, and another get the number: its own news must come to it, and none
// to the first.
func TestNewsAcrossOwners(t *testing.T) {
	first, second := newDoor(t, "unix", false, 8), newDoor(t, "unix", false, 8)
	one := first.connect(t)
	h, _ := first.born(t)
	if seam.Await(h.fd, 1) {
		t.Fatal("a byte was written already")
	}
	send(t, first, h.peer, "x")
	eventually(t, "there is news", func() bool { return readable(first.owner.Descriptor()) })
	seam.Sever(h.fd)
	seam.Release(h.fd)
	must(t, unix.Close(one))
	eventually(t, "libzmq has closed it", func() bool { return !isOpen(h.fd) })

	// The lowest number that is free is the next connection's, once what lies below is taken.
	var reborn heard
	var held []int
	defer func() {
		for _, fd := range held {
			_ = unix.Close(fd)
		}
	}()
	for reborn.fd != h.fd {
		if len(held) > 100 {
			t.Fatalf("no connection came to number %d again", h.fd)
		}
		held = append(held, second.connect(t))
		reborn, _ = second.born(t)
	}
	if seam.Await(reborn.fd, 1) {
		t.Fatal("a byte was written already")
	}
	send(t, second, reborn.peer, "y")
	if got := second.news(t); len(got) != 1 || int(got[0]) != reborn.fd {
		t.Errorf("the second owner is told of %v, want %d", got, reborn.fd)
	}
	if got := first.owner.News(make([]int32, 8)); len(got) != 0 {
		t.Errorf("the first owner is told of %v, which it has released", got)
	}
}

func readable(fd int) bool {
	n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return n > 0
}

func send(t *testing.T, d *door, peer, text string) {
	t.Helper()
	if _, err := d.socket.SendMessage(peer, text); err != nil {
		t.Fatal(err)
	}
}

var networks = []string{"tcp", "unix"}

// TestOwnerEndsAmidBirths ends owners while libzmq's threads accept, read, write and
// close what they have. Nobody keeps a descriptor, and nobody is told through an
// owner that is gone.
func TestOwnerEndsAmidBirths(t *testing.T) {
	const rounds, threads = 10, 4
	for _, network := range networks {
		for range rounds {
			d := newDoor(t, network, false, 1)
			stopping := make(chan struct{})
			var callers sync.WaitGroup
			for range threads {
				callers.Go(func() {
					for {
						select {
						case <-stopping:
							return
						default:
							callAndLeave(d.to)
						}
					}
				})
			}
			for n := 0; n < 20; {
				h := d.hear(t, patience)
				if !h.ok {
					t.Fatal("nobody comes")
				}
				if _, err := d.owner.Claim(h.fd); err == nil && h.text == "" {
					seam.Await(h.fd, 1)
					_, _ = d.socket.SendMessage(h.peer, "x")
					n++
				}
			}
			d.owner.Close()
			d.closed = true
			close(stopping)
			callers.Wait()
			must(t, d.socket.Close())
			eventually(t, "all are closed", func() bool { return seam.Followed() == 0 })
		}
	}
}

// callAndLeave connects, says something and closes.
func callAndLeave(to unix.Sockaddr) {
	family := unix.AF_INET
	if _, ok := to.(*unix.SockaddrUnix); ok {
		family = unix.AF_UNIX
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	limit := unix.NsecToTimeval(time.Second.Nanoseconds())
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit)
	if unix.Connect(fd, again(to)) == nil {
		_, _ = unix.Write(fd, []byte("hello"))
	}
}

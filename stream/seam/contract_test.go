package seam_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/seam"
	"github.com/streamq/streamq-proxy/stream/seam/seamtest"
)

// TestContract has libzmq's STREAM sockets keep what the fake keeps.
func TestContract(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			seamtest.Contract(t, func(t *testing.T, take bool, reads uint64) seamtest.Door {
				return &realDoor{t, newDoor(t, network, take, reads)}
			})
		})
	}
}

// realDoor is a door in the kernel.
type realDoor struct {
	t *testing.T
	*door
}

func (d *realDoor) Connect() (seamtest.Caller, error) {
	fd, err := d.tryConnect(d.t)
	if err != nil {
		return nil, err
	}
	c := &realCaller{d.t, fd}
	d.t.Cleanup(c.Close)
	return c, nil
}

func (d *realDoor) Hear(patient bool) (seamtest.Heard, bool) {
	limit := 30 * time.Millisecond
	if patient {
		limit = patience
	}
	h := d.hear(d.t, limit)
	return seamtest.Heard{Peer: h.peer, Text: h.text, FD: h.fd}, h.ok
}

// Send leaves out who has gone: his notice is under way.
func (d *realDoor) Send(peer, text string) {
	if _, err := d.socket.SendMessage(peer, text); err != nil && !errors.Is(err, unix.EHOSTUNREACH) {
		d.t.Logf("sending: %v", err)
	}
}

func (d *realDoor) InUse(fd int) bool { return isOpen(fd) }

func (d *realDoor) Read(fd, n int) string {
	b := make([]byte, n)
	got := 0
	eventually(d.t, "all can be read", func() bool {
		n, err := unix.Read(fd, b[got:])
		if err == nil {
			got += n
		}
		return got == len(b)
	})
	return string(b)
}

func (d *realDoor) Claim(fd int) (seam.Birth, error)     { return d.owner.Claim(fd) }
func (d *realDoor) Allow(fd int, reads uint64) error     { return seam.Allow(fd, reads) }
func (d *realDoor) Stop(fd int) (reads uint64, ok bool)  { return seam.Stop(fd) }
func (d *realDoor) Part(fd int)                          { seam.Part(fd) }
func (d *realDoor) Sent(fd int) (bytes uint64, ok bool)  { return seam.Sent(fd) }
func (d *realDoor) Await(fd int, bytes uint64) (is bool) { return seam.Await(fd, bytes) }
func (d *realDoor) Ended(fd int) seam.End                { return seam.Ended(fd) }
func (d *realDoor) Sever(fd int)                         { seam.Sever(fd) }
func (d *realDoor) Reset(fd int)                         { seam.Reset(fd) }
func (d *realDoor) Release(fd int)                       { seam.Release(fd) }
func (d *realDoor) News() []int32                        { return d.news(d.t) }
func (d *realDoor) Take(take bool)                       { seam.Take(d.listener, take) }
func (d *realDoor) Shut() error                          { return seam.Shut(d.listener) }
func (d *realDoor) Open() error                          { return seam.Open(d.listener, 1024) }
func (d *realDoor) Pause(paused bool)                    { seam.Pause(d.listener, paused) }
func (d *realDoor) Mark(mark uint64)                     { seam.Mark(d.listener, mark) }
func (d *realDoor) EndOwner()                            { d.owner.Close(); d.ownerless = true }

func (d *realDoor) Reopens() bool {
	_, tcp := d.to.(*unix.SockaddrInet4)
	return tcp
}

func (d *realDoor) Resets() bool { return d.Reopens() } // TCP's are all that there are

type realCaller struct {
	t  *testing.T
	fd int // -1 when closed
}

func (c *realCaller) Write(text string) {
	if _, err := unix.Write(c.fd, []byte(text)); err != nil {
		c.t.Errorf("writing: %v", err)
	}
}

func (c *realCaller) Read(n int) string {
	b := make([]byte, n)
	got := 0
	for got < n {
		some, err := unix.Read(c.fd, b[got:])
		if err != nil || some == 0 {
			c.t.Errorf("%d, %v after %d bytes of %d", some, err, got, n)
			break
		}
		got += some
	}
	return string(b[:got])
}

func (c *realCaller) End() { must(c.t, unix.Shutdown(c.fd, unix.SHUT_WR)) }

func (c *realCaller) Told() (reset bool) {
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	must(c.t, unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit))
	n, err := unix.Read(c.fd, make([]byte, 1))
	if n > 0 || err != nil && !errors.Is(err, unix.ECONNRESET) {
		c.t.Errorf("%d bytes, %v for the end", n, err)
	}
	return err != nil
}

func (c *realCaller) Close() {
	if c.fd >= 0 {
		must(c.t, unix.Close(c.fd))
	}
	c.fd = -1
}

func (c *realCaller) Reset() {
	must(c.t, unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	c.Close()
}

func (c *realCaller) Name() netip.AddrPort { return nameOf(c.t, c.fd) }

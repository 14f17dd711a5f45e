package sockets

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestConnect: a connection to this machine is there at once, with both its ends, and can be read and written.
func TestConnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	to := At(netip.MustParseAddrPort(l.Addr().String()))
	c, connected, err := to.Connect()
	if err != nil || !connected {
		t.Fatalf("connected %v, %v", connected, err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if err := to.SetUp(c.FD); err != nil {
		t.Fatal(err)
	}
	if c.Peer.String() != far.LocalAddr().String() || c.Own.String() != far.RemoteAddr().String() {
		t.Errorf("from %v to %v, which are %v and %v", c.Own, c.Peer, far.RemoteAddr(), far.LocalAddr())
	}
	if n, err := Write(c.FD, []byte("hello")); n != 5 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	b := make([]byte, 5)
	if _, err := far.Read(b); err != nil || string(b) != "hello" {
		t.Errorf("came %q, %v", b, err)
	}
	if n, err := Read(c.FD, b); n != 0 || !errors.Is(err, unix.EAGAIN) {
		t.Errorf("read %d, %v", n, err)
	}
	DropUnsent(c.FD)
	Close(c.FD)
	if _, err := far.Read(b); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the other side saw %v", err)
	}
}

// A probe finds out whether somebody listens, and accept(2) never returns it: what is accepted is the connection after all of them.
func TestProbeIsNotAccepted(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		l, err := net.Listen("tcp", host+":0")
		if err != nil {
			t.Skip(err) // a machine without IPv6
		}
		to := At(netip.MustParseAddrPort(l.Addr().String()))
		slow := map[string]bool{} // the kernel sends an ACK after 200 ms, in which a busy machine may not have come to close it
		for range 100 {
			began := time.Now()
			c, connected, err := to.Probe()
			if err != nil || !connected {
				t.Fatalf("connected %v, %v", connected, err)
			}
			Close(c.FD)
			slow[c.Own.String()] = time.Since(began) > 100*time.Millisecond
		}
		c, _, err := to.Connect()
		if err != nil {
			t.Fatal(err)
		}
		for from := ""; from != c.Own.String(); {
			far, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if from = far.RemoteAddr().String(); from != c.Own.String() && !slow[from] {
				t.Errorf("accept(2) returned %v, and %v has connected", from, c.Own)
			}
			far.Close()
		}
		Close(c.FD)
		l.Close()
		if c, connected, err := to.Probe(); connected || !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("nobody listens: descriptor %d, connected %v, %v", c.FD, connected, err)
		}
	}
}

// A connection that has met itself is nobody's.
func TestDialThatMeetsItself(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	own := At(OwnEnd(fd))
	if err := unix.Connect(fd, own.at); err != nil {
		t.Fatal(err)
	}
	if connected, err := own.Connected(&Connection{FD: fd}); connected || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connected %v, %v", connected, err)
	}
}

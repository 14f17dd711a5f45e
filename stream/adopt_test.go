package stream

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// A sender that goes on while the account is taken must not hide a byte that
// somebody has swallowed: the account may be too large, which ends the pair, and
// never too small, which would lose the byte in silence.
func TestAccountNeverMissesAByte(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	sender, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	receiver, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	file, err := receiver.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd := int(file.Fd())

	send := func() {
		before, _ := unix.IoctlGetInt(fd, unix.SIOCINQ)
		if _, err := sender.Write([]byte{1}); err != nil {
			t.Error(err)
		}
		for now := before; now == before; now, _ = unix.IoctlGetInt(fd, unix.SIOCINQ) {
			_ = now // loopback delivers before write(2) returns, almost always
		}
	}
	send()
	var swallowed [1]byte
	if _, err := unix.Read(fd, swallowed[:]); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got := takenOutNow(fd, send); got < 1 {
			t.Fatalf("%d bytes were taken out by the account, and 1 in truth", got)
		}
	}
	if got := takenOut(fd); got != 1 {
		t.Fatalf("%d bytes were taken out by the account of a silent sender, and 1 in truth", got)
	}
}

package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/sockets"
)

// patientDials: no dial ends because its time is up.
func patientDials(c *Config) { c.ConnectTimeout = time.Hour }

// outcome is what has become of a dial.
type outcome struct {
	fd  int
	err error
}

// dial has the loop dial endpoint for a client, 0 for nobody.
func (r *rig) dial(client pairing.PeerID, endpoint string) <-chan outcome {
	done := make(chan outcome, 1)
	r.onLoop(func(l *loop) {
		l.dialler.connect(client, pairing.Action{Endpoint: endpoint}, func(_ pairing.PeerID, to connection, err error) {
			sockets.Close(to.FD)
			done <- outcome{to.FD, err}
		})
	})
	return done
}

func (r *rig) expectDial(done <-chan outcome) error {
	r.t.Helper()
	select {
	case o := <-done:
		if (o.fd >= 0) != (o.err == nil) {
			r.t.Fatalf("descriptor %d and error %v", o.fd, o.err)
		}
		return o.err
	case <-time.After(patience):
		r.t.Fatal("the dial does not end")
		return nil
	}
}

func (r *rig) dialled(endpoint string) error {
	r.t.Helper()
	return r.expectDial(r.dial(0, endpoint))
}

// blackHoleAt is a TCP address that answers nobody: a listener with its backlog full.
func blackHoleAt(t *testing.T, ip string, port int) *net.TCPAddr {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	at := &unix.SockaddrInet4{Addr: netip.MustParseAddr(ip).As4(), Port: port}
	if err := errors.Join(unix.Bind(fd, at), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	hole := net.TCPAddrFromAddrPort(sockets.OwnEnd(fd))
	for range 4 { // more than the backlog takes
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(c) })
		at.Port = hole.Port
		if err := unix.Connect(c, at); !errors.Is(err, unix.EINPROGRESS) {
			t.Fatal(err)
		}
	}
	return hole
}

func blackHoleTCP(t *testing.T) *net.TCPAddr { return blackHoleAt(t, "127.0.0.1", 0) }

// refusing is a TCP address at which nobody listens; the test keeps its port from others.
func refusing(t *testing.T, ip string) netip.AddrPort {
	t.Helper()
	domain, at := sockets.Sockaddr(netip.AddrPortFrom(netip.MustParseAddr(ip), 0))
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		t.Cleanup(func() { _ = unix.Close(fd) })
		err = unix.Bind(fd, at)
	}
	if err != nil {
		t.Skip(err)
	}
	return sockets.OwnEnd(fd)
}

// What cannot be reached fails in the words of Go's net.
func TestDialThatFails(t *testing.T) {
	r := newRig(t, patientDials)
	none := filepath.Join(t.TempDir(), "none")
	for _, c := range []struct{ network, address, endpoint string }{
		{"tcp", refusing(t, "127.0.0.1").String(), "tcp://"},
		{"tcp", refusing(t, "::1").String(), "tcp://"},
		{"tcp", "[fe80::1%nowhere]:1", "tcp://"},
		{"unix", none, "ipc://"},
		{"unix", "@streamq-nobody-is-here", "ipc://"},
	} {
		_, want := net.Dial(c.network, c.address)
		got := r.dialled(c.endpoint + c.address)
		if got == nil || got.Error() != want.Error() {
			t.Errorf("%s: %v, want %v", c.address, got, want)
		}
	}
	r.onLoop(func(l *loop) {
		l.dialler.resolve = func(_ context.Context, _, host string) ([]netip.Addr, error) {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
	})
	if err := r.dialled("tcp://nobody.test:1"); err == nil || err.Error() != "dial tcp: lookup nobody.test: no such host" {
		t.Errorf("a host that does not exist: %v", err)
	}
}

// Nobody answers: the dial ends when its time is up.
func TestDialTimesOut(t *testing.T) {
	r := newRig(t, func(c *Config) { c.ConnectTimeout = 50 * time.Millisecond })
	hole := blackHoleTCP(t)
	want := &net.OpError{Op: "dial", Net: "tcp", Addr: hole, Err: os.ErrDeadlineExceeded}
	if err := r.dialled("tcp://" + hole.String()); err == nil || err.Error() != want.Error() {
		t.Errorf("%v, want %v", err, want)
	}
	r.expectQuiet()
}

// A client that goes takes its dial along, and that takes its descriptor.
func TestDialEndsWithItsClient(t *testing.T) {
	r := newRig(t, patientDials, withWorker("tcp://"+blackHoleTCP(t).String()))
	client := r.client()
	send(t, client, signature)
	eventually(t, "the client's dial is under way", func() (is bool) {
		r.onLoop(func(l *loop) { is = len(l.dialler.clients) == 1 })
		return is
	})
	_ = client.Close()
	r.expectQuiet()
	r.onLoop(func(l *loop) {
		if d := l.dialler; len(d.dials) > 0 || !d.idle() || d.running > 0 {
			t.Errorf("left: %d dials, %d run", len(d.dials), d.running)
		}
	})
}

// Of a host's addresses one after the other is tried, beside those that are
// silent, until one answers; if none does the first one's error is told.
func TestDialOfHost(t *testing.T) {
	r := newRig(t, patientDials)
	refuses, silent, answers := netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3"), netip.MustParseAddr("127.0.0.4")
	l, err := net.Listen("tcp4", answers.String()+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := l.Addr().(*net.TCPAddr).Port
	endpoint := Endpoint{Network: "tcp", Host: "several.test", Port: uint16(port)}.String()
	blackHoleAt(t, silent.String(), port)
	found := func(ips ...netip.Addr) {
		r.onLoop(func(l *loop) {
			l.dialler.resolve = func(context.Context, string, string) ([]netip.Addr, error) { return ips, nil }
		})
	}
	found(refuses, silent, answers)
	if err := r.dialled(endpoint); err != nil {
		t.Errorf("the last address answers, and yet: %v", err)
	}
	found(netip.AddrFrom16(answers.As16())) // as resolvers may write it
	if err := r.dialled(endpoint); err != nil {
		t.Error(err)
	}
	for _, none := range [][]netip.Addr{nil, {netip.IPv4Unspecified(), netip.IPv6LinkLocalAllNodes()}} {
		found(none...)
		if err := r.dialled(endpoint); !errors.Is(err, errNoAddress) {
			t.Errorf("%v: %v, want %v", none, err, errNoAddress)
		}
	}
	found(refuses, netip.MustParseAddr("127.0.0.5"))
	_, want := net.Dial("tcp", netip.AddrPortFrom(refuses, uint16(port)).String())
	if err := r.dialled(endpoint); err == nil || err.Error() != want.Error() {
		t.Errorf("%v, want %v", err, want)
	}
	r.expectQuiet()
}

// A name is looked up beside the loop, which gives the look-up up with the dial.
func TestLookUpIsGivenUp(t *testing.T) {
	r := newRig(t, patientDials)
	asked, ended := make(chan struct{}), make(chan struct{})
	r.onLoop(func(l *loop) {
		l.dialler.resolve = func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			close(asked)
			<-ctx.Done()
			close(ended)
			return nil, ctx.Err()
		}
	})
	r.dial(1, "tcp://slow.test:1")
	<-asked
	r.onLoop(func(l *loop) { l.cancelDial(1) })
	<-ended
	r.expectQuiet()
}

// The time of a look-up is the dial's, and stands still in a pause.
func TestLookUpTimesOut(t *testing.T) {
	r := newRig(t, func(c *Config) { c.ConnectTimeout = 50 * time.Millisecond })
	limited, ended := make(chan bool, 1), make(chan struct{})
	r.onLoop(func(l *loop) {
		l.dialler.resolve = func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			_, is := ctx.Deadline()
			limited <- is
			<-ctx.Done()
			close(ended)
			return nil, ctx.Err()
		}
	})
	if err := r.pool.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := r.dial(0, "tcp://slow.test:1")
	if <-limited {
		t.Error("the look-up's time does not stand still")
	}
	if err := r.pool.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.expectDial(done); err == nil || err.Error() != "dial tcp: lookup: i/o timeout" {
		t.Error(err)
	}
	<-ended
	r.expectQuiet()
}

// More dials than run at once: the others wait, and begin as some end.
func TestDialsWaitForRoom(t *testing.T) {
	const dials = 600
	r := newRig(t, patientDials)
	hole := "tcp://" + blackHoleTCP(t).String()
	for i := range dials {
		r.dial(pairing.PeerID(i+1), hole)
	}
	expect := func(waiting int) {
		t.Helper()
		r.onLoop(func(l *loop) {
			if d := l.dialler; d.running != maxDials || len(d.dials) != maxDials+waiting {
				t.Errorf("%d run, %d dials", d.running, len(d.dials))
			}
		})
	}
	expect(dials - maxDials)
	r.onLoop(func(l *loop) { l.cfg.ConnectTimeout = 50 * time.Millisecond })
	if err := r.expectDial(r.dial(0, hole)); !errors.Is(err, errTooManyDials) {
		t.Errorf("without room: %v", err)
	}
	worker, _ := listeningWorker(t)
	r.onLoop(func(l *loop) { l.cfg.ConnectTimeout = time.Hour })
	last := r.dial(0, worker)
	r.onLoop(func(l *loop) {
		for i := range dials - maxDials + 1 {
			l.cancelDial(pairing.PeerID(i + 1))
		}
	})
	if err := r.expectDial(last); err != nil {
		t.Errorf("in the end: %v", err)
	}
	r.onLoop(func(l *loop) {
		if d := l.dialler; d.running != maxDials-1 || len(d.queue) > 0 {
			t.Errorf("%d run, %d wait", d.running, len(d.queue))
		}
	})
}

// Dials that end together, because their time is up, leave their room to who waits.
func TestRoomOfDialsThatTimeOut(t *testing.T) {
	r := newRig(t, patientDials)
	hole := "tcp://" + blackHoleTCP(t).String()
	for range maxDials {
		r.dial(0, hole)
	}
	worker, _ := listeningWorker(t)
	last := r.dial(0, worker)
	r.onLoop(func(l *loop) {
		for _, x := range l.dialler.dials {
			if x.admitted {
				x.deadline = l.clock
				l.dialler.wakeAt(x, x.deadline)
			}
		}
	})
	if err := r.expectDial(last); err != nil {
		t.Error(err)
	}
}

// A dial has two descriptors at most, however many addresses are silent.
func TestDialOfSilentAddresses(t *testing.T) {
	r := newRig(t, patientDials)
	done := r.dial(0, "tcp://"+blackHoleTCP(t).String())
	silent := sockets.At(blackHoleTCP(t).AddrPort())
	r.onLoop(func(l *loop) {
		x := l.dialler.only()
		oldest := x.attempts[0].to
		for x.rest = []sockets.Remote{silent, silent, silent}; len(x.rest) > 0; {
			l.dialler.try(x)
		}
		if used, _ := l.ctx.Descriptors(); used != 2 || len(x.attempts) != 2 {
			t.Errorf("%d descriptors, %d attempts", used, len(x.attempts))
		}
		if want := oldest.Failed(os.ErrDeadlineExceeded); x.err == nil || x.err.Error() != want.Error() {
			t.Errorf("%v, want %v", x.err, want)
		}
		l.dialler.fail(x, x.err)
	})
	_ = r.expectDial(done)
	r.expectQuiet()
}

// An address that fails beside a silent one leaves its place to the next at once.
func TestDialGoesOnBesideSilence(t *testing.T) {
	r := newRig(t, patientDials)
	done := r.dial(0, "tcp://"+blackHoleTCP(t).String())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	fails, answers := blackHoleTCP(t).AddrPort(), l.Addr().(*net.TCPAddr).AddrPort()
	r.onLoop(func(l *loop) {
		x := l.dialler.only()
		x.rest = []sockets.Remote{sockets.At(fails), sockets.At(answers)}
		l.dialler.try(x)
		x.at = never // it is not the time that has it go on
		_ = unix.Shutdown(x.attempts[1].FD, unix.SHUT_RDWR)
	})
	if err := r.expectDial(done); err != nil {
		t.Error(err)
	}
	r.expectQuiet()
}

// only is the dial that is under way.
func (d *dialler) only() (x *dial) {
	for _, x = range d.dials {
	}
	return x
}

// A crowd's dials all come through.
func TestManyDialsAtOnce(t *testing.T) {
	r := newRig(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	all := make([]<-chan outcome, 600)
	for i := range all {
		all[i] = r.dial(0, "tcp://"+l.Addr().String())
	}
	for _, done := range all {
		if err := r.expectDial(done); err != nil {
			t.Fatal(err)
		}
	}
	r.expectQuiet()
}

// A worker on a unix socket that has no room for another connection at the moment
// is asked again, until the dial's time is up.
func TestUnixWorkerWithFullBacklog(t *testing.T) {
	r := newRig(t, patientDials)
	at := &unix.SockaddrUnix{Name: filepath.Join(t.TempDir(), "w")}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := errors.Join(unix.Bind(fd, at), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	if err := r.dialled("ipc://" + at.Name); err != nil { // takes all the room
		t.Fatal(err)
	}
	r.onLoop(func(l *loop) { l.cfg.ConnectTimeout = 50 * time.Millisecond })
	if err := r.dialled("ipc://" + at.Name); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("nobody accepts, and yet: %v", err)
	}
	r.onLoop(func(l *loop) { l.cfg.ConnectTimeout = time.Hour })
	done := r.dial(0, "ipc://"+at.Name)
	r.onLoop(func(l *loop) {
		if l.dialler.only() == nil {
			t.Error("the dial does not wait for room")
		}
	})
	accepted, _, err := unix.Accept(fd)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(accepted)
	if err := r.expectDial(done); err != nil {
		t.Errorf("there is room, and yet: %v", err)
	}
	r.expectQuiet()
}

// A want of ours is not the worker's failure, unless another of its addresses has failed.
func TestDialThatFailsForWantOfMemory(t *testing.T) {
	impatient := func(c *Config) {
		c.Pairing.QueueMax = 0 // a client whose dial has failed ends, and shows why
		c.Pairing.RetryMin, c.Pairing.RetryMax = time.Hour, time.Hour
	}
	for name, c := range map[string]struct {
		rest []sockets.Remote // addresses that are tried after the one with the want
		want pairing.Reason
	}{
		"the only address":        {nil, pairing.QueueFull},
		"another address refuses": {[]sockets.Remote{sockets.At(refusing(t, "127.0.0.1"))}, pairing.DialFailed},
		"another address is mute": {[]sockets.Remote{sockets.At(blackHoleTCP(t).AddrPort())}, pairing.DialFailed},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, patientDials, impatient, withWorker("tcp://"+blackHoleTCP(t).String()))
			client := r.client()
			send(t, client, signature)
			eventually(t, "the client's dial is under way", func() (is bool) {
				r.onLoop(func(l *loop) { is = len(l.dialler.clients) == 1 })
				return is
			})
			r.onLoop(func(l *loop) {
				x := l.dialler.only()
				x.failed(x.attempts[0].to, unix.ENOSPC)
				l.dialler.abandon(x, 0)
				x.rest = c.rest
				x.deadline = l.clock
				l.dialler.try(x)
			})
			r.expectReasons(1, c.want)
			if usable := r.snapshot().Usable; usable != (c.want == pairing.QueueFull) {
				t.Errorf("the worker takes clients: %v", usable)
			}
			r.expectQuiet()
		})
	}
}

// A worker that was gone is found by probes of which it hears nothing: what it accepts first is the client that has waited.
func TestProbesAreNotHeard(t *testing.T) {
	heard := func() bool {
		endpoint := refusingEndpoint(t)
		r := newRig(t, withWorker(endpoint), func(c *Config) { c.Pairing.RetryMin, c.Pairing.RetryMax = time.Millisecond, time.Millisecond })
		send(t, r.client(), nullPeer())
		eventually(t, "the worker is probed", func() bool { return r.snapshot().Stats.Probes > 1 })
		l, err := net.Listen("tcp", endpoint[len("tcp://"):])
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, len(nullPeer()))
		_, _ = io.ReadFull(accepting(t, l)(), b)
		return !bytes.Equal(b, nullPeer())
	}
	// The kernel sends an ACK after 200 ms, in which a busy machine may not have come to close a probe; but not again and again.
	for range 5 {
		if !heard() {
			return
		}
	}
	t.Error("the worker accepts a connection that says nothing")
}

// A worker behind a unix socket, with a file or without.
func TestUnixWorker(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "w"), "@streamq-dial-" + filepath.Base(t.TempDir())} {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		r := newRig(t, withWorker("ipc://"+path))
		r.dialledPair(func() net.Conn {
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			return c
		})
		_ = l.Close()
	}
}

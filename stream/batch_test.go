package stream

import (
	"bytes"
	"errors"
	"math"
	"net"
	"os"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/seam"
	"github.com/streamq/streamq-proxy/stream/sockets"
)

// tap is a STREAM socket that a test reads batch by batch.
type tap struct {
	t *testing.T
	*socket
	batch batch
}

func newTap(t *testing.T, options ...func(*zmq4.Socket) error) *tap {
	t.Helper()
	ctx, err := NewContext(1, 2)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := seam.NewOwner()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSocket(ctx, frontendSide, owner)
	if err != nil {
		t.Fatal(err)
	}
	for _, option := range options {
		if err := option(s.zmq); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.bind("frontend", []string{"tcp://127.0.0.1:0"}, listening{reads: math.MaxUint64}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close(); owner.Close(); _ = ctx.Close() })
	return &tap{t: t, socket: s}
}

func (s *tap) dial() net.Conn { return dialPeer(s.t, s.bound()[0]) }

// heard is what one run said, copied.
type heard struct {
	peer     uint32
	data     string
	messages int
	birth    birth
}

func (s *tap) next(most int) (all []heard, done bool) {
	s.t.Helper()
	_, done, err := s.receive(&s.batch, most)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range s.batch.runs() {
		r := s.batch.run(i)
		h := heard{peer: r.peer, data: string(r.data), messages: r.messages}
		if len(r.data) == 0 {
			h.birth = r.birth()
		}
		all = append(all, h)
	}
	return all, done
}

// hear receives until is says that all is there.
func (s *tap) hear(what string, is func([]heard) bool) (all []heard) {
	s.t.Helper()
	eventually(s.t, what, func() bool {
		for _, fd := range s.owner.News(make([]int32, 8)) {
			seam.Sever(int(fd)) // its far end has ended, of which libzmq is not told
		}
		more, _ := s.next(receiveBatch)
		all = append(all, more...)
		return is(all)
	})
	return all
}

// connect is a connection and what the socket said of it.
func (s *tap) connect() (net.Conn, heard) {
	s.t.Helper()
	c := s.dial()
	all := s.hear("a connect notice", func(all []heard) bool { return len(all) > 0 })
	if len(all) != 1 || all[0].data != "" {
		s.t.Fatalf("got %v, want one notice", all)
	}
	return c, all[0]
}

// awaitRead waits until libzmq has read all that was sent to it on its descriptor fd.
func awaitRead(t *testing.T, c net.Conn, fd int) {
	t.Helper()
	eventually(t, "libzmq has read it", func() bool {
		return unacknowledged(c) == 0 && unreadOf(fd) == 0
	})
}

// unreadOf is what the kernel has for a descriptor that nobody has read; 0 when it is none.
func unreadOf(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
	if err != nil {
		return 0
	}
	return n
}

func TestNoticeTellsOfThePeer(t *testing.T) {
	s := newTap(t)
	c, born := s.connect()
	if SourceAddress(born.birth.address) != "127.0.0.1" {
		t.Errorf("the address is %q", born.birth.address)
	}
	if far := sockets.PeerEnd(born.birth.fd); far.String() != c.LocalAddr().String() {
		t.Errorf("descriptor %d is connected to %v, want %v", born.birth.fd, far, c.LocalAddr())
	}
	_ = c.Close()
	end := s.hear("the end", func(all []heard) bool { return len(all) > 0 })
	if end[0].peer != born.peer || end[0].data != "" {
		t.Errorf("got %v, want a notice of %d", end, born.peer)
	}
}

// Every peer's bytes are together and in order, however its messages were mixed
// with those of others, and bounded by what was asked for.
func TestRunsOfSeveralPeers(t *testing.T) {
	s := newTap(t)
	conns, fds, want := map[uint32]net.Conn{}, map[uint32]int{}, map[uint32]string{}
	for range 3 {
		c, born := s.connect()
		conns[born.peer], fds[born.peer] = c, born.birth.fd
	}
	for round := range 5 {
		for peer, c := range conns {
			chunk := strings.Repeat(string(rune('a'+round)), 100+int(peer%7))
			send(t, c, []byte(chunk))
			want[peer] += chunk
			awaitRead(s.t, c, fds[peer])
		}
	}
	all, done := s.next(7)
	if total := count(all); total != 7 || done {
		t.Errorf("got %d messages, done %v; want 7 and more to come", total, done)
	}
	if len(all) != len(conns) {
		t.Errorf("%d runs of %d peers", len(all), len(conns))
	}
	rest := s.hear("the rest", func(all []heard) bool { return count(all) >= 8 })
	if total := count(rest); total != 8 {
		t.Errorf("got %d messages more, want 8", total)
	}
	got := map[uint32]string{}
	for _, h := range append(all, rest...) {
		got[h.peer] += h.data
	}
	for peer := range conns {
		if got[peer] != want[peer] {
			t.Errorf("peer %d said %q, want %q", peer, got[peer], want[peer])
		}
	}
}

func count(all []heard) (messages int) {
	for _, h := range all {
		messages += h.messages
	}
	return messages
}

// A peer that comes, speaks and goes within one batch is told of in that order,
// and its bytes are not joined with either notice.
func TestPeerGoesInABatch(t *testing.T) {
	s := newTap(t)
	stays, kept := s.connect()
	goes := s.dial()
	send(t, goes, []byte("farewell"))
	_ = goes.Close()
	send(t, stays, []byte("still here"))
	time.Sleep(20 * time.Millisecond) // so that most often all is in one batch; the outcome does not depend on it
	var story []string
	for _, h := range s.hear("all four", func(all []heard) bool { return count(all) >= 4 }) {
		if h.peer == kept.peer {
			if h.data != "still here" {
				t.Errorf("who stays said %q", h.data)
			}
			continue
		}
		story = append(story, h.data)
	}
	if got := strings.Join(story, "|"); got != "|farewell|" {
		t.Errorf("the other's runs are %q", got)
	}
	if got := s.send(kept.peer, []byte("answer")); got != taken {
		t.Errorf("sending after it: %v", got)
	}
	expect(t, stays, []byte("answer"))
}

// After a refused id no body follows: the socket keeps its step, and everyone
// else is served on.
func TestRefusedIDCostsNobodyAnything(t *testing.T) {
	s := newTap(t, func(z *zmq4.Socket) error { return z.SetSndhwm(4) })
	c, born := s.connect()
	for range 100 {
		if got := s.send(born.peer+1000, []byte("to nobody")); got != gone {
			t.Fatalf("sending to nobody: %v", got)
		}
	}
	if got := s.send(born.peer, []byte("to somebody")); got != taken {
		t.Fatalf("sending after it: %v", got)
	}
	expect(t, c, []byte("to somebody"))
	// A peer that reads nothing is full in the end, and that costs no step, either.
	deaf := s.dial()
	late := s.hear("the deaf one", func(all []heard) bool { return len(all) > 0 })[0]
	eventually(t, "it is full", func() bool { return s.send(late.peer, make([]byte, largeChunk)) == full })
	if got := s.send(late.peer, []byte("x")); got != full {
		t.Errorf("sending to who is full: %v", got)
	}
	if got := s.send(born.peer, []byte("once more")); got != taken {
		t.Fatalf("sending after it: %v", got)
	}
	expect(t, c, []byte("once more"))
	_ = deaf.Close()
}

// An empty body would close the peer, so it is never sent for data.
func TestEmptyBodyIsNotSent(t *testing.T) {
	s := newTap(t)
	c, born := s.connect()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("an empty body was sent")
			}
		}()
		s.send(born.peer, nil)
	}()
	send(t, c, []byte("still open"))
	s.hear("what it says", func(all []heard) bool { return len(all) > 0 && all[0].data == "still open" })
	if got := sendMessage(s.handle, born.peer, nil); got != taken {
		t.Errorf("closing: %v", got)
	}
	seam.Release(born.birth.fd)
	eventually(t, "it is closed", func() bool {
		if _, err := s.readable(); err != nil { // libzmq closes while it is being asked
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
	})
}

// A body larger than one read arrives whole, by one message or several.
func TestLargeBody(t *testing.T) {
	s := newTap(t)
	c, born := s.connect()
	body := bytes.Repeat([]byte("0123456789abcdef"), largeChunk/16)
	if got := s.send(born.peer, body); got != taken {
		t.Fatalf("sending: %v", got)
	}
	expect(t, c, body)
	send(t, c, body)
	got := ""
	s.hear("all of it", func(all []heard) bool {
		got = ""
		for _, h := range all {
			got += h.data
		}
		return len(got) >= len(body)
	})
	if got != string(body) {
		t.Error("the bytes are not the same")
	}
}

func TestBatchAllocatesNothing(t *testing.T) {
	s := newTap(t)
	c, born := s.connect()
	message, answer := make([]byte, 1000), make([]byte, 1000)
	n := testing.AllocsPerRun(200, func() {
		_, _ = c.Write(message)
		for got := 0; got < len(message); {
			if _, _, err := s.receive(&s.batch, receiveBatch); err != nil {
				t.Fatal(err)
			}
			for i := range s.batch.runs() {
				r := s.batch.run(i)
				got += len(r.data)
				if s.send(r.peer, r.data) != taken || r.peer != born.peer {
					t.Fatal("not taken")
				}
			}
			if _, err := s.readable(); err != nil {
				t.Fatal(err)
			}
		}
		for got := 0; got < len(answer); {
			n, err := c.Read(answer[got:])
			if err != nil {
				t.Fatal(err)
			}
			got += n
		}
	})
	if n >= 1 {
		t.Errorf("%v allocations for a message received and sent", n)
	}
}

// A binding that keeps libzmq's socket elsewhere, or none, is refused.
func TestHandleOfAnOpenSocket(t *testing.T) {
	s := newTap(t)
	if h, err := handleOf(s.zmq); err != nil || h == nil {
		t.Errorf("an open socket: %v, %v", h, err)
	}
	if _, err := handleOf(&zmq4.Socket{}); err == nil || !strings.Contains(err.Error(), "1.4.0") {
		t.Errorf("a socket without a handle: %v", err)
	}
	if state, err := events(unsafe.Pointer(new([64]uint64))); err == nil {
		t.Errorf("what is no socket has events %v", state)
	}
}

// TestReceiveAfterQuiet has messages come between the moment that a socket said it had none and a receipt that does not
// take all: the rest must be asked for, because the socket's descriptor says nothing of it.
func TestReceiveAfterQuiet(t *testing.T) {
	s := newTap(t)
	for range 3 { // a notice each
		_ = s.dial()
	}
	s.signalled = true
	eventually(t, "all have come", func() bool { return seam.Followed() >= 3 })
	s.settled = true // as it was a moment ago
	eventually(t, "a message is received and others are left", func() bool {
		all, done := s.next(1)
		if len(all) > 0 && !done && s.settled {
			t.Fatal("a socket that has more is taken for quiet")
		}
		return len(all) > 0 && !done
	})
}

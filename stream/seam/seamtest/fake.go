package seamtest

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"

	"github.com/streamq/streamq-proxy/stream/seam"
)

const (
	firstFake = 4       // the lowest number of a connection
	room      = 1 << 18 // bytes that the kernel keeps for a caller who does not read
	chunk     = 8192    // the most that libzmq reads at once
)

// Fake is a [Door] in memory. Its caller's writes are read one by one, as those are
// that come with a pause between.
type Fake struct {
	take, shut, paused bool
	reads, mark        uint64
	ended              bool // the owner has
	callers            int
	peers              int
	backlog            []*fakeConn
	conns              map[int]*fakeConn // by descriptor, as long as anybody has it
	heard              []Heard
	news               []int32
}

type fakeConn struct {
	fd            int
	peer          string
	name          netip.AddrPort
	birth         seam.Birth
	libzmq, owned bool
	reads         uint64
	allowed       uint64

	in       []string // written by the caller and not read
	fin      bool     // the caller has ended its sending
	gone     bool     // the caller is
	reset    bool     // by a reset
	end      seam.End
	told     bool // the caller, of a reset
	severed  bool
	parted   bool
	unread   []byte // that the kernel has for the caller
	sent     uint64
	failed   bool
	awaiting bool
	awaited  uint64
	pending  []byte // that libzmq has for him, and the kernel no room
}

// NewFake makes a door whose connections are taken at birth, or may be read so many times.
func NewFake(take bool, reads uint64) *Fake {
	return &Fake{take: take, reads: reads, conns: map[int]*fakeConn{}}
}

var errRefused = errors.New("connection refused")

// Connect implements [Door].
func (f *Fake) Connect() (Caller, error) {
	if f.shut {
		return nil, errRefused
	}
	f.callers++
	c := &fakeConn{name: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(f.callers))}
	f.backlog = append(f.backlog, c)
	f.settle()
	return &fakeCaller{f, c}, nil
}

// settle has everything happen that can.
func (f *Fake) settle() {
	for ; len(f.backlog) > 0 && !f.paused && !f.shut; f.backlog = f.backlog[1:] {
		f.accept(f.backlog[0])
	}
	for fd := firstFake; fd < firstFake+f.callers; fd++ { // in order: not as a map has them
		if c := f.conns[fd]; c != nil && c.libzmq {
			f.write(c)
			f.read(c)
		}
	}
}

func (f *Fake) accept(c *fakeConn) {
	f.peers++
	c.peer = strconv.Itoa(f.peers)
	for c.fd = firstFake; f.conns[c.fd] != nil; c.fd++ {
	}
	f.conns[c.fd] = c
	c.libzmq, c.owned, c.allowed = true, !f.ended, f.reads
	c.birth = seam.Birth{Peer: c.name, Mark: f.mark, Taken: f.take && !f.ended}
	if f.ended {
		c.allowed = ^uint64(0)
	}
	f.say(c, "")
}

func (f *Fake) say(c *fakeConn, text string) { f.heard = append(f.heard, Heard{c.peer, text, c.fd}) }

// read has libzmq read what it may.
func (f *Fake) read(c *fakeConn) {
	for !c.severed && !c.parted && !c.birth.Taken && c.reads < c.allowed && len(c.in) > 0 {
		text := c.in[0]
		if len(text) > chunk {
			text = text[:chunk]
		}
		if c.in[0] = c.in[0][len(text):]; c.in[0] == "" {
			c.in = c.in[1:]
		}
		c.reads++
		f.say(c, text)
	}
	c.end.Reads = c.reads
	if c.severed || c.birth.Taken || f.ends(c) {
		f.say(c, "")
		c.libzmq = false
		f.forget(c)
	}
}

// ends has a connection come as far to its end as it can, and says whether libzmq finds it.
func (f *Fake) ends(c *fakeConn) bool {
	unread := c.reads >= c.allowed || c.end.FIN
	switch {
	case c.reset && unread && !c.end.Gone:
		c.end.Gone, c.end.Error, c.failed, c.awaiting = true, true, true, false
		f.tell(c)
	case unread || len(c.in) > 0:
	case c.reset:
		c.end.Error = true
		return true
	case c.fin && c.owned:
		c.end.FIN = true
		f.tell(c)
	default:
		return c.fin
	}
	return false
}

func (f *Fake) tell(c *fakeConn) {
	if c.owned && !slices.Contains(f.news, int32(c.fd)) {
		f.news = append(f.news, int32(c.fd))
	}
}

// write has libzmq write what there is room for.
func (f *Fake) write(c *fakeConn) {
	if c.gone && len(c.pending) > 0 {
		c.failed, c.reset, c.pending = true, true, nil
	}
	n := min(len(c.pending), room-len(c.unread))
	c.unread = append(c.unread, c.pending[:n]...)
	c.pending = c.pending[n:]
	c.sent += uint64(n)
	if c.awaiting && c.owned && (c.failed || c.sent >= c.awaited) {
		c.awaiting = false
		f.tell(c)
	}
}

func (f *Fake) forget(c *fakeConn) {
	if !c.libzmq && !c.owned {
		delete(f.conns, c.fd)
	}
}

// Hear implements [Door].
func (f *Fake) Hear(bool) (Heard, bool) {
	f.settle()
	if len(f.heard) == 0 {
		return Heard{}, false
	}
	h := f.heard[0]
	f.heard = f.heard[1:]
	return h, true
}

// Send implements [Door].
func (f *Fake) Send(peer, text string) {
	for _, c := range f.conns {
		if c.peer == peer && c.libzmq && text == "" {
			c.libzmq = false
			f.forget(c)
		} else if c.peer == peer && c.libzmq {
			c.pending = append(c.pending, text...)
		}
	}
	f.settle()
}

// InUse implements [Door].
func (f *Fake) InUse(fd int) bool { f.settle(); return f.conns[fd] != nil }

// Read implements [Door].
func (f *Fake) Read(fd, n int) (text string) {
	c := f.conns[fd]
	for ; len(c.in) > 0 && len(text) < n; c.in = c.in[1:] {
		text += c.in[0]
	}
	return text
}

// own is an owner's connection.
func (f *Fake) own(fd int) *fakeConn {
	f.settle()
	if c := f.conns[fd]; c != nil && c.owned {
		return c
	}
	return nil
}

// Claim implements [Door].
func (f *Fake) Claim(fd int) (seam.Birth, error) {
	c := f.own(fd)
	if c == nil {
		return seam.Birth{}, seam.ErrNotFollowed
	}
	return c.birth, nil
}

// Allow implements [Door].
func (f *Fake) Allow(fd int, reads uint64) error {
	f.own(fd).allowed = reads
	f.settle()
	return nil
}

// Stop implements [Door].
func (f *Fake) Stop(fd int) (reads uint64, ok bool) {
	c := f.own(fd)
	c.allowed = 0
	return c.reads, true
}

// Part implements [Door].
func (f *Fake) Part(fd int) { f.own(fd).parted = true }

// Sent implements [Door].
func (f *Fake) Sent(fd int) (bytes uint64, ok bool) {
	c := f.own(fd)
	return c.sent, !c.failed
}

// Await implements [Door].
func (f *Fake) Await(fd int, bytes uint64) (already bool) {
	c := f.own(fd)
	already = c.failed || c.sent >= bytes
	c.awaiting, c.awaited = !already, bytes
	return already
}

// Sever implements [Door].
func (f *Fake) Sever(fd int) {
	c := f.own(fd)
	c.severed, c.pending, c.in = true, nil, nil
	f.settle()
}

// Reset implements [Door].
func (f *Fake) Reset(fd int) {
	c := f.own(fd)
	c.told = true
	f.Sever(fd)
}

// Ended implements [Door].
func (f *Fake) Ended(fd int) seam.End {
	if c := f.own(fd); c != nil {
		return c.end
	}
	return seam.End{}
}

// Release implements [Door].
func (f *Fake) Release(fd int) {
	c := f.own(fd)
	c.owned, c.allowed, c.end.FIN = false, ^uint64(0), false
	for i, told := range f.news {
		if int(told) == fd {
			f.news = append(f.news[:i], f.news[i+1:]...)
			break
		}
	}
	f.forget(c)
}

// News implements [Door].
func (f *Fake) News() []int32 {
	f.settle()
	news := f.news
	f.news = nil
	return news
}

// Take implements [Door].
func (f *Fake) Take(take bool) { f.take = take }

// Shut implements [Door].
func (f *Fake) Shut() error {
	f.shut = true
	for _, c := range f.backlog {
		c.severed = true
	}
	f.backlog = nil
	return nil
}

// Open implements [Door].
func (f *Fake) Open() error { f.shut = false; return nil }

// Reopens implements [Door].
func (f *Fake) Reopens() bool { return true }

// Resets implements [Door].
func (f *Fake) Resets() bool { return true }

// Pause implements [Door].
func (f *Fake) Pause(paused bool) { f.paused = paused; f.settle() }

// Mark implements [Door].
func (f *Fake) Mark(mark uint64) { f.settle(); f.mark = mark }

// EndOwner implements [Door].
func (f *Fake) EndOwner() {
	f.settle()
	f.ended, f.news = true, nil
	for _, c := range f.conns {
		c.owned, c.allowed, c.end.FIN = false, ^uint64(0), false
		f.forget(c)
	}
}

type fakeCaller struct {
	f *Fake
	c *fakeConn
}

func (p *fakeCaller) Write(text string) {
	if !p.c.severed {
		p.c.in = append(p.c.in, text)
	}
	p.f.settle()
}

func (p *fakeCaller) Read(n int) string {
	var text []byte
	for p.f.settle(); len(text) < n && len(p.c.unread) > 0; p.f.settle() {
		some := p.c.unread[:min(n-len(text), len(p.c.unread))]
		text = append(text, some...)
		p.c.unread = p.c.unread[len(some):]
	}
	return string(text)
}

func (p *fakeCaller) End() {
	p.c.fin = true
	p.f.settle()
}

func (p *fakeCaller) Told() bool { return p.c.told }

func (p *fakeCaller) Close() {
	p.c.fin, p.c.gone, p.c.unread = true, true, nil
	p.f.settle()
}

func (p *fakeCaller) Reset() {
	p.c.in, p.c.reset = nil, true
	p.Close()
}

func (p *fakeCaller) Name() netip.AddrPort { return p.c.name }

package seamtest

import (
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/stream/seam"
)

// plenty is how often a connection may be read that a test does not hold.
const plenty = 1 << 20

// Contract runs the tests of what package seam promises on doors of one kind.
func Contract(t *testing.T, open func(t *testing.T, take bool, reads uint64) Door) {
	for _, c := range []struct {
		name  string
		take  bool
		reads uint64
		test  func(door)
	}{
		{"hold after so many reads, and go on", false, 2, holds},
		{"hold the end behind what came before it", false, 1, holdsTheEnd},
		{"write to who is held", false, 0, writesHeld},
		{"half-close, and write on", false, plenty, halfCloses},
		{"reset behind a half-close", false, plenty, resetsBehindEnd},
		{"reset of who is held", false, 0, resetsHeld},
		{"sever by a reset", false, plenty, seversByReset},
		{"take at birth", true, 0, takes},
		{"stop, part and go on", false, plenty, parts},
		{"take from now on, and no more", false, plenty, takesFromNowOn},
		{"the number is whose either has it", false, plenty, keepsNumbers},
		{"await what is so already", false, plenty, awaitsAlready},
		{"await what comes later", false, plenty, awaitsLater},
		{"await what fails", false, 0, awaitsFailure},
		{"release what there is news of", false, plenty, releasesNews},
		{"sever with bytes unread and unwritten", false, 1, severs},
		{"pause a listener", false, plenty, pauses},
		{"mark what a listener accepts", false, plenty, marks},
		{"shut a listener and open it", false, plenty, shuts},
		{"a caller gone before it was accepted has a name", false, plenty, namesTheGone},
		{"end the owner while connections live", false, 1, endsOwner},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(door{open(t, c.take, c.reads), t}) })
	}
}

// door is a Door in the hands of a test.
type door struct {
	Door
	t *testing.T
}

// call has somebody connect, and hears of it.
func (d door) call() (Caller, Heard, seam.Birth) {
	d.t.Helper()
	c := d.connect()
	h, b := d.born()
	if b.Peer != c.Name() {
		d.t.Errorf("the peer is %v, want %v", b.Peer, c.Name())
	}
	return c, h, b
}

func (d door) connect() Caller {
	d.t.Helper()
	c, err := d.Connect()
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

func (d door) born() (Heard, seam.Birth) {
	d.t.Helper()
	h := d.hear("")
	b, err := d.Claim(h.FD)
	if err != nil {
		d.t.Fatalf("descriptor %d: %v", h.FD, err)
	}
	return h, b
}

// hear expects a text; "" is a notice.
func (d door) hear(want string) Heard {
	d.t.Helper()
	h, ok := d.Hear(true)
	if !ok || h.Text != want {
		d.t.Fatalf("heard %+v (%v), want %q", h, ok, want)
	}
	return h
}

func (d door) silent() {
	d.t.Helper()
	if h, ok := d.Hear(false); ok {
		d.t.Fatalf("heard %+v, want nothing", h)
	}
}

func (d door) inUse(fd int, want bool) {
	d.t.Helper()
	for end := time.Now().Add(10 * time.Second); d.InUse(fd) != want; time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			d.t.Fatalf("descriptor %d is in use: %v", fd, !want)
		}
	}
}

// told expects news of one connection.
func (d door) told(fd int) {
	d.t.Helper()
	if got := d.News(); len(got) != 1 || int(got[0]) != fd {
		d.t.Fatalf("news of %v, want of %d", got, fd)
	}
}

func (d door) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func holds(d door) {
	held, h, _ := d.call()
	other, o, _ := d.call()
	d.must(d.Allow(o.FD, plenty))
	for _, text := range []string{"one", "two"} {
		held.Write(text)
		d.hear(text)
	}
	held.Write("three")
	d.silent()
	for _, text := range []string{"a", "b", "c"} { // nobody else is held
		other.Write(text)
		d.hear(text)
	}
	d.must(d.Allow(h.FD, 3))
	d.hear("three")
	held.Write("four")
	d.silent()
	d.must(d.Allow(h.FD, plenty))
	d.hear("four")
}

func holdsTheEnd(d door) {
	c, h, _ := d.call()
	c.Write("one")
	d.hear("one")
	c.Write("two")
	d.silent()
	c.End()
	d.silent()
	d.must(d.Allow(h.FD, 2))
	d.hear("two")
	d.silent() // the end takes a read, too
	if e := d.Ended(h.FD); e.FIN || e.Reads != 2 {
		d.t.Errorf("%+v, before the end may be read", e)
	}
	d.must(d.Allow(h.FD, 3))
	d.ends(h, 2)
	d.inUse(h.FD, true)
	d.Release(h.FD)
	d.inUse(h.FD, false)
}

func writesHeld(d door) {
	c, h, _ := d.call()
	c.Write("unread")
	d.silent()
	d.Send(h.Peer, "hello")
	if got := c.Read(5); got != "hello" {
		d.t.Errorf("the caller reads %q", got)
	}
	d.silent()
}

func parts(d door) {
	c, h, _ := d.call()
	c.Write("one")
	d.hear("one")
	reads, ok := d.Stop(h.FD)
	for !ok {
		reads, ok = d.Stop(h.FD)
	}
	if reads != 1 {
		d.t.Errorf("libzmq has read %d times", reads)
	}
	c.Write("two")
	d.silent()
	d.must(d.Allow(h.FD, 2)) // it was thought better of
	d.hear("two")
	for ok = false; !ok; {
		reads, ok = d.Stop(h.FD)
	}
	if reads != 2 {
		d.t.Errorf("libzmq has read %d times", reads)
	}
	c.Write("three")
	d.Part(h.FD)
	d.Send(h.Peer, "")
	d.silent()
	d.inUse(h.FD, true)
	if got := d.Read(h.FD, 5); got != "three" {
		d.t.Errorf("the owner reads %q", got)
	}
	d.Release(h.FD)
	d.inUse(h.FD, false)
}

func takes(d door) {
	c, h, b := d.call()
	if !b.Taken {
		d.t.Error("not taken")
	}
	c.Write("for the owner")
	if end := d.hear(""); end.Peer != h.Peer {
		d.t.Errorf("the end of %q, want of %q", end.Peer, h.Peer)
	}
	d.inUse(h.FD, true)
	if got := d.Read(h.FD, 13); got != "for the owner" {
		d.t.Errorf("the owner reads %q", got)
	}
	d.Release(h.FD)
	d.inUse(h.FD, false)
}

func takesFromNowOn(d door) {
	for _, take := range []bool{true, false} {
		d.Take(take)
		c, h, b := d.call()
		if b.Taken != take {
			d.t.Errorf("taken: %v, want %v", b.Taken, take)
		}
		if take {
			d.hear("")
		} else {
			c.Write("x")
			d.hear("x")
			d.Sever(h.FD)
			d.hear("")
		}
		d.Release(h.FD)
	}
}

func keepsNumbers(d door) {
	c, h, _ := d.call()
	c.Close()
	d.ends(h, 0) // libzmq has let go
	_, second, _ := d.call()
	if second.FD == h.FD {
		d.t.Fatalf("number %d is another's while the owner has it", h.FD)
	}
	if _, err := d.Claim(h.FD); err != nil {
		d.t.Error(err)
	}
	d.Release(h.FD)
	d.inUse(h.FD, false)
	if _, err := d.Claim(h.FD); err == nil {
		d.t.Error("what was released is the owner's")
	}

	third, h, _ := d.call()
	d.Release(h.FD) // and libzmq has it yet
	d.inUse(h.FD, true)
	third.Write("x")
	d.hear("x")
	third.Close()
	d.hear("")
	d.inUse(h.FD, false)
}

func awaitsAlready(d door) {
	c, h, _ := d.call()
	if !d.Await(h.FD, 0) {
		d.t.Error("no byte is awaited, and not there already")
	}
	d.Send(h.Peer, "hello")
	c.Read(5)
	if !d.Await(h.FD, 5) { // they are counted behind their writing
		d.told(h.FD)
	}
	if !d.Await(h.FD, 5) {
		d.t.Error("five bytes are not there already")
	}
	if n, ok := d.Sent(h.FD); n != 5 || !ok {
		d.t.Errorf("%d bytes were sent, %v", n, ok)
	}
}

// much is more than kernels take for somebody who does not read.
const much = 8 << 20

// fill has libzmq keep bytes of a peer's.
func (d door) fill(h Heard) {
	d.t.Helper()
	block := strings.Repeat("x", 64<<10)
	for range much / len(block) {
		d.Send(h.Peer, block)
	}
	if d.Await(h.FD, much) {
		d.t.Fatalf("%d bytes were written for somebody who does not read", much)
	}
}

func awaitsLater(d door) {
	c, h, _ := d.call()
	d.fill(h)
	if got := len(c.Read(much)); got != much {
		d.t.Fatalf("the caller reads %d bytes", got)
	}
	d.told(h.FD)
	if n, ok := d.Sent(h.FD); n != much || !ok {
		d.t.Errorf("%d bytes were sent, %v", n, ok)
	}
}

func awaitsFailure(d door) {
	c, h, _ := d.call()
	if d.Await(h.FD, much) {
		d.t.Fatal("is so already")
	}
	c.Reset()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		d.Send(h.Peer, "x")
		if _, ok := d.Sent(h.FD); !ok {
			break
		}
		if time.Now().After(end) {
			d.t.Fatal("writing does not fail")
		}
	}
	d.told(h.FD)
	if !d.Await(h.FD, much) {
		d.t.Error("who cannot be written to is waited for")
	}
}

func releasesNews(d door) {
	one, h, _ := d.call()
	two, o, _ := d.call()
	d.fill(h)
	one.Read(much)
	d.Sever(h.FD)
	d.hear("")
	d.Release(h.FD)
	d.inUse(h.FD, false)
	d.fill(o)
	two.Read(much)
	d.told(o.FD)
}

func severs(d door) {
	c, h, _ := d.call()
	c.Write("one")
	d.hear("one")
	c.Write("two")
	d.silent()
	d.fill(h)
	d.Sever(h.FD)
	d.hear("")
	d.Release(h.FD)
	d.inUse(h.FD, false)
}

func namesTheGone(d door) {
	d.Pause(true)
	c := d.connect()
	name := c.Name()
	c.Reset()
	d.Pause(false)
	h, b := d.born()
	if b.Peer != name {
		d.t.Errorf("the peer is %v, want %v", b.Peer, name)
	}
	if !d.Resets() {
		d.ends(h, 0)
	} else if d.hear(""); !d.Ended(h.FD).Error {
		d.t.Error("it was no error")
	}
	d.Release(h.FD)
	d.inUse(h.FD, false)
}

func endsOwner(d door) {
	held, h, _ := d.call()
	gone, o, _ := d.call()
	gone.Write("x")
	d.hear("x")
	held.Write("one")
	d.hear("one")
	held.Write("two")
	d.silent()
	d.must(d.Allow(o.FD, plenty))
	gone.End()
	d.ends(o, 1)
	half, e, _ := d.call()
	half.End()
	d.told(e.FD)
	d.EndOwner()
	d.inUse(o.FD, false) // libzmq had let go of it
	// Nobody is left to hold the one, nor to be told of the other's end.
	heard := map[string]string{}
	for range 2 {
		h, _ := d.Hear(true)
		heard[h.Peer] = h.Text
	}
	if text, ended := heard[e.Peer]; !ended || text != "" || heard[h.Peer] != "two" {
		d.t.Errorf("heard %v", heard)
	}
	held.Close()
	d.hear("")
	d.inUse(h.FD, false)
	late := d.connect()
	end := d.hear("")
	late.Write("three")
	d.hear("three")
	late.Close()
	d.hear("")
	d.inUse(end.FD, false)
}

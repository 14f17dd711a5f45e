package agent

import (
	"net/netip"
	"testing"
	"time"
)

// TestPlace: an address is known at once, and a name for a second after it was looked up, unless a dial has failed there.
func TestPlace(t *testing.T) {
	now := time.Now()
	for _, address := range []string{"127.0.0.1:6000", "[::ffff:127.0.0.1]:6000", "[fe80::1%lo]:6000"} {
		p := newPlace(address)
		p.found(netip.MustParseAddrPort("127.0.0.9:6000"))
		if to, known := p.known(now); !known || to.Address().Addr() != netip.MustParseAddrPort(address).Addr().Unmap() || to.Address().Port() != 6000 {
			t.Errorf("%s is %v, known %t", address, to.Address(), known)
		}
	}
	p := newPlace("worker.example:6000")
	if _, known := p.known(now); known {
		t.Error("a name is known before it was looked up")
	}
	p.found(netip.MustParseAddrPort("[fe80::1]:6000"))
	if _, known := p.known(now); known {
		t.Error("a link-local address is used without its zone")
	}
	at := netip.MustParseAddrPort("192.0.2.1:6000")
	p.found(at)
	if to, known := p.known(time.Now()); !known || to.Address() != at {
		t.Errorf("what was found is %v, known %t", to.Address(), known)
	}
	if _, known := p.known(time.Now().Add(nameFor)); known {
		t.Error("what was found is used for longer than a second")
	}
	p.lost()
	if _, known := p.known(now); known {
		t.Error("a name is used again where a dial has failed")
	}
}

// TestNames: a proxy and a worker that are said by name serve as those said by address do.
func TestNames(t *testing.T) {
	s := sign()
	proxy, worker := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", &s)
	name := func(f *far) string {
		return "tcp://localhost:" + netip.MustParseAddrPort(f.Addr().String()).String()[len("127.0.0.1:"):]
	}
	a, _ := start(t, name(proxy), name(worker), 2, 2)
	worker.next(t)
	for range 3 {
		slot := proxy.nextSlot(t, s)
		say(t, slot, hello)
		served := worker.next(t)
		expect(t, served, hello)
		say(t, served, "world")
		expect(t, slot, "world")
		slot.Close()
		expectEnd(t, served)
		served.Close()
	}
	eventually(t, "no pair is left", func() bool { return a.State().Pairs == 0 && a.State().Idle == 2 })
}

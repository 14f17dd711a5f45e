package agent

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"github.com/streamq/streamq-proxy/stream/clientaddr"
)

func setting(t *testing.T, s string) clientaddr.Setting {
	t.Helper()
	c, err := clientaddr.Parse(s)
	must(t, err)
	return c
}

// TestAddresses: the worker sees each client by another address, by which the slot is found that it came by; a client for
// whom none is left is refused, and the worker is not taken for lost.
func TestAddresses(t *testing.T) {
	s := sign()
	proxy, worker := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", &s)
	addresses, err := NewAddresses(setting(t, "127.64.0.0/30")) // of two
	must(t, err)
	a, err := New(Config{
		Proxy: proxy.endpoint(), Worker: worker.endpoint(), Slots: 1, SlotsMax: 1, Threads: 1, Descriptors: 4096,
		Addresses: addresses, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { a.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done; a.Close() })
	worker.next(t)
	var pairs []net.Conn
	for _, want := range []string{"127.64.0.1", "127.64.0.2"} {
		slot := proxy.nextSlot(t, s)
		say(t, slot, hello)
		c := worker.next(t)
		expect(t, c, hello)
		seen := netip.MustParseAddrPort(c.RemoteAddr().String()).Addr()
		if seen.String() != want || addresses.Slot(seen) != slot.RemoteAddr().String() {
			t.Errorf("a client of slot %v is seen as %v, of slot %s", slot.RemoteAddr(), seen, addresses.Slot(seen))
		}
		pairs = append(pairs, c, slot)
	}
	slot := proxy.nextSlot(t, s)
	say(t, slot, hello)
	expectEnd(t, slot)
	eventually(t, "it is counted", func() bool { return a.figures.unaddressed.Load() == 1 })
	if !a.State().Worker {
		t.Error("the worker is taken for lost")
	}
	pairs[0].Close()
	pairs[1].Close()
	eventually(t, "the address is nobody's", func() bool { return addresses.Slot(netip.MustParseAddr("127.64.0.1")) == "" })
}

func TestAddressesOfAnAgent(t *testing.T) {
	for _, bad := range []string{"127.64.0.0/10,stable", "transparent"} {
		if _, err := NewAddresses(setting(t, bad)); err == nil {
			t.Errorf("%s: an agent cannot know clients' addresses", bad)
		}
	}
}

package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
)

// pinned is how a proxy knows somebody to be pinned, as far as it does.
func (f *together) pinned(proxy, who int) string {
	f.t.Helper()
	var page struct{ Hints []wire.HintInfo }
	say(f.t, f.control[proxy], &page, "HINTS", "identity="+identity(who))
	i := slices.IndexFunc(page.Hints, func(h wire.HintInfo) bool { return h.Pinned })
	if i < 0 {
		return ""
	}
	return strings.Join(page.Hints[i].Prefer, ",")
}

// identity is somebody's at [together.visit].
func identity(who int) string { return fmt.Sprint("client-", who) }

// expect has somebody come through all proxies.
func (f *together) expect(who int, worker string) {
	f.t.Helper()
	for proxy := range f.proxies {
		if is := f.visit(who, proxy); is != worker {
			f.t.Errorf("%s has %s at proxy %d, and is pinned to %s", identity(who), is, proxy, worker)
		}
	}
}

// stored waits until the store has a pin, "" for one that was ended.
func (f *together) stored(who int, workers string) {
	f.t.Helper()
	eventually(f.t, fmt.Sprintf("the store has %s be pinned to %q", identity(who), workers), func() bool {
		text, _ := f.store.Get("streamq:p:default:ip:" + identity(who))
		return strings.HasSuffix(text, " "+workers)
	})
}

// TestPinsEverywhere has operators pin identities at one of three proxies, everywhere: they have these workers through all of them,
// whatever they prefer and had before, also through one that joins later; the last word counts, and a pin that was ended anywhere is.
// Whoever waits when it is pinned has that worker, too. A pin that is said for one proxy counts there.
func TestPinsEverywhere(t *testing.T) {
	f := newTogether(t, 3, 3, "--shared-wait", "10s")
	for round := range 3 {
		for who := range 3 {
			worker := fmt.Sprint("w", (who+round)%3)
			if where := f.everywhere(round, "PIN", identity(who), worker); where == wire.Queued {
				f.stored(who, worker)
			}
			f.expect(who, worker)
		}
	}
	late, _ := f.join()
	f.becomes(late, "up")
	f.expect(1, "w0")
	for proxy := range f.proxies {
		if is := f.pinned(proxy, 1); is != "w0" {
			t.Errorf("proxy %d has it be pinned to %q", proxy, is)
		}
	}
	f.everywhere(1, "UNPIN", identity(1))
	f.stored(1, "")
	for proxy := range f.proxies {
		say(t, f.control[proxy], nil, "HINT", identity(1), "address="+address(1), "prefer=w1")
		s := f.connect(1, proxy)
		if is := ask(t, s); is != "w1" {
			t.Errorf("at proxy %d it has %s, prefers w1, and is not pinned", proxy, is)
		}
		s.close()
		var e wire.Explanation
		say(t, f.control[proxy], &e, "EXPLAIN", identity(1))
		if e.Pinned || len(e.Everywhere) > 0 {
			t.Errorf("proxy %d explains %+v", proxy, e)
		}
	}
	say(t, f.control[2], nil, "PIN", identity(0), "w1")
	for proxy, worker := range []string{"w2", "w2", "w1"} {
		if is := f.visit(0, proxy); is != worker {
			t.Errorf("pinned to w1 at proxy 2, it has %s at proxy %d", is, proxy)
		}
	}

	for _, w := range []string{"w0", "w1", "w2"} {
		say(t, f.control[0], nil, "DRAIN", w)
	}
	say(t, f.control[0], nil, "HINT", identity(5), "address="+address(5), "prefer=w0")
	s := f.connect(5, 0)
	defer s.close()
	eventually(t, "it waits", func() bool {
		var page struct{ Clients []wire.ClientInfo }
		say(t, f.control[0], &page, "CLIENTS", "client="+identity(5))
		return len(page.Clients) == 1 && page.Clients[0].State == "waiting"
	})
	f.everywhere(1, "PIN", identity(5), "w1")
	eventually(t, "it is known where it waits", func() bool { return f.pinned(0, 5) == "w1" })
	say(t, f.control[0], nil, "ENABLE", "w1")
	if is := ask(t, s); is != "w1" {
		t.Errorf("it waited, and has %s", is)
	}
	var e wire.Explanation
	say(t, f.control[0], &e, "EXPLAIN", identity(5))
	if e.Rule != "prefer" || !e.Pinned || len(e.Everywhere) != 1 || e.Everywhere[0].What != "pin" || e.Everywhere[0].Value != "w1" {
		t.Errorf("it is explained by %+v", e)
	}
}

// TestPinsWithoutStore has operators pin identities while the store is dead: that counts where it was said, at once, also after
// an upgrade, and everywhere when the store is back, empty; what had been told before is told again. The last word counts.
func TestPinsWithoutStore(t *testing.T) {
	f := newTogether(t, 2, 3, "--shared-wait", "10s")
	third, at := f.join()
	f.becomes(third, "up")
	f.everywhere(third, "PIN", identity(0), "w0")
	f.stored(0, "w0")
	f.everywhere(0, "PIN", identity(3), "w0")
	f.stored(3, "w0")
	f.expect(3, "w0")
	f.store.Kill()
	for i := range f.proxies {
		f.becomes(i, "down")
	}
	for i, worker := range []string{"w1", "w2"} {
		if where := f.everywhere(i, "PIN", identity(1), worker); where != wire.Queued || f.visit(1, i) != worker {
			t.Errorf("%q: it is pinned to %q", where, f.pinned(i, 1))
		}
		time.Sleep(2 * time.Millisecond) // so that one is later
	}
	if is := f.visit(0, third); is != "w0" {
		t.Errorf("it was pinned at this proxy, and has %s", is)
	}
	f.everywhere(third, "PIN", identity(2), "w2")
	f.everywhere(third, "UNPIN", identity(3))
	f.upgrade(third, at)
	if zero, two, three := f.pinned(third, 0), f.pinned(third, 2), f.pinned(third, 3); zero != "w0" || two != "w2" || three != "" {
		t.Errorf("the successor has them be pinned to %q, %q and %q", zero, two, three)
	}
	f.store.Start()
	for i := range f.proxies {
		f.becomes(i, "up")
	}
	f.stored(0, "w0")
	f.stored(1, "w2")
	f.stored(2, "w2")
	eventually(t, "who has heard of the pin hears that it was ended", func() bool { return f.pinned(0, 3)+f.pinned(1, 3)+f.pinned(third, 3) == "" })
	f.expect(0, "w0")
	f.expect(1, "w2")
	f.expect(2, "w2")
}

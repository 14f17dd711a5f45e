package clientaddr

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func mustParse(t testing.TB, s string) Setting {
	t.Helper()
	setting, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return setting
}

func TestParse(t *testing.T) {
	for _, good := range []string{"", "transparent", "127.64.0.0/10", "127.64.0.0/10,stable", "2001:db8:1::/64", "2001:db8:1::/64,stable", "10.9.8.4/30"} {
		if s := mustParse(t, good); s.String() != good || s.Some() != (good != "") {
			t.Errorf("%q is read as %q", good, s)
		}
	}
	for bad, why := range map[string]string{
		"127.64.0.0":          "neither a prefix",
		"127.64.0.0/10,firm":  "neither a prefix",
		"127.64.0.0/10,":      "neither a prefix",
		"opaque":              "neither a prefix",
		"transparent,stable":  "stable already",
		"127.70.0.0/10":       "want 127.64.0.0/10",
		"127.64.0.0/31":       "no address besides",
		"127.0.0.0/8":         "own loopback",
		"::/0":                "own loopback",
		"224.0.0.0/8":         "nobody can connect",
		"fe80::/64":           "nobody can connect",
		"::ffff:10.0.0.0/104": "IPv4 prefix",
	} {
		if _, err := Parse(bad); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", bad, err, why)
		}
	}
}

// Numbers and addresses go into each other, and no address is the first or the last.
func TestSpan(t *testing.T) {
	for prefix, want := range map[string]struct {
		count uint32
		last  string
	}{
		"127.64.0.0/10":   {MaxAddresses - 2, "127.127.255.254"},
		"10.9.8.4/30":     {2, "10.9.8.6"},
		"2001:db8:1::/64": {MaxAddresses, "2001:db8:1::40:0"},
		"2001:db8::8/126": {2, "2001:db8::a"},
	} {
		s := spanOf(netip.MustParsePrefix(prefix))
		if last := s.address(s.count - 1).String(); s.count != want.count || last != want.last {
			t.Errorf("%s has %d addresses, the last %s", prefix, s.count, last)
		}
		for _, n := range []uint32{0, 1, s.count / 2, s.count - 1} {
			if a := s.address(n); s.number(a) != n || !s.prefix.Contains(a) || a == s.prefix.Addr() {
				t.Errorf("%s: number %d is %v is number %d", prefix, n, a, s.number(a))
			}
		}
	}
}

// model is what is to hold, kept without regard to what it costs.
type model struct {
	pairs map[netip.Addr]int           // of those in use
	since map[netip.Addr]time.Duration // the end of the last pair
	last  map[netip.Addr]string        // the client that had it then
	held  []netip.Addr                 // one for each pair
}

// TestProperties has clients come and go, in any order and at any speed.
func TestProperties(t *testing.T) {
	for _, setting := range []string{"10.9.8.0/29", "10.9.8.0/29,stable", "127.64.0.0/10", "127.64.0.0/10,stable", "2001:db8::/64", "2001:db8::/125,stable"} {
		t.Run(setting, func(t *testing.T) {
			s := mustParse(t, setting)
			rapid.Check(t, func(t *rapid.T) {
				chooser, now := s.Chooser(), time.Duration(0)
				m := model{map[netip.Addr]int{}, map[netip.Addr]time.Duration{}, map[netip.Addr]string{}, nil}
				for range rapid.IntRange(1, 200).Draw(t, "events") {
					now += time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds")) * time.Second
					if len(m.held) > 0 && rapid.Bool().Draw(t, "leaves") {
						m.leave(chooser, rapid.IntRange(0, len(m.held)-1).Draw(t, "who"), now)
					} else {
						m.come(t, s, chooser, fmt.Sprintf("192.0.2.%d", rapid.IntRange(1, 12).Draw(t, "client")), now)
					}
					m.count(t, chooser, now)
				}
			})
		})
	}
}

func (m *model) leave(chooser Chooser, who int, now time.Duration) {
	a := m.held[who]
	m.held = slices.Delete(m.held, who, who+1)
	if m.pairs[a]--; m.pairs[a] == 0 {
		delete(m.pairs, a)
		m.since[a] = now
	}
	chooser.Release(now, a)
}

// come holds what a client is given to what the documentation promises.
func (m *model) come(t *rapid.T, s Setting, chooser Chooser, client string, now time.Duration) {
	a, ok := chooser.Take(now, client)
	mine := slices.Collect(maps.Keys(m.last))
	mine = slices.DeleteFunc(mine, func(a netip.Addr) bool { return m.last[a] != client })
	recent := slices.ContainsFunc(mine, func(a netip.Addr) bool { return m.pairs[a] > 0 || now-m.since[a] < Rest })
	if !ok {
		taken, all := chooser.Usage(now)
		if s.Stable && recent || !s.Stable && taken < all {
			t.Fatalf("%s has nothing, of %d are %d taken", client, all, taken)
		}
		return
	}
	since, before := m.since[a]
	switch {
	case !s.Prefix.Contains(a):
		t.Fatalf("%v is not of %v", a, s.Prefix)
	case s.Stable && recent && m.last[a] != client:
		t.Fatalf("%s has %v and had %v", client, a, mine)
	case m.last[a] != client && m.pairs[a] > 0, !s.Stable && m.pairs[a] > 0:
		t.Fatalf("%v is in use by %s, and given to %s", a, m.last[a], client)
	case (m.last[a] != client || !s.Stable) && before && now-since < Rest:
		t.Fatalf("%v was given again after %v", a, now-since)
	}
	m.held = append(m.held, a)
	m.pairs[a]++
	m.last[a] = client
}

func (m *model) count(t *rapid.T, chooser Chooser, now time.Duration) {
	want := len(m.pairs)
	for a, since := range m.since {
		if m.pairs[a] == 0 && now-since < Rest {
			want++
		}
	}
	if taken, _ := chooser.Usage(now); taken != want {
		t.Fatalf("%d are taken, want %d", taken, want)
	}
}

// A client has the same address after a restart, and these never change from one version to
// the next: bans at the worker are by them.
func TestStableForEver(t *testing.T) {
	for client, want := range map[string]string{
		"192.0.2.7": "127.90.216.54", "192.0.2.8": "127.110.239.218", "2001:db8:5::/64": "127.117.217.143", "localhost:1000:1000:42": "127.89.155.112",
	} {
		for range 2 {
			if a, ok := mustParse(t, "127.64.0.0/10,stable").Chooser().Take(0, client); !ok || a.String() != want {
				t.Errorf("%q: %q,", client, a)
			}
		}
	}
}

// Clients that would have the same address have one each, and the second keeps its own.
func TestCollision(t *testing.T) {
	chooser := mustParse(t, "10.9.8.0/28,stable").Chooser()
	has := map[netip.Addr]string{}
	for i := range 8 {
		client := fmt.Sprint("client ", i)
		a, ok := chooser.Take(0, client)
		again, _ := chooser.Take(time.Hour, client)
		if !ok || has[a] != "" || again != a {
			t.Errorf("%s has %v and %v, as has %q", client, a, again, has[a])
		}
		has[a] = client
	}
}

// What is remembered is bounded, whatever comes.
func TestBounded(t *testing.T) {
	const clients = Remembered + 20_000
	each := newEach(spanOf(netip.MustParsePrefix("2001:db8::/64")))
	stable := newStable(each.span)
	for i := range clients {
		now := time.Duration(i) * time.Millisecond
		for _, c := range []Chooser{each, stable} {
			a, ok := c.Take(now, fmt.Sprint(i))
			if !ok {
				t.Fatalf("client %d has no address", i)
			}
			c.Release(now, a)
		}
	}
	lastMinute := int(Rest / time.Millisecond)
	if most := max(Remembered, lastMinute) + 1; len(each.resting) > most || len(stable.clients) > most || len(stable.holders) > most {
		t.Errorf("remembered are %d, %d and %d addresses, more than %d", len(each.resting), len(stable.clients), len(stable.holders), most)
	}
	if each.fresh > Remembered+1 {
		t.Errorf("%d addresses were given where those that have rested would do", each.fresh)
	}
}

// A choice costs the same however many addresses are taken.
func BenchmarkTake(b *testing.B) {
	for _, setting := range []string{"127.64.0.0/10", "127.64.0.0/10,stable"} {
		for _, taken := range []int{10, 10_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/%d", setting, taken), func(b *testing.B) {
				chooser, now := mustParse(b, setting).Chooser(), time.Duration(0)
				for i := range taken {
					chooser.Take(0, fmt.Sprint("held ", i))
				}
				clients := make([]string, 4096)
				for i := range clients {
					clients[i] = fmt.Sprint("comes ", i)
				}
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					now += time.Millisecond
					a, ok := chooser.Take(now, clients[i%len(clients)])
					if !ok {
						b.Fatal("no address")
					}
					chooser.Release(now, a)
				}
			})
		}
	}
}

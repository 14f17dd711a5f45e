package pairing

import (
	"fmt"
	"testing"
	"time"
)

// beside is good clients that come to two workers, a and b, and bad ones that come one
// by one meanwhile.
type beside struct {
	policy Policy
	weight int           // of b
	broken bool          // b closes each pair before it opens
	served bool          // b has served before it broke
	pace   time.Duration // from one good client to the next
	bad    int           // a second
	from   badFrom
}

// badFrom is where bad clients come from.
type badFrom string

const (
	fromOne  badFrom = "one"  // address that nobody else has
	fromTen  badFrom = "ten"  // such addresses
	fromMany badFrom = "many" // such addresses, each one's own
	fromSame badFrom = "same" // address as all good ones
	fromSome badFrom = "some" // of the good ones' addresses
)

func (b beside) String() string {
	return fmt.Sprintf("%v, 1:%d, a good one every %v, %d bad ones a second from %s, served %t", b.policy, b.weight, b.pace, b.bad, b.from, b.served)
}

// address is that of a client.
func (b beside) address(bad bool, i int) string {
	good := func(i int) string { return fmt.Sprintf("10.2.%d.%d", i/250, i%250) }
	switch {
	case b.from == fromSame:
		return "10.9.9.9"
	case !bad:
		return good(i)
	case b.from == fromSome:
		return good(i % 20)
	case b.from == fromOne:
		i = 0
	case b.from == fromTen:
		i %= 10
	}
	return fmt.Sprintf("10.1.%d.%d", i/250, i%250)
}

// besideResult is what became of it.
type besideResult struct {
	lost    int    // good clients' pairs with b, until it was ejected; all of them if it never was
	ejected uint64 // how often any worker was
	opened  int    // good clients that b has
}

func (b beside) play(t *testing.T, seed uint64, good int) (is besideResult) {
	s := newSim(t, seed, func(c *Config) { c.Policy = b.policy })
	s.add(WorkerConfig{Name: "a"})
	s.add(WorkerConfig{Name: "b", Weight: b.weight})
	if b.served {
		for i := range 20 {
			s.after(time.Duration(i)*10*time.Millisecond, func() { s.join(&simClient{kind: simGood, address: b.address(false, i)}) })
		}
		s.run(2 * time.Second)
		s.opened["b"] = 0
	}
	s.broken["b"] = b.broken
	lasts := time.Duration(good)*b.pace + time.Second
	for i := range b.bad * int(lasts/time.Second) {
		every := time.Second / time.Duration(b.bad)
		s.after(time.Duration(i)*every+s.between(0, every), func() {
			s.join(&simClient{kind: simWrongKey, address: b.address(true, i), once: true})
		})
	}
	for i := range good {
		s.after(time.Second+time.Duration(i)*b.pace+s.between(0, b.pace), func() { s.join(&simClient{kind: simGood, address: b.address(false, i)}) })
	}
	for end, out := s.now+lasts, false; s.now < end && (!out || !b.broken); {
		s.run(s.now + 5*time.Millisecond)
		is.lost, out = s.lost["b"], s.worker("b").Failures > 0
	}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	is.opened, is.ejected = s.opened["b"], s.worker("a").Failures+s.worker("b").Failures
	return is
}

// TestBrokenWorkerBesideBadClients has one of two workers be broken while bad clients
// come as well: it loses its clients within the first ten good ones or so, however
// many bad ones there are, and wherever they come from.
func TestBrokenWorkerBesideBadClients(t *testing.T) {
	const seeds = 2
	sum, n := 0, 0
	for _, policy := range []Policy{LeastConnections, RoundRobin, PowerOfTwo} {
		for _, served := range []bool{false, true} {
			for _, pace := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond} {
				for _, from := range []badFrom{fromOne, fromTen, fromMany, fromSame, fromSome} {
					for _, bad := range []int{0, 1, 5, 20} {
						b := beside{policy, 1, true, served, pace, bad, from}
						lost := 0
						for seed := range uint64(seeds) {
							is := b.play(t, seed, 60)
							if lost += is.lost; is.lost > 40 || is.ejected == 0 {
								t.Errorf("%v: %d clients were lost, and %d workers are ejected", b, is.lost, is.ejected)
							}
						}
						t.Logf("%v: %.1f good ones", b, float64(lost)/seeds)
						if sum, n = sum+lost, n+seeds; lost > 20*seeds {
							t.Errorf("%v: %d clients were lost in %d runs", b, lost, seeds)
						}
					}
				}
			}
		}
	}
	if t.Logf("%.1f as a rule", float64(sum)/float64(n)); sum > 12*n {
		t.Errorf("%d clients were lost in %d runs", sum, n)
	}
}

// TestBadClientsBesideMoveNobody has both workers be sound: good clients are where they are
// without the bad ones, whatever the weights, and no worker is ejected but once in a while.
func TestBadClientsBesideMoveNobody(t *testing.T) {
	const good = 60
	ejected, n := 0, 0
	for _, policy := range []Policy{LeastConnections, RoundRobin, PowerOfTwo} {
		seeds := 4
		if policy == RoundRobin {
			seeds = 16 // it does not make good what chance has done
		}
		for _, weight := range []int{1, 3, 9} {
			for _, from := range []badFrom{fromTen, fromMany, fromSame} {
				for _, bad := range []int{1, 5, 20} {
					b := beside{policy, weight, false, true, 100 * time.Millisecond, bad, from}
					off := 0
					for seed := range seeds {
						is := b.play(t, uint64(seed), good)
						off += is.opened - good*weight/(weight+1)
						ejected, n = ejected+int(is.ejected), n+1
					}
					t.Logf("%v: %+.1f%%", b, 100*float64(off)/float64(seeds*good))
					if max(off, -off)*20 > seeds*good {
						t.Errorf("%v: the share of b is off by %d of %d", b, off, seeds*good)
					}
				}
			}
		}
	}
	if t.Logf("%d ejections in %d runs of 7 s", ejected, n); ejected*50 > n {
		t.Errorf("%d ejections in %d runs", ejected, n)
	}
}

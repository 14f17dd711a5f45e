package webconfig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slow are passwords of which each takes a time to be hashed, and is right when it is its hash.
func slow(each time.Duration) (p *passwords, hashed *time.Duration) {
	p, hashed = newPasswords(), new(time.Duration)
	p.compare = func(hash, password []byte) error {
		time.Sleep(each)
		*hashed += each // one at a time: the race detector looks
		if !bytes.Equal(hash, password) {
			return errors.New("another one")
		}
		return nil
	}
	return p, hashed
}

// An address may guess some times, and then one time every so often; others, and who has been let in before, are not
// held up by it.
func TestGuessesOfAnAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, _ := slow(time.Millisecond)
		look := func(address, password string, want Outcome) {
			t.Helper()
			if got := p.look(t.Context(), address, "alice", "right", true, password); got != want {
				t.Errorf("%s with %s: %v, want %v", address, password, got, want)
			}
		}
		look("[2001:db8::1]:1", "right", Right)
		for range triesAtOnce {
			look("[2001:db8::1]:2", "wrong", Wrong)
		}
		look("[2001:db8::ffff]:3", "wrong", Limited) // its neighbour's addresses are its own
		look("[2001:db8::1]:4", "right", Right)      // which is known
		look("[2001:db8:0:1::1]:5", "wrong", Wrong)
		look("192.0.2.1:5", "wrong", Wrong)
		time.Sleep(tryEvery)
		look("[2001:db8::1]:6", "wrong", Wrong)
		look("[2001:db8::1]:7", "wrong", Limited)
		for range triesAtOnce {
			if got := p.look(t.Context(), "192.0.2.2:1", "nobody", "right", false, "right"); got != Wrong {
				t.Errorf("who is no user is let in by the decoy: %v", got)
			}
		}
		if got := p.look(t.Context(), "192.0.2.2:1", "nobody", "right", false, "right"); got != Limited {
			t.Errorf("a name that is no user's: %v", got)
		}
		look("192.0.2.2:1", "right", Right) // a user's are counted for itself
	})
}

// What is not looked at does not count: neither does it push out those that have guessed wrong, whatever the names are, nor is somebody
// limited who did not wait.
func TestWhatIsNotLookedAtDoesNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, _ := slow(time.Millisecond)
		for range triesAtOnce {
			p.look(t.Context(), "192.0.2.1:1", "alice", "right", true, "wrong")
		}
		var all sync.WaitGroup
		for i := range waitOfSource + 1 {
			all.Go(func() { p.look(t.Context(), "192.0.2.2:1", "alice", "right", true, fmt.Sprint("wrong", i)) })
		}
		synctest.Wait()
		for i := range 2 * guessersKept {
			if got := p.look(t.Context(), "192.0.2.2:1", fmt.Sprint("name", i), "right", false, "wrong"); got != Limited {
				t.Fatalf("there was a place for name %d: %v", i, got)
			}
		}
		if got := p.look(t.Context(), "192.0.2.1:1", "alice", "right", true, "wrong"); got != Limited {
			t.Errorf("who had guessed ten times may again: %v", got)
		}
		for range 2 * triesAtOnce {
			left, leave := context.WithCancel(t.Context())
			leave()
			p.look(left, "192.0.2.3:1", "alice", "right", true, "right")
		}
		if got := p.look(t.Context(), "192.0.2.3:1", "alice", "right", true, "right"); got != Right {
			t.Errorf("who did not wait before: %v", got)
		}
		all.Wait()
		time.Sleep(restMost)
	})
}

// Whatever is guessed, in whatever order: the answers, and how long they take, are the same for a name that is a user's and for one
// that is not.
func TestAnswersDoNotTellNames(t *testing.T) {
	t.Parallel()
	type answer struct {
		Outcome
		after time.Duration
	}
	guessed := func(user bool) (all []answer) {
		synctest.Test(t, func(t *testing.T) {
			p, _ := slow(50 * time.Millisecond)
			for i := range 4 * triesAtOnce {
				began := time.Now()
				o := p.look(t.Context(), "192.0.2.1:1", "alice", "right", user, fmt.Sprint("wrong", i%7))
				all = append(all, answer{o, time.Since(began)})
				if i%5 == 0 { // other names from there change nothing
					_ = p.look(t.Context(), "192.0.2.1:1", fmt.Sprint("name", i), "right", false, "wrong")
				}
				time.Sleep(time.Duration(i) * 20 * time.Millisecond)
			}
		})
		return all
	}
	is, isNot := guessed(true), guessed(false)
	if !slices.Equal(is, isNot) {
		t.Errorf("of a user:\n%v\nof none:\n%v", is, isNot)
	}
	for _, o := range []Outcome{Wrong, Limited} {
		if !slices.ContainsFunc(is, func(a answer) bool { return a.Outcome == o }) {
			t.Errorf("none is %v", o)
		}
	}
}

// However many guess, from their own addresses, and whatever a hash costs: a user whose password is not known yet is let in.
// At an address of guessers, too, somebody is.
func TestGuessersDoNotKeepUsersOut(t *testing.T) {
	t.Parallel()
	for _, each := range []time.Duration{50 * time.Millisecond, 250 * time.Millisecond, 4 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			p, _ := slow(each)
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			for i := range 24 {
				all.Go(func() {
					for n := 0; ctx.Err() == nil; n++ {
						p.look(ctx, fmt.Sprintf("10.0.0.%d:1", i%8), fmt.Sprintf("name%d-%d", i, n), "right", false, "wrong")
						time.Sleep(time.Second)
					}
				})
			}
			time.Sleep(time.Minute) // by now each has given a wrong one
			for i := range 5 {
				began := time.Now()
				if got := p.look(ctx, fmt.Sprintf("192.0.2.%d:1", i), "alice", fmt.Sprint("right", i), true, fmt.Sprint("right", i)); got != Right {
					t.Errorf("hashes of %v: %v after %v", each, got, time.Since(began))
				}
				if took := time.Since(began); took > 2*each+restMost+time.Millisecond {
					t.Errorf("hashes of %v: it took %v", each, took)
				}
			}
			cancel()
			all.Wait()
			time.Sleep(time.Minute)
		})
	}
}

// From however many addresses passwords are guessed: it takes a fifth of a processor, and few wait.
func TestGuessesOfMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const each = 50 * time.Millisecond
		p, hashed := slow(each)
		began := time.Now()
		var all sync.WaitGroup
		outcomes := make([]Outcome, 1000)
		for i := range outcomes {
			all.Go(func() {
				outcomes[i] = p.look(t.Context(), fmt.Sprintf("10.0.%d.%d:1", i/250, i%250), "alice", "right", true, "wrong")
			})
		}
		all.Wait()
		wrong := 0
		for _, o := range outcomes {
			if o == Wrong {
				wrong++
			}
		}
		took := time.Since(began)
		if took > waitTime+each {
			t.Errorf("somebody waited %v", took)
		}
		if most := took/(restFor+1) + each; *hashed > most || wrong == 0 || wrong > waitMost+1 {
			t.Errorf("%d were hashed in %v of %v", wrong, *hashed, took)
		}
		time.Sleep(restFor * each)
		began = time.Now()
		if got := p.look(t.Context(), "192.0.2.1:1", "alice", "right", true, "right"); got != Right || time.Since(began) > each {
			t.Errorf("then the right one: %v in %v", got, time.Since(began))
		}
	})
}

// Many requests that come at once with a right password that is not known yet, as a browser's do, are all let in, however
// slow its hash is; those with a name that is no user's are not, though the decoy has their password.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const each = waitTime / 2
		p, hashed := slow(each)
		for user, want := range map[bool]Outcome{true: Right, false: Wrong} {
			*hashed = 0
			var all sync.WaitGroup
			for range triesAtOnce {
				all.Go(func() {
					if got := p.look(t.Context(), "192.0.2.1:1", fmt.Sprint(user), "right", user, "right"); got != want {
						t.Errorf("a user %v: %v, want %v", user, got, want)
					}
				})
			}
			all.Wait()
			if *hashed != each {
				t.Errorf("hashed for %v", *hashed)
			}
			time.Sleep(restMost)
		}
	})
}

// Wrong passwords are said once a minute, with their number.
func TestLinesOfWrongPasswords(t *testing.T) {
	t.Parallel()
	p, now := newPasswords(), time.Now()
	for _, tc := range []struct {
		after time.Duration
		of    Outcome
		want  uint64
	}{
		{0, Unsaid, 0},
		{0, Right, 0},
		{0, Wrong, 1},
		{0, Wrong, 0},
		{lineEvery / 2, Limited, 0},
		{lineEvery / 2, Wrong, 3},
		{lineEvery, Right, 0},
		{0, Wrong, 1},
	} {
		now = now.Add(tc.after)
		if got := p.count(tc.of, now); got != tc.want {
			t.Errorf("%+v: %d", tc, got)
		}
	}
}

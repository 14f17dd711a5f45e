package webconfig

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"

	"github.com/streamq/streamq-proxy/stream"
)

// A password's hash is slow by design, so whoever guesses would have all of a processor.
const (
	// rightKept are the right passwords that need not be hashed again. Wrong ones push out none.
	rightKept = 1024
	// triesAtOnce and tryEvery bound how many passwords of a name are hashed that come from an
	// address, whether there is such a user or not: otherwise the bound would tell. The right one
	// is not counted.
	triesAtOnce = 10
	tryEvery    = 2 * time.Second
	// guessersKept bounds those that are remembered, which are those that have guessed wrong: to push out one
	// takes as many hashes.
	guessersKept = 4096
	// waitTime is how long a password may wait to be hashed. An answer must be there within httpTimeout
	// of package main.
	waitTime = 12 * time.Second
	// lineEvery is how often wrong passwords are logged.
	lineEvery = time.Minute
)

// Outcome is what became of a password.
type Outcome int

// What became of one.
const (
	Unsaid  Outcome = iota // there was none
	Right                  // it is the user's
	Wrong                  // it is not, or there is no such user
	Limited                // it was not looked at: there were too many wrong ones
)

// Passwords are how many there were since the start, by outcome.
type Passwords struct{ Right, Wrong, Limited uint64 }

type digest [sha256.Size]byte

// guesser is an address that has given passwords for a name.
type guesser struct {
	source string // as pools count addresses, see [stream.SourceAddress]
	name   digest
}

// passwords looks at passwords, within bounds.
type passwords struct {
	key [sha256.Size]byte // of the digests, so that they tell nothing to who reads them
	// compare is bcrypt's, or a test's.
	compare func(hash, password []byte) error

	mutex  sync.Mutex
	right  *simplelru.LRU[digest, struct{}]
	tries  *simplelru.LRU[guesser, *rate.Limiter]
	queue  queue
	total  Passwords
	untold uint64    // refused since the last line
	line   time.Time // no line before
}

func newPasswords() *passwords {
	p := &passwords{compare: bcrypt.CompareHashAndPassword}
	_, _ = rand.Read(p.key[:]) // it never fails
	p.right, _ = simplelru.NewLRU[digest, struct{}](rightKept, nil)
	p.tries, _ = simplelru.NewLRU[guesser, *rate.Limiter](guessersKept, nil)
	p.queue.init(&p.mutex, p.refund)
	return p
}

// look says whether a password is a name's. Where there is no such user the hash is a decoy, so that
// nothing about the answer tells that there is none.
func (p *passwords) look(ctx context.Context, address, name, hash string, user bool, password string) Outcome {
	sum := p.digest(hash, password)
	from := guesser{stream.SourceAddress(stream.HostOf(address)), p.digest(name, "")}
	p.mutex.Lock()
	if _, before := p.right.Get(sum); before && user {
		p.mutex.Unlock()
		return Right
	}
	a := p.queue.find(from, sum)
	if a == nil {
		if !p.limiter(from).Allow() {
			p.mutex.Unlock()
			return Limited
		}
		a = p.queue.add(&attempt{from: from, sum: sum, look: func() Outcome {
			same := p.compare([]byte(hash), []byte(password)) == nil
			if !same || !user {
				return Wrong
			}
			p.mutex.Lock()
			defer p.mutex.Unlock()
			p.right.Add(sum, struct{}{})
			return Right
		}})
	}
	a.callers++
	p.mutex.Unlock()
	ctx, cancel := context.WithTimeout(ctx, waitTime)
	defer cancel()
	select {
	case <-a.done:
		return a.outcome
	case <-ctx.Done():
		p.mutex.Lock()
		defer p.mutex.Unlock()
		p.queue.leave(a)
		return Limited
	}
}

func (p *passwords) digest(hash, password string) (sum digest) {
	mac := hmac.New(sha256.New, p.key[:])
	_, _ = mac.Write([]byte(hash + "\x00" + password))
	mac.Sum(sum[:0])
	return sum
}

// limiter bounds what a guesser may still try. The mutex is held.
func (p *passwords) limiter(from guesser) *rate.Limiter {
	limiter, seen := p.tries.Get(from)
	if !seen {
		limiter = rate.NewLimiter(rate.Every(tryEvery), triesAtOnce)
		p.tries.Add(from, limiter)
	}
	return limiter
}

// refund gives back what an attempt has taken that was not wrong. The mutex is held.
func (p *passwords) refund(from guesser) {
	limiter, kept := p.tries.Peek(from)
	if !kept {
		return
	}
	limiter.AllowN(time.Now(), -1)
	if limiter.Tokens() >= triesAtOnce {
		p.tries.Remove(from)
	}
}

// count counts an outcome. It is how many were refused since the last line when there is to be one, or 0.
func (p *passwords) count(o Outcome, now time.Time) (untold uint64) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	switch o {
	case Unsaid:
		return 0
	case Right:
		p.total.Right++
		return 0
	case Wrong:
		p.total.Wrong++
	case Limited:
		p.total.Limited++
	}
	p.untold++
	if now.Before(p.line) {
		return 0
	}
	untold, p.untold, p.line = p.untold, 0, now.Add(lineEvery)
	return untold
}

func (p *passwords) counted() Passwords {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.total
}

package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/streamq/streamq-proxy/stream"
)

// What a demo that ran ends with when it has not shown what it was to show.
var (
	// ErrLost is wrapped when a request had no reply, or not its own.
	ErrLost = errors.New("requests were lost")
	// ErrSilent is wrapped when no request was answered at all.
	ErrSilent = errors.New("no request was answered")
)

// Run starts everything, shows it at work for o.Duration or until ctx ends, and
// ends it. Once it works, an ending ctx is no error: the table follows then too.
// The error is nil when there were replies and none is missing; it wraps
// [ErrLost] or [ErrSilent] when not, or says in one line what did not start or
// could not be shown.
func Run(ctx context.Context, o Options, screen *Screen) error {
	if err := o.Validate(); err != nil {
		return err
	}
	s, err := newStage(o)
	if err != nil {
		return err
	}
	defer s.close()
	screen.picture(s, o)
	screen.glass(s, o)
	screen.invitation(s)
	if screen.failed != nil {
		return screen.failed
	}

	tally := newTally(s.workers)
	end, err := perform(ctx, s, o, screen, tally)
	if err != nil {
		return err
	}
	screen.table(s, o, tally, end)
	seen := tally.seen()
	if o.Held {
		seen.lost = 0 // who looked at it may have ended a pair
	}
	return cmp.Or(verdict(seen), screen.failed)
}

func verdict(end seen) error {
	switch {
	case end.lost > 0:
		return fmt.Errorf("%w: %d of %d (%d of them got a reply that was not theirs)", ErrLost, end.lost, end.requests, end.wrong)
	case end.replies == 0:
		return ErrSilent
	}
	return nil
}

// finish is what is known when the last client has left.
type finish struct {
	took     time.Duration
	snapshot stream.Snapshot
}

// perform runs the pool and the workers for as long as there are clients.
func perform(ctx context.Context, s *stage, o Options, screen *Screen, t *tally) (finish, error) {
	// The house outlives ctx: requests under way at the end are still answered.
	open, shut := context.WithCancel(context.WithoutCancel(ctx))
	defer shut()
	house, open := errgroup.WithContext(open)
	s.ran = true
	house.Go(func() error { return s.pool.Run(open) })
	house.Go(func() error { return s.glass.serve(open) })
	for _, w := range s.workers {
		house.Go(func() error { return w.serve(open) })
	}
	s.awaitSlots(ctx, o)
	if o.Held {
		house.Go(func() error { return s.troubles(o).run(open) })
	}

	started := time.Now()
	askers := startClients(ctx, open, s, o, t)
	screen.follow(s, o, t, askers.done)
	end := finish{took: time.Since(started)}
	var err error
	if open.Err() == nil {
		end.snapshot, err = s.pool.Snapshot(open)
	}
	shut()
	// A pool or worker that failed is the cause of what clients met after it.
	return end, cmp.Or(house.Wait(), askers.err, err)
}

// asking are the clients at work; err may be read once done is closed.
type asking struct {
	done chan struct{}
	err  error
}

// startClients lets the clients ask until o.Duration is over, or one of the two
// contexts has ended.
func startClients(ctx, house context.Context, s *stage, o Options, t *tally) *asking {
	ctx, stop := context.WithCancel(ctx)
	if !o.Held {
		ctx, stop = context.WithTimeout(ctx, o.Duration)
	}
	unhook := context.AfterFunc(house, stop)
	clients, ctx := errgroup.WithContext(ctx)
	for i := range o.Clients {
		c := &client{
			number: i + 1, zctx: s.peers, server: s.server.public, to: s.frontend,
			tally: t, stay: stay(o), wait: patience,
		}
		clients.Go(func() error { return c.run(ctx) })
	}
	a := &asking{done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.err = clients.Wait()
		unhook()
		stop()
	}()
	return a
}

// stay is how long a client keeps a connection: about a second, and longer when
// there are many, whose CURVE handshakes would leave no time for anything else.
func stay(o Options) time.Duration {
	return time.Second * time.Duration(max(1, o.Clients/50))
}

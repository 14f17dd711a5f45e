package sharedtest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/streamq/streamq-proxy/stream/shared"
)

// Fake is a store in memory.
type Fake struct {
	mu      sync.Mutex
	items   map[string]item
	lists   map[string][]string
	stopped chan struct{} // nil unless it is; closed by Go
	dead    bool
	full    bool
	conns   map[*backend]struct{}
}

type item struct {
	text    string
	list    bool
	expires time.Time
}

var errDead = errors.New("the fake is dead")

// NewFake is one that is empty.
func NewFake() *Fake {
	return &Fake{items: map[string]item{}, lists: map[string][]string{}, conns: map[*backend]struct{}{}}
}

// Dial implements [Store].
func (f *Fake) Dial() shared.Dial {
	return func(ctx context.Context) (shared.Backend, error) {
		b := &backend{Fake: f, tracked: map[string]bool{}}
		if err := b.enter(ctx); err != nil {
			return nil, err
		}
		f.conns[b] = struct{}{}
		f.mu.Unlock()
		return b, nil
	}
}

// backend is a connection to a fake.
type backend struct {
	*Fake
	tracked map[string]bool // keys that were read
	changed func(keys []string)
}

// changes tells who has read a key that it has changed. The lock is held.
func (f *Fake) changes(key string) {
	for b := range f.conns {
		if b.tracked[key] && b.changed != nil {
			delete(b.tracked, key)
			b.changed([]string{key})
		}
	}
}

// breaks tells everybody that the connection has ended. The lock is held.
func (f *Fake) breaks() {
	for b := range f.conns {
		clear(b.tracked)
		if b.changed != nil {
			b.changed(nil)
		}
	}
}

func (b *backend) Watch(changed func(keys []string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changed = changed
}

// enter waits until it answers. Without an error the lock is held.
func (b *backend) enter(ctx context.Context) error {
	for {
		b.mu.Lock()
		stopped := b.stopped
		switch {
		case b.dead:
			b.mu.Unlock()
			return errDead
		case stopped == nil:
			return nil
		}
		b.mu.Unlock()
		select {
		case <-stopped:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *backend) Get(ctx context.Context, keys []string) ([]shared.Value, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.mu.Unlock()
	for _, key := range keys {
		b.tracked[key] = true
	}
	return b.read(keys), nil
}

func (f *Fake) read(keys []string) []shared.Value {
	values := make([]shared.Value, len(keys))
	for i, key := range keys {
		switch x, ok := f.items[key]; {
		case !ok || time.Now().After(x.expires):
		case x.list:
			values[i].Err = shared.ErrRefused
		default:
			values[i] = shared.Value{Text: x.text, Found: true, Left: time.Until(x.expires)}
		}
	}
	return values
}

func (b *backend) Look(ctx context.Context, keys []string, most int) ([]shared.Value, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.mu.Unlock()
	values := b.read(keys)
	for i := range values {
		values[i].Text = values[i].Text[:min(len(values[i].Text), most+1)]
	}
	return values, nil
}

func (b *backend) LookAlong(ctx context.Context, keys, along []string, most int) (values, others []shared.Value, err error) {
	if values, err = b.Look(ctx, slices.Concat(keys, along), most); err != nil {
		return nil, nil, err
	}
	return values[:len(keys)], values[len(keys):], nil
}

func (b *backend) Take(ctx context.Context, keys []string) ([]shared.Value, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.mu.Unlock()
	values := make([]shared.Value, len(keys))
	for i, key := range keys {
		if x, ok := b.items[key]; ok && !x.list && time.Now().Before(x.expires) {
			values[i] = shared.Value{Text: x.text, Found: true}
			delete(b.items, key)
		}
	}
	return values, nil
}

func (b *backend) Enrol(ctx context.Context, list, name string, _ time.Duration) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.mu.Unlock()
	if b.full {
		return shared.ErrFull
	}
	b.lists[list] = append(slices.DeleteFunc(b.lists[list], func(n string) bool { return n == name }), name)
	return nil
}

func (b *backend) Enrolled(ctx context.Context, list string, most int) ([]string, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.mu.Unlock()
	names := slices.Clone(b.lists[list])
	slices.Reverse(names)
	return names[:min(len(names), most)], nil
}

func (b *backend) Address() string { return "" }

func (b *backend) Set(ctx context.Context, writes []shared.Write) []error {
	errs := make([]error, len(writes))
	err := b.enter(ctx)
	if err == nil {
		defer b.mu.Unlock()
		if b.full {
			err = shared.ErrFull
		}
	}
	for i, w := range writes {
		if errs[i] = err; err != nil {
			continue
		}
		x := b.items[w.Key]
		if b.put(w) && w.First && x.text != w.Text {
			errs[i] = &shared.OtherError{Text: x.text}
		}
	}
	return errs
}

func (b *backend) put(w shared.Write) (was bool) {
	x, was := b.items[w.Key]
	was = was && time.Now().Before(x.expires) && !x.list
	if w.TTL == 0 {
		delete(b.items, w.Key)
		return was
	}
	if !was || !w.Renew && !w.First {
		x = item{text: w.Text}
	}
	x.expires = time.Now().Add(w.TTL)
	if b.items[w.Key] = x; !was || !w.Renew {
		b.changes(w.Key)
	}
	return was
}

func (b *backend) Beat(ctx context.Context, w shared.Write) (was bool, err error) {
	if err := b.enter(ctx); err != nil {
		return false, err
	}
	defer b.mu.Unlock()
	if b.full {
		return false, shared.ErrFull
	}
	return b.put(w), nil
}

func (b *backend) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, b)
}

// Stop implements [Store].
func (f *Fake) Stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = make(chan struct{})
}

// Go implements [Store].
func (f *Fake) Go() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.stopped)
	f.stopped = nil
}

// Kill implements [Store].
func (f *Fake) Kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = true
	f.breaks()
}

// Start implements [Store].
func (f *Fake) Start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = false
	clear(f.items)
	clear(f.lists)
}

// Fill implements [Store].
func (f *Fake) Fill() { f.setFull(true) }

// Free implements [Store].
func (f *Fake) Free() { f.setFull(false) }

func (f *Fake) setFull(full bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full = full
}

// Put implements [Store].
func (f *Fake) Put(key, text string) { f.putItem(key, item{text: text}) }

// PutList implements [Store].
func (f *Fake) PutList(key string) { f.putItem(key, item{list: true}) }

func (f *Fake) putItem(key string, x item) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x.expires = time.Now().Add(time.Hour)
	f.items[key] = x
	f.changes(key)
}

// Get implements [Store].
func (f *Fake) Get(key string) (text string, found bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x, found := f.items[key]
	return x.text, found && time.Now().Before(x.expires)
}

package shared

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// enrolEvery is how often a proxy has its name be on the list of those that are there,
	// and enrolTTL how long it stays there after the last time: clocks of machines may differ by so much.
	enrolEvery = 15 * time.Second
	enrolTTL   = time.Hour
	// proxiesMax bounds the names that are read of that list, the latest first.
	proxiesMax = 1024
	// proxyMax bounds what a proxy says of itself, in bytes.
	proxyMax = 1 << 10
	// poolsTold bounds the pools that it names.
	poolsTold = 8
)

// ErrNotUp is of what needs the store, and it does not answer.
var ErrNotUp = errors.New("the store does not answer")

// Proxy is what one says of itself to all that share its store, once a second.
type Proxy struct {
	Name    string        `json:"name"`
	Address string        `json:"address"` // from which it reaches the store, "" over a unix socket
	Version string        `json:"version"`
	Up      time.Duration `json:"up"`    // since its start
	Pools   []string      `json:"pools"` // the first of them, a few
	Pairs   int           `json:"pairs"` // of all pools
}

// here is what this proxy is told to say of itself.
type here struct {
	Proxy
	began time.Time
}

// Introduce tells what this proxy is to say of itself from now on; the store adds its name and address.
func (s *Store) Introduce(p Proxy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.here = here{p, time.Now().Add(-p.Up)}
}

// introduction is what this proxy says of itself now.
func (s *Store) introduction(address string) string {
	s.mu.Lock()
	p := s.here.Proxy
	p.Up = time.Since(s.here.began)
	s.mu.Unlock()
	p.Name, p.Address = s.cfg.Name, address
	p.Pools = p.Pools[:min(len(p.Pools), poolsTold)]
	text := encodeJSON(p)
	if len(text) > proxyMax { // by the names of its pools
		p.Pools = nil
		text = encodeJSON(p)
	}
	return text
}

// decodeProxy reads what a proxy says of itself, and refuses all else.
func decodeProxy(text, name string) (p Proxy, err error) {
	if err := decodeJSON(text, proxyMax, &p); err != nil {
		return Proxy{}, err
	}
	for _, s := range append([]string{p.Address, p.Version}, p.Pools...) {
		if !readable(s) {
			return Proxy{}, errNonsense
		}
	}
	if p.Name != name || p.Up < 0 || p.Pairs < 0 || len(p.Pools) > poolsTold {
		return Proxy{}, errNonsense
	}
	return p, nil
}

// proxyKey is what a proxy says of itself, for as long as it is there.
func (s *Store) proxyKey(name string) string { return s.cfg.Prefix + ":proxy:" + name }

// proxyList has the names of the proxies that are there, and of some that were.
func (s *Store) proxyList() string { return s.cfg.Prefix + ":proxies" }

// Proxies lists those that share the store, this one included, by their names: who has said so within the
// last 10 s. Errors: [ErrNotUp], or why the store could not tell. It waits, a second at most.
func (s *Store) Proxies(ctx context.Context) ([]Proxy, error) {
	b, state := s.current()
	if b == nil || !state.answers() {
		return nil, ErrNotUp
	}
	ctx, cancel := context.WithTimeout(ctx, slowest)
	defer cancel()
	names, err := s.otherProxies(ctx, b)
	if err != nil {
		return nil, err
	}
	names = append(names, s.cfg.Name) // which may not be on the list yet
	all := make([]Proxy, 0, len(names))
	if _, err := s.readProxies(ctx, b, names, s.proxyKey, proxyMax, func(name, text string) error {
		p, err := decodeProxy(text, name)
		if err == nil {
			all = append(all, p)
		}
		return err
	}); err != nil { // never unread: that is 1 MiB
		return nil, fmt.Errorf("the proxies cannot be read: %w", err)
	}
	slices.SortFunc(all, func(a, b Proxy) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// readProxies reads what each proxy has at its key, some at a time, up to so many bytes of each, and of all together
// up to [roundMax]: so many are unread then. What take does not take is nonsense, and the others are read all
// the same; an error is the store's.
func (s *Store) readProxies(ctx context.Context, b Backend, names []string, key func(name string) string, most int, take func(name, text string) error) (unread int, err error) {
	for room := roundMax; len(names) > 0; {
		some := min(len(names), asksAtOnce, room/most)
		if some <= 0 {
			break
		}
		keys := make([]string, some)
		for i := range keys {
			keys[i] = key(names[i])
		}
		values, err := b.Look(ctx, keys, most)
		if err != nil {
			return 0, err
		}
		for i, v := range values {
			room -= len(v.Text)
			switch {
			case v.Err != nil:
				s.disbelieve(keys[i])
			case v.Found && take(names[i], v.Text) != nil:
				s.disbelieve(keys[i])
			}
		}
		names = names[some:]
	}
	return len(names), nil
}

// otherProxies are the names on the list of the proxies that are there, or were, but for this one's.
func (s *Store) otherProxies(ctx context.Context, b Backend) ([]string, error) {
	names, err := b.Enrolled(ctx, s.proxyList(), proxiesMax)
	if errors.Is(err, errAlien) {
		s.disbelieve(s.proxyList())
	}
	if err != nil {
		return nil, fmt.Errorf("the proxies cannot be listed: %w", err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return !readable(name) || name == s.cfg.Name }), nil
}

// enrol has this proxy be on the list of those that are there.
func (s *Store) enrol(ctx context.Context, b Backend) {
	ctx, cancel := context.WithTimeout(ctx, slowest)
	defer cancel()
	if err := b.Enrol(ctx, s.proxyList(), s.cfg.Name, enrolTTL); errors.Is(err, ErrRefused) {
		s.refuse(err)
	}
}

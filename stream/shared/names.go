package shared

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

const (
	// nameMax bounds what is said of a client, in bytes.
	nameMax = 4 << 10
	// takenFor is how long a name waits again that was taken by mistake.
	takenFor = time.Minute
)

// Names is what one pool tells and asks of who clients are. Its methods wait only where they say so.
// A name that waits for the next client from an address is taken by whoever asks first. Where
// different names are said for one address, none is for anybody, until all are out of date.
// Who clients are is asked along with the worker that they had last, by a memory.
type Names struct {
	store  *Store
	space  Space
	memory *Memory
}

// Names of a space, which is a pool's.
func (s *Store) Names(space Space, memory *Memory) *Names { return &Names{s, space, memory} }

// name is what is said of a client, as it is stored.
type name struct {
	Identity  string   `json:"identity,omitempty"`
	Prefer    []string `json:"prefer,omitempty"`
	Hello     bool     `json:"hello,omitempty"`
	Contested bool     `json:"contested,omitempty"`
}

func (n *name) encode() (text string, ok bool) {
	text = encodeJSON(n)
	return text, len(text) <= nameMax && n.sane()
}

// sane says whether a proxy may write it: what HELLO may say, and no more.
func (n *name) sane() bool {
	if n.Contested {
		return n.Identity == "" && n.Prefer == nil
	}
	return pairing.CheckName("identity", n.Identity) == nil && pairing.CheckPrefer(n.Prefer) == nil
}

// decodeName reads what encode has written, and refuses all else.
func decodeName(text string) (n name, err error) {
	if err := decodeJSON(text, nameMax, &n); err != nil {
		return name{}, err
	}
	if !n.sane() {
		return name{}, errNonsense
	}
	return n, nil
}

// ofEndpoint and ofAddress are the keys of what is said of a client's far end, "" for one
// that is not known. What means this machine only, as a loopback address or a process does, is told
// to proxies of this machine only.
func (n *Names) ofEndpoint(endpoint string) string {
	if endpoint == "" {
		return ""
	}
	from, err := netip.ParseAddrPort(endpoint)
	return n.key("e", endpoint, err != nil || isHere(from.Addr()))
}

// isHere: to another machine the address is another's.
func isHere(a netip.Addr) bool { return a.IsLoopback() || a.IsLinkLocalUnicast() }

func (n *Names) ofAddress(address string) string {
	if address == "" {
		return ""
	}
	if of, err := netip.ParsePrefix(address); err == nil {
		return n.key("n", address, of.Contains(netip.IPv6Loopback()) || of.Addr().IsLinkLocalUnicast())
	}
	from, err := netip.ParseAddr(address)
	return n.key("n", address, err != nil || isHere(from))
}

func (n *Names) key(kind, of string, here bool) string {
	if here {
		of = n.store.cfg.Host + "/" + of
	}
	return n.space.named(n.store.cfg.Prefix, kind, of)
}

// keyOf is what is said of.
func (n *Names) keyOf(s *pairing.Saying) string {
	if s.Endpoint != "" {
		return n.ofEndpoint(s.Endpoint)
	}
	return n.ofAddress(s.Address)
}

// Say tells what is said of a client that is about to come, to be known for so long.
func (n *Names) Say(said pairing.Saying, ttl time.Duration) {
	w := Write{Key: n.keyOf(&said)}
	if said.Identity != "" || said.Contested {
		is := name{said.Identity, said.Prefer, said.Hello, said.Contested}
		var ok bool
		if w.Text, ok = is.encode(); !ok { // no proxy would believe it
			return
		}
		w.TTL, w.First = ttl, said.Endpoint == "" && !said.Contested
	}
	s := n.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, _ := s.pending.get(w.Key); w.First && before != "" && before != w.Text {
		w = contested(w)
	}
	s.add(w)
}

// contested is what becomes of a name where there is another one already.
func contested(w Write) Write {
	w.Text, _ = (&name{Contested: true}).encode()
	w.First = false
	return w
}

// Said waits until what was said is written, so that others know it: for as long as a look-up may take, at most.
func (n *Names) Said(ctx context.Context, said pairing.Saying) {
	ctx, cancel := context.WithTimeout(ctx, n.store.cfg.Wait)
	defer cancel()
	s, key := n.store, n.keyOf(&said)
	for {
		s.mu.Lock()
		_, waits := s.pending.get(key)
		landed, state := s.pending.landed, s.state
		s.mu.Unlock()
		if !waits || state != Up {
			return
		}
		select {
		case <-landed:
		case <-ctx.Done():
			return
		}
	}
}

// heard is what others know, and since when they know all that they were told; and what they say of
// the last worker, nil for nothing.
type heard struct {
	pairing.Heard
	whole time.Time
	had   *pairing.Recollection
}

// nameAsk asks who a client is.
type nameAsk struct {
	at                    time.Time
	from                  pairing.Origin
	ofEndpoint, ofAddress string // keys, "" for none
	ofWorker              string // likewise, of the last worker of somebody without a name
	told                  func(is pairing.Heard, whole time.Time, had *pairing.Recollection)
}

// Identify asks who a client is, and says whether anybody is asked: then told is called once, on
// another goroutine. Else nobody knows.
// The time is since when others know all that they were told. Unless who is the zero one, the same
// request asks which worker he had last: that is had, nil if it was not asked or not answered.
func (n *Names) Identify(from pairing.Origin, who pairing.Who, told func(is pairing.Heard, whole time.Time, had *pairing.Recollection)) (asked bool) {
	a := nameAsk{at: time.Now(), from: from, ofEndpoint: n.ofEndpoint(from.Endpoint), ofAddress: n.ofAddress(from.Address), told: told}
	s := n.store
	if who.Name != "" {
		if key := n.memory.key(who); !s.own(key) { // else [Memory.Recall] need not ask
			a.ofWorker = key
		}
	}
	result := lookupCrowded
	if s.own(a.ofEndpoint, a.ofAddress) {
		result = lookupPending
	} else if _, state := s.current(); !state.answers() {
		result = lookupDown
	} else {
		select {
		case s.nameAsks <- a:
			return true
		default:
		}
	}
	s.stats.names[result].Add(1)
	return false
}

// own says whether something of keys has yet to be written: then what this proxy knows counts.
func (s *Store) own(keys ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(keys, func(key string) bool {
		_, waits := s.pending.get(key)
		return waits
	})
}

// Waiting is who waits for the next client from an address, and since when others know all that they
// were told. It waits for that, as long as a look-up may.
func (n *Names) Waiting(ctx context.Context, address string) (is pairing.Heard, whole time.Time) {
	s, a := n.store, nameAsk{at: time.Now(), ofAddress: n.ofAddress(address), from: pairing.Origin{Address: address}}
	b, state := s.current()
	if b == nil || !state.answers() || s.own(a.ofAddress) {
		return is, whole
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Wait)
	defer cancel()
	values, err := b.Look(ctx, []string{a.ofAddress}, nameMax)
	if err != nil {
		s.missed(err)
		return is, whole
	}
	s.answered()
	told, _ := s.heard(&a, a.ofAddress, &values[0])
	return told.Heard, told.whole
}

// heard is what a value says of a client.
func (s *Store) heard(a *nameAsk, key string, v *Value) (is heard, result lookupResult) {
	if !v.Found && v.Err == nil {
		return s.nobody(a), lookupUnknown
	}
	said, err := decodeName(v.Text)
	if v.Err != nil || err != nil {
		s.disbelieve(key)
		return heard{}, lookupNonsense
	}
	is = s.nobody(a)
	is.Identity, is.Prefer, is.Hello, is.Contested = said.Identity, said.Prefer, said.Hello, said.Contested
	if key == a.ofEndpoint {
		is.Endpoint, is.Address = a.from.Endpoint, ""
	}
	return is, lookupKnown
}

// nobody is what is known where nothing is said.
func (s *Store) nobody(a *nameAsk) heard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return heard{Heard: pairing.Heard{Saying: pairing.Saying{Address: a.from.Address}, Known: true}, whole: s.whole}
}

// lookNames answers who clients are.
func (s *Store) lookNames(ctx context.Context) {
	batch := make([]nameAsk, 0, asksAtOnce)
	for {
		if batch = gather(ctx, s.nameAsks, batch[:0]); len(batch) == 0 {
			for _, a := range drained(s.nameAsks) {
				a.told(pairing.Heard{}, time.Time{}, nil)
			}
			return
		}
		s.identify(ctx, batch)
		clear(batch)
	}
}

func (s *Store) identify(ctx context.Context, batch []nameAsk) {
	b, state := s.current()
	if b == nil || !state.answers() {
		s.tell(batch, make([]heard, len(batch)), slices.Repeat([]lookupResult{lookupDown}, len(batch)))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Wait)
	defer cancel()
	all, results, err := s.lookAtNames(ctx, b, batch)
	if err == nil {
		err = s.take(ctx, b, batch, all, results)
	}
	if err == nil {
		s.answered()
	} else {
		s.missed(err)
		for i := range batch {
			all[i], results[i] = heard{had: all[i].had}, lookupLate
		}
	}
	s.tell(batch, all, results)
}

func (s *Store) tell(batch []nameAsk, all []heard, results []lookupResult) {
	for i, a := range batch {
		s.stats.names[results[i]].Add(1)
		a.told(all[i].Heard, all[i].whole, all[i].had)
	}
}

// lookAtNames reads what is said of clients, of the endpoint first, and along with it their last workers.
func (s *Store) lookAtNames(ctx context.Context, b Backend, batch []nameAsk) ([]heard, []lookupResult, error) {
	all, results := make([]heard, len(batch)), slices.Repeat([]lookupResult{lookupUnknown}, len(batch))
	keys, workers := make([]string, 0, 2*len(batch)), make([]string, 0, len(batch))
	for i := range batch {
		keys = append(keys, batch[i].keys()...)
		if key := batch[i].ofWorker; key != "" {
			workers = append(workers, key)
		}
	}
	values, had, err := b.LookAlong(ctx, keys, workers, nameMax)
	if err != nil {
		return all, results, err
	}
	for i := range batch {
		a := &batch[i]
		for range a.keys() {
			if results[i] != lookupKnown {
				all[i], results[i] = s.heard(a, keys[0], &values[0])
			}
			keys, values = keys[1:], values[1:]
		}
		if a.ofWorker != "" {
			is := s.recalled(a.ofWorker, a.at, &had[0])
			all[i].had, had = &is, had[1:]
		}
	}
	return all, results, nil
}

// keys are those that an ask is about.
func (a *nameAsk) keys() []string {
	return slices.DeleteFunc([]string{a.ofEndpoint, a.ofAddress}, func(key string) bool { return key == "" })
}

// take takes the names that were found, each for one client.
func (s *Store) take(ctx context.Context, b Backend, batch []nameAsk, all []heard, results []lookupResult) error {
	var keys []string
	var of []int
	for i := range batch {
		if all[i].Identity == "" {
			continue
		}
		key := batch[i].ofAddress
		if all[i].Endpoint != "" {
			key = batch[i].ofEndpoint
		}
		keys, of = append(keys, key), append(of, i)
	}
	if len(keys) == 0 {
		return nil
	}
	values, err := b.Take(ctx, keys)
	if err != nil {
		return err
	}
	for n, i := range of {
		if errors.Is(values[n].Err, ErrRefused) {
			s.refuse(values[n].Err)
		}
		had := all[i].had
		all[i], results[i] = s.heard(&batch[i], keys[n], &values[n])
		if all[i].had = had; all[i].Contested { // since it was looked at
			s.put(contested(Write{Key: keys[n], TTL: takenFor}))
		}
	}
	return nil
}

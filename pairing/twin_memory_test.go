package pairing

import (
	"fmt"
	"slices"
	"time"
)

// twinMemory is a memory as a list in the order in which things were said. It
// drops what is out of date whenever it is used.
type twinMemory[K comparable, V any] struct {
	most, share int
	ttl         time.Duration
	items       []twinItem[K, V]
	dropped     func(K)
	lapsed      uint64
	uncounted   func(K) bool // of what is out of date; nil: nothing
}

type twinItem[K comparable, V any] struct {
	key    K
	value  V
	source string
	live   bool
	since  time.Duration
}

func (m *twinMemory[K, V]) drop(i int) {
	key := m.items[i].key
	m.items = slices.Delete(m.items, i, i+1)
	if m.dropped != nil {
		m.dropped(key)
	}
}

func (m *twinMemory[K, V]) expire(now time.Duration) {
	for i := len(m.items) - 1; i >= 0; i-- {
		if x := m.items[i]; !x.live && now-x.since >= m.ttl {
			if m.uncounted == nil || !m.uncounted(x.key) {
				m.lapsed++
			}
			m.drop(i)
		}
	}
}

func (m *twinMemory[K, V]) find(key K, now time.Duration) int {
	m.expire(now)
	return slices.IndexFunc(m.items, func(x twinItem[K, V]) bool { return x.key == key })
}

func (m *twinMemory[K, V]) get(key K, now time.Duration) (v V, ok bool) {
	if i := m.find(key, now); i >= 0 {
		return m.items[i].value, true
	}
	return v, false
}

func (m *twinMemory[K, V]) remove(key K, now time.Duration) bool {
	i := m.find(key, now)
	if i >= 0 {
		m.drop(i)
	}
	return i >= 0
}

func (m *twinMemory[K, V]) put(x twinItem[K, V]) {
	if m.most == 0 {
		return
	}
	if i := m.find(x.key, x.since); i >= 0 {
		m.items = slices.Delete(m.items, i, i+1)
	}
	m.items = append(m.items, x)
	if !x.live {
		m.boundShare(x.source)
		m.bound(x.source)
	}
}

func (m *twinMemory[K, V]) setLive(key K, live bool, now time.Duration) {
	if i := m.find(key, now); i >= 0 {
		x := m.items[i]
		x.live, x.since = live, now
		m.put(x)
	}
}

// of are the places of what is not live and of which is says yes.
func (m *twinMemory[K, V]) of(is func(source string) bool) (at []int) {
	for i, x := range m.items {
		if !x.live && is(x.source) {
			at = append(at, i)
		}
	}
	return at
}

func (m *twinMemory[K, V]) boundShare(source string) {
	own := func(s string) bool { return source != "" && s == source }
	for at := m.of(own); m.share > 0 && len(at) > m.share; at = m.of(own) {
		m.drop(at[0])
	}
}

func (m *twinMemory[K, V]) bound(source string) {
	for {
		all := m.of(func(string) bool { return true })
		own := m.of(func(s string) bool { return source != "" && s == source })
		sources := m.of(func(s string) bool { return s != "" })
		switch {
		case len(all) <= m.most:
			return
		case len(own) > 1:
			m.drop(own[0])
		case len(sources) > 0:
			m.drop(sources[0])
		default:
			m.drop(all[0])
		}
	}
}

func (m *twinMemory[K, V]) configure(most, share int, ttl, now time.Duration) {
	m.most, m.share, m.ttl = most, share, ttl
	m.expire(now)
	for _, x := range slices.Clone(m.items) {
		m.boundShare(x.source)
	}
	m.bound("")
	for most == 0 && len(m.items) > 0 {
		m.drop(0)
	}
}

// compareMemory tells how a memory differs from its twin, in which each value stands for another. It drops nothing.
func compareMemory[K comparable, V, T any](what string, m *memory[K, V], twin *twinMemory[K, T], now time.Duration, value func(T) V) error {
	twin.expire(now)
	want := []string{}
	for _, class := range []func(x twinItem[K, T]) bool{
		func(x twinItem[K, T]) bool { return x.live },
		func(x twinItem[K, T]) bool { return !x.live && x.source == "" },
		func(x twinItem[K, T]) bool { return !x.live && x.source != "" },
	} {
		for _, x := range twin.items {
			if left := x.since + twin.ttl - now; class(x) && x.live {
				want = append(want, fmt.Sprint(x.key, value(x.value), time.Duration(0)))
			} else if class(x) {
				want = append(want, fmt.Sprint(x.key, value(x.value), left))
			}
		}
	}
	got := []string{}
	m.each(now, func(key K, v V, left time.Duration) bool {
		got = append(got, fmt.Sprint(key, v, left))
		return true
	})
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s are %q, not %q", what, got, want)
	}
	return nil
}

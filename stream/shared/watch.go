package shared

import "sync"

// watchers are told which keys have changed. They have a lock of their own, since whoever tells must not wait.
type watchers struct {
	mu  sync.Mutex
	all map[*watcher]struct{}
	of  map[string]*watcher // by key
}

// watcher has keys of its own, which no other one has.
type watcher struct {
	in      *watchers
	woken   chan struct{}
	changed map[string]bool // true: and not taken yet
}

// newWatcher is one without keys.
func (s *watchers) newWatcher() *watcher {
	w := &watcher{s, make(chan struct{}, 1), map[string]bool{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all, s.of = map[*watcher]struct{}{}, map[string]*watcher{}
	}
	s.all[w] = struct{}{}
	return w
}

// change notes that keys have changed, nil for whichever.
func (s *watchers) change(keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if keys == nil {
		for w := range s.all {
			w.touch()
			w.wake()
		}
	}
	for _, key := range keys {
		if w := s.of[key]; w != nil {
			w.changed[key] = true
			w.wake()
		}
	}
}

// changeOf has all keys of a watcher be read again, when it comes to it.
func (s *watchers) changeOf(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.touch()
}

func (w *watcher) touch() {
	for key := range w.changed {
		w.changed[key] = true
	}
}

func (w *watcher) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// watch has these keys be watched, and no others any more. Those that were not watched before have changed.
func (w *watcher) watch(keys map[string]int) {
	w.in.mu.Lock()
	defer w.in.mu.Unlock()
	for key := range w.changed {
		if _, stays := keys[key]; !stays {
			delete(w.changed, key)
			delete(w.in.of, key)
		}
	}
	for key := range keys {
		if _, watched := w.changed[key]; !watched {
			w.changed[key] = true
			w.in.of[key] = w
		}
	}
}

// some says whether any key has changed.
func (w *watcher) some() bool {
	w.in.mu.Lock()
	defer w.in.mu.Unlock()
	for _, changed := range w.changed {
		if changed {
			return true
		}
	}
	return false
}

// take returns the keys that have changed, for them to be read.
func (w *watcher) take() (keys []string) {
	w.in.mu.Lock()
	defer w.in.mu.Unlock()
	for key, changed := range w.changed {
		if changed {
			w.changed[key] = false
			keys = append(keys, key)
		}
	}
	return keys
}

// close has it watch nothing.
func (w *watcher) close() {
	w.watch(nil)
	w.in.mu.Lock()
	defer w.in.mu.Unlock()
	delete(w.in.all, w)
}

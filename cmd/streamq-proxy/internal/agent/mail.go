package agent

import (
	"sync"

	"golang.org/x/sys/unix"
)

// mail is what others have for the loop to do.
type mail struct {
	wake int // an eventfd

	mu      sync.Mutex // of what follows
	posted  []func()
	asleep  bool // the loop waits, or is about to
	stopped bool // nobody takes anything any more
}

// post has the loop do f, soon and in order. Any goroutine may call it, the loop's too.
func (a *Agent) post(f func()) {
	m := &a.mail
	m.mu.Lock()
	defer m.mu.Unlock()
	m.posted = append(m.posted, f)
	if m.asleep && !m.stopped { // else the eventfd may be another's by now
		m.asleep = false
		_, _ = unix.Write(m.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

// do is post, and waits until it is done; false when there is no loop any more. The loop itself must not call it.
func (a *Agent) do(f func()) bool {
	done := make(chan struct{})
	a.post(func() { f(); close(done) })
	select {
	case <-done:
		return true
	case <-a.ended:
		return false
	}
}

// sleep says whether the loop may wait: nothing is left for it to do.
func (m *mail) sleep() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asleep = len(m.posted) == 0
	return m.asleep
}

// awake: what is posted from now on is seen before the loop waits again.
func (m *mail) awake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asleep = false
}

func (m *mail) take() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.posted
	m.posted = nil
	return all
}

func (m *mail) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
	_ = unix.Close(m.wake)
}

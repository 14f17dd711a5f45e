package integration

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"

	zmq "github.com/pebbe/zmq4"
)

// crowd are CURVE clients that ask all the time, as fast as they are answered, each on its one connection: a client whose
// pair is cut is not answered any more, and fails the test. They go on until they leave. Their workers are named ones.
type crowd struct {
	endpoint string
	ctx      *zmq.Context
	sec      security
	members  []*member
}

// member is one of them.
type member struct {
	worker          string // that answered it first
	asked, answered atomic.Int64
	leave           func() // ends its connection
}

// join adds so many clients and returns when each has its worker.
func (c *crowd) join(t *testing.T, n int) {
	t.Helper()
	for range n {
		s := newClient(t, c.ctx, zmq.REQ, c.sec, "")
		must(t, s.SetReconnectIvl(-1))
		must(t, s.Connect(c.endpoint))
		m := &member{}
		must(t, m.ask(s, fmt.Sprint(len(c.members))))
		stopping, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			defer s.close()
			m.talk(t, s, stopping)
		}()
		m.leave = sync.OnceFunc(func() { close(stopping); <-done })
		t.Cleanup(m.leave)
		c.members = append(c.members, m)
	}
}

func (m *member) talk(t testing.TB, s *socket, stopping <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stopping:
			return
		default:
		}
		if err := m.ask(s, fmt.Sprint(i)); err != nil {
			t.Errorf("a client of %s: %v", m.worker, err)
			return
		}
	}
}

// ask asks a question, and wants it back from the worker that answered the first.
func (m *member) ask(s *socket, question string) error {
	if _, err := s.SendMessage(question); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	m.asked.Add(1)
	reply, err := s.RecvMessage(0)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	if m.worker == "" && len(reply) == 2 {
		m.worker = reply[0]
	}
	if len(reply) != 2 || reply[0] != m.worker || reply[1] != question {
		return fmt.Errorf("asked %q and was answered %q", question, reply)
	}
	m.answered.Add(1)
	return nil
}

// of are the members that a worker serves.
func (c *crowd) of(worker string) (some []*member) {
	for _, m := range c.members {
		if m.worker == worker {
			some = append(some, m)
		}
	}
	return some
}

// expectAnswers waits until each member has been answered so often again.
func (c *crowd) expectAnswers(t testing.TB, n int64) {
	t.Helper()
	for _, m := range c.members {
		before := m.answered.Load()
		eventually(t, "everybody is answered", func() bool { return m.answered.Load() >= before+n || t.Failed() })
	}
	if t.Failed() {
		t.FailNow()
	}
}

// expectAll has everybody leave, and fails if a question was left without an answer.
func (c *crowd) expectAll(t testing.TB) {
	t.Helper()
	var asked, answered int64
	for _, m := range c.members {
		m.leave()
		asked, answered = asked+m.asked.Load(), answered+m.answered.Load()
	}
	if asked != answered {
		t.Errorf("%d questions, %d answers", asked, answered)
	}
	t.Logf("%d clients, %d questions, %d answers", len(c.members), asked, answered)
}

// visitors are clients that come one after the other, ask once and go.
type visitors struct {
	stop func()

	mu     sync.Mutex
	period int            // of the count
	at     map[string]int // by worker, those that came in this period
}

// welcome starts them.
func (c *crowd) welcome(t testing.TB) *visitors {
	t.Helper()
	v := &visitors{at: map[string]int{}}
	stopping, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stopping:
				return
			default:
			}
			if err := v.visit(c); err != nil {
				t.Errorf("a visitor: %v", err)
				return
			}
		}
	}()
	v.stop = sync.OnceFunc(func() { close(stopping); <-done })
	t.Cleanup(v.stop)
	return v
}

func (v *visitors) visit(c *crowd) error {
	v.mu.Lock()
	period := v.period
	v.mu.Unlock()
	z, err := c.ctx.NewSocket(zmq.REQ)
	if err != nil {
		return err
	}
	s := &socket{Socket: z}
	defer s.close()
	err = errors.Join(
		s.SetLinger(0), s.SetRcvtimeo(patience), s.SetReconnectIvl(-1),
		s.SetCurveServerkey(c.sec.serverPublic), s.SetCurvePublickey(c.sec.clientPublic), s.SetCurveSecretkey(c.sec.clientSecret),
		s.Connect(c.endpoint))
	if err != nil {
		return err
	}
	m := &member{}
	if err := m.ask(s, "just looking"); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if period == v.period {
		v.at[m.worker]++
	}
	return nil
}

// begin counts anew: those that come from now on.
func (v *visitors) begin() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.period++
	v.at = map[string]int{}
}

// seen is where they have been in this period.
func (v *visitors) seen() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.at)
}

// expectAway waits for more visitors, none of which may come to the worker.
func (v *visitors) expectAway(t testing.TB, worker string) {
	t.Helper()
	v.begin()
	var at map[string]int
	eventually(t, "more visitors", func() bool {
		at = v.seen()
		sum := 0
		for _, n := range at {
			sum += n
		}
		return sum >= 20 || t.Failed()
	})
	if at[worker] > 0 {
		t.Errorf("visitors came to %s: %v", worker, at)
	}
}

// expectAt waits until visitors come to the worker.
func (v *visitors) expectAt(t testing.TB, worker string) {
	t.Helper()
	v.begin()
	eventually(t, "visitors at "+worker, func() bool { return v.seen()[worker] > 2 || t.Failed() })
}

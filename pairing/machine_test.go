package pairing

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// machine plays the caller of a table and of its twin: it makes events up, gives
// them to both, and compares. Whoever makes one says where its choices come
// from: rapid, or a fuzzer's bytes.
type machine struct {
	pick    func(n int) int // 0 to n-1
	table   *Table
	twin    *twin
	now     time.Duration
	last    PeerID
	seen    []PeerID // connections that may still be of interest, gone ones among them
	dials   []Action // that have not been answered
	probes  []Action
	asked   []Action // likewise
	unknown []PeerID // likewise
	words   int64    // of operators
	stays   int      // clients that connected and have not ended
	log     []string
	all     machines // of its group, nil for none
}

var (
	machineListening = []string{"l1", "l2", "l3"}
	machineDialling  = []string{"d1", "d2", "l1"}
	machineNames     = []string{"l1", "l2", "l3", "d1", "d2", "nobody"}
	machineAddresses = []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}
	machineSources   = []string{"", "10.0.0.1", "10.0.0.2"}
	machineIdentity  = []string{"", "ann", "bob", "cyd", "dee", "eve"}
)

func newMachine(pick func(n int) int) *machine {
	m := &machine{pick: pick}
	cfg := m.config()
	cfg.Seed = uint64(pick(1 << 16))
	cfg.SlotMaxAge = time.Duration(pick(3)) * 5 * time.Second
	m.table, m.twin = New(cfg), newTwin(cfg)
	return m
}

// newMachines plays several tables of a group.
func newMachines(pick func(n int) int) machines {
	all := machines{newMachine(pick), newMachine(pick)}
	g, shared := NewGroup(&sync.Mutex{}), &twinHabits{grouped: true}
	for _, m := range all {
		m.all = all
		m.table.Join(g, 0)
		shared.of = append(shared.of, m.twin)
		m.twin.had = shared
		shared.size(0)
	}
	return all
}

type machines []*machine

// event has one of them have one; when time has passed by it, it has for all.
func (all machines) event(pick func(n int) int) error {
	i := pick(len(all))
	if err := all[i].event(); err != nil {
		return fmt.Errorf("table %d: %w", i, err)
	}
	for _, m := range all {
		if m.now == all[i].now {
			continue
		}
		m.now = all[i].now
		if err := m.tick(); err != nil {
			return err
		}
	}
	return nil
}

// config makes up a configuration. What cannot be changed without the twin
// having to know how is fixed: the back-off.
func (m *machine) config() Config {
	cfg := Config{
		Policy:           one(m, Policies()),
		QueueMax:         m.pick(4) * 2,
		QueueTimeout:     time.Duration(1+m.pick(10)) * time.Second,
		HandshakeTimeout: time.Duration(m.pick(4)) * 2 * time.Second,
		SlotMaxAge:       10 * time.Second,
		FinishTimeout:    time.Duration(1+m.pick(4)) * time.Second,
		MaxClients:       m.pick(3) * 8,
		MaxPerAddress:    m.pick(3) * 4,
		Lease:            Lease{Strategy: Strategy(m.pick(int(strategyCount))), TTL: time.Duration(1+m.pick(3)) * 4 * time.Second},
		AffinityMax:      m.pick(3) * 2,
		AffinityTTL:      3 * time.Second,
		AffinityBySource: m.pick(2) == 1,
		AffinityMaxLoad:  float64(m.pick(3)) * 1.2,
		EndOnDown:        m.pick(2) == 1,
		SlowStart:        time.Duration(m.pick(3)) * 4 * time.Second,
		HintMax:          m.pick(4) * 2,
		HintTTL:          6 * time.Second,
		SourceMax:        m.pick(4),
		RetryMin:         time.Second,
		RetryMax:         10 * time.Second,
		HintWait:         time.Duration(m.pick(3)) * time.Second,
		SharedWait:       time.Duration(max(0, m.pick(4)-1)) * 500 * time.Millisecond,
	}
	cfg.RequireHello = cfg.HintMax > 0 && m.pick(4) == 0
	return cfg
}

func one[T any](m *machine, of []T) T { return of[m.pick(len(of))] }

func (m *machine) fresh(side PeerID) PeerID {
	m.last++
	id := side<<32 | m.last
	m.seen = append(m.seen, id)
	if len(m.seen) > 64 { // mostly long gone
		m.seen = slices.DeleteFunc(m.seen, func(id PeerID) bool { return m.table.Peer(id) == nil })
	}
	return id
}

// known is a connection in one of the given states, or any that ever was.
func (m *machine) known(states ...PeerState) PeerID {
	var ids []PeerID
	for _, id := range m.seen {
		if p := m.table.Peer(id); len(states) == 0 || p != nil && slices.Contains(states, p.state) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return PeerID(m.pick(3))
	}
	return one(m, ids)
}

// origin is that of a new connection; its endpoint may be one that was said in a hint.
func (m *machine) origin(client bool) Origin {
	o := Origin{Address: one(m, machineAddresses)}
	if n := m.pick(40); n > 0 {
		o.Endpoint = m.endpoint(n)
		if p := m.table.PeerAt(o.Endpoint, client); p != nil {
			o.Endpoint = fmt.Sprintf("%s:%d", o.Address, m.last+1000) // two live connections of a side share none
		}
	}
	return o
}

func (m *machine) endpoint(n int) string { return fmt.Sprintf("10.0.0.9:%d", n) }

// event makes one event up and runs it; the error says what is wrong.
func (m *machine) event() error {
	switch kind := m.pick(32); kind {
	case 0, 1, 2:
		return m.connectClient()
	case 3, 4, 5:
		return m.ready(m.known(PeerConnected))
	case 6, 7:
		return m.connectWorker()
	case 8, 9:
		id := m.known(PeerConnected)
		return m.both(fmt.Sprint("greeted ", id), func(now time.Duration) ([]Action, error) {
			return m.table.WorkerReady(now, id), nil
		}, func() bool { m.twin.workerReady(id); return true })
	case 10, 11, 12:
		if len(m.dials) == 0 {
			return nil
		}
		return m.answerDial(m.pick(len(m.dials)), kind != 12)
	case 13:
		switch m.pick(5) {
		case 0:
			return m.elsewhere()
		case 1, 2:
			return m.answerProbe()
		}
		if m.pick(2) == 0 {
			return m.identified(one(m, append(m.unknown, m.known())))
		}
		return m.recalled(one(m, append(m.asked, Action{Peer: m.known()})).Peer)
	case 14, 15:
		return m.opened(m.known(PeerPaired))
	case 16:
		return m.renew()
	case 17, 18:
		id, how := m.known(), Gone(m.pick(4))
		return m.both(fmt.Sprint("gone ", id), func(now time.Duration) ([]Action, error) {
			return m.table.Gone(now, id, how), nil
		}, func() bool {
			if p := m.twin.find(id); p != nil {
				m.twin.vanish(p, how)
			}
			return true
		})
	case 19:
		id, why := m.known(), one(m, []Reason{Kicked, NotZMTP, MechanismRefused, Overflow})
		return m.both(fmt.Sprint("end ", id, why), func(now time.Duration) ([]Action, error) {
			return m.table.End(now, id, why), nil
		}, func() bool {
			if p := m.twin.find(id); p != nil {
				m.twin.end(p, why)
			}
			return true
		})
	case 20, 21:
		return m.operate()
	case 22:
		return m.hint()
	case 27:
		return m.sayOfIdentity()
	case 28:
		return m.rebalance()
	case 29:
		return m.crowd()
	case 30:
		return m.upgrade()
	case 23, 24, 25:
		m.now += one(m, []time.Duration{time.Millisecond, 100 * time.Millisecond, time.Second, 4 * time.Second})
		return m.tick()
	case 26:
		if at, ok := m.table.Deadline(); ok {
			m.now = max(m.now, at)
		}
		return m.tick()
	default:
		return m.rare()
	}
}

// tick also holds the table to its deadline: nothing is due before it, and
// nothing is left that was due.
func (m *machine) tick() error {
	before, some := m.table.Deadline()
	err := m.both("tick", func(now time.Duration) ([]Action, error) { return m.table.Tick(now), nil },
		func() bool { m.twin.tick(); return true })
	if err == nil && len(m.twin.got) > 0 && (!some || before > m.now) {
		err = fmt.Errorf("tick at %v did something, although nothing was due before %v", m.now, before)
	}
	if at, ok := m.table.Deadline(); err == nil && ok && at <= m.now {
		err = fmt.Errorf("tick at %v left what was due at %v", m.now, at)
	}
	return err
}

func (m *machine) connectClient() error {
	id, o := m.fresh(1), m.origin(true)
	if m.pick(50) == 0 {
		id = m.known() // a number that is used again
	}
	m.stays++
	return m.both(fmt.Sprintf("client %d %v", id, o), func(now time.Duration) ([]Action, error) {
		return m.table.ClientConnected(now, id, o, nil), nil
	}, func() bool { m.twin.clientConnected(id, o); return true })
}

func (m *machine) connectWorker() error {
	id, o, name := m.fresh(2), m.origin(false), one(m, machineDialling)
	return m.both(fmt.Sprintf("worker %d of %s %v", id, name, o), func(now time.Duration) ([]Action, error) {
		return m.table.WorkerConnected(now, id, name, o, nil), nil
	}, func() bool { m.twin.workerConnected(id, name, o); return true })
}

func (m *machine) ready(id PeerID) error {
	return m.both(fmt.Sprint("ready ", id), func(now time.Duration) ([]Action, error) {
		return m.table.ClientReady(now, id), nil
	}, func() bool { m.twin.clientReady(id); return true })
}

func (m *machine) opened(id PeerID) error {
	return m.both(fmt.Sprint("opened ", id), func(now time.Duration) ([]Action, error) {
		return m.table.Opened(now, id), nil
	}, func() bool { m.twin.opened(id); return true })
}

// crowd has some clients come that have all that a client needs, a worker and often a name among it: else there are
// hardly ever several pairs.
func (m *machine) crowd() error {
	c := WorkerConfig{Name: one(m, machineListening), Weight: m.pick(4)}
	c.Endpoint = "tcp://" + c.Name
	err := m.both(fmt.Sprintf("add %+v", c), func(now time.Duration) ([]Action, error) { return m.table.AddWorker(now, c) },
		func() bool { return m.twin.addWorker(c) })
	for n := 2 + m.pick(7); n > 0 && err == nil; n-- {
		err = m.served()
	}
	return err
}

// served has a client come and, if somebody takes it, be served.
func (m *machine) served() error {
	err := m.connectClient()
	id := 1<<32 | m.last
	if err == nil {
		err = m.ready(id)
	}
	if p := m.table.Peer(id); p != nil && p.isHeld() && err == nil {
		h := Hint{Identity: one(m, machineIdentity[1:]), Endpoint: p.origin.Endpoint}
		err = m.both(fmt.Sprintf("hint %+v", h), func(now time.Duration) ([]Action, error) {
			return m.table.Hint(now, h), nil
		}, func() bool { m.twin.hint(h); return true })
	}
	if p := m.table.Peer(id); p != nil && p.isAsking() && err == nil {
		err = m.recalled(id)
	}
	if i := slices.IndexFunc(m.dials, func(a Action) bool { return a.Peer == id }); err == nil && i >= 0 {
		err = m.answerDial(i, true)
	}
	if err == nil {
		err = m.opened(id)
	}
	return err
}

func (m *machine) answerDial(i int, ok bool) error {
	client, worker := m.dials[i].Peer, m.dials[i].Worker
	m.dials = slices.Delete(m.dials, i, i+1)
	if !ok {
		return m.both(fmt.Sprintf("dial failed %d %s", client, worker), func(now time.Duration) ([]Action, error) {
			return m.table.DialFailed(now, client, worker), nil
		}, func() bool { m.twin.dialFailed(client, worker); return true })
	}
	id := m.fresh(3)
	return m.both(fmt.Sprintf("dialled %d for %d", id, client), func(now time.Duration) ([]Action, error) {
		return m.table.Dialled(now, client, id, nil), nil
	}, func() bool { m.twin.dialled(client, id); return true })
}

// elsewhere has others tell how many pairs workers have there.
func (m *machine) elsewhere() error {
	pairs := map[string]int{}
	for range m.pick(4) {
		pairs[one(m, machineNames)] = m.pick(6) - 1
	}
	return m.both(fmt.Sprintf("elsewhere %v", pairs), func(now time.Duration) ([]Action, error) {
		return m.table.Elsewhere(now, pairs), nil
	}, func() bool {
		for _, w := range m.twin.workers {
			w.elsewhere = max(0, pairs[w.name])
		}
		return true
	})
}

// heard is what others may know of a client, or of the next one from an address.
func (m *machine) heard(from Origin) (is Heard) {
	if is.Known = m.table.cfg.asksWho() && m.pick(4) > 0; !is.Known {
		return is
	}
	is.Since = m.now - time.Duration(m.pick(8))*time.Second
	is.Until = is.Since + time.Duration(m.pick(8))*time.Second
	if m.pick(4) == 0 && from.Endpoint != "" {
		is.Endpoint = from.Endpoint
	} else if is.Address = from.Address; m.pick(4) == 0 {
		is.Contested = true
		return is
	}
	if is.Identity = one(m, machineIdentity); is.Identity == "" { // only the next one from an address may be nobody
		is.Endpoint, is.Address = "", from.Address
		return is
	}
	is.Hello = m.pick(2) == 0
	for range m.pick(3) {
		is.Prefer = append(is.Prefer, one(m, machineNames))
	}
	return is
}

// text tells times as they are from now.
func (m *machine) text(is Heard) string {
	if !is.Known {
		return "nothing"
	}
	return fmt.Sprintf("%+v of %v to %v", is.Saying, is.Since-m.now, is.Until-m.now)
}

// identified has others say who a client is.
func (m *machine) identified(id PeerID) error {
	m.unknown = slices.DeleteFunc(m.unknown, func(one PeerID) bool { return one == id })
	from := Origin{Address: one(m, machineAddresses)} // of one that has gone
	if p := m.table.Peer(id); p != nil {
		from = *p.origin
	}
	is := m.heard(from)
	return m.both(fmt.Sprintf("identified %d %s", id, m.text(is)), func(now time.Duration) ([]Action, error) {
		return m.table.Identified(now, id, is), nil
	}, func() bool { m.twin.identified(id, is); return true })
}

// recalled has others say what they know of a client.
func (m *machine) recalled(id PeerID) error {
	m.asked = slices.DeleteFunc(m.asked, func(a Action) bool { return a.Peer == id })
	is := Recollection{Known: m.pick(4) > 0}
	if m.pick(4) > 0 {
		is.Worker = one(m, machineNames)
	}
	if m.pick(2) == 0 {
		is.Pin = m.pin(one(m, machineIdentity))
		is.Pin.Everywhere = true
	}
	return m.both(fmt.Sprintf("recalled %d %+v", id, is), func(now time.Duration) ([]Action, error) {
		return m.table.Recalled(now, id, is), nil
	}, func() bool { m.twin.recalled(id, is); return true })
}

func (m *machine) answerProbe() error {
	if len(m.probes) == 0 {
		return nil
	}
	name, ok := m.probes[0].Worker, m.pick(2) == 0
	m.probes = m.probes[1:]
	return m.both(fmt.Sprint("probed ", name, ok), func(now time.Duration) ([]Action, error) {
		return m.table.Probed(now, name, ok), nil
	}, func() bool { m.twin.probed(name, ok); return true })
}

func (m *machine) renew() error {
	if m.pick(4) == 0 {
		id := m.known(PeerDraining)
		m.log = append(m.log, fmt.Sprint("delivering ", id))
		m.table.Delivering(m.now, id)
		m.twin.delivering(m.now, id)
		return m.compare()
	}
	if m.pick(2) == 0 {
		id := m.known(PeerPaired, PeerOpen, PeerDraining)
		m.log = append(m.log, fmt.Sprint("touch ", id))
		m.table.Touch(m.now, id)
		m.twin.touch(m.now, id)
		return m.compare()
	}
	name := one(m, machineIdentity[1:])
	m.log = append(m.log, "beat "+name)
	if got, want := m.table.Beat(m.now, name), m.twin.beat(m.now, name); got != want {
		return fmt.Errorf("beat %s said %v, not %v", name, got, want)
	}
	return m.compare()
}

func (m *machine) hint() error {
	h := Hint{Identity: one(m, machineIdentity), Address: one(m, machineAddresses), Source: one(m, machineSources)}
	if h.Worker = m.pick(3) == 0; h.Worker {
		h.Weight = m.pick(4)
	}
	switch m.pick(3) {
	case 0:
		h.Endpoint = m.endpoint(1 + m.pick(39))
	case 1:
		if p := m.table.Peer(m.known()); p != nil {
			h.Endpoint = p.origin.Endpoint
		}
	}
	for range m.pick(3) {
		h.Prefer = append(h.Prefer, one(m, machineNames))
	}
	if m.pick(2) == 0 {
		if m.pick(2) == 0 {
			h.Endpoint = ""
		}
		is := m.heard(Origin{Address: h.Address})
		return m.both(fmt.Sprintf("hello %+v after %s", h, m.text(is)), func(now time.Duration) ([]Action, error) {
			return m.table.HelloAfter(now, h, is)
		}, func() bool { return m.twin.hello(h, is) })
	}
	return m.both(fmt.Sprintf("hint %+v", h), func(now time.Duration) ([]Action, error) {
		return m.table.Hint(now, h), nil
	}, func() bool { m.twin.hint(h); return true })
}

var errNotHeld = errors.New("nothing is held")

// sayOfIdentity does what is done to one beside hints.
func (m *machine) sayOfIdentity() error {
	name := one(m, machineIdentity[1:])
	switch m.pick(4) {
	case 0:
		s := m.pin(name)
		return m.both(fmt.Sprintf("pin %+v", s), func(now time.Duration) ([]Action, error) {
			said, actions, err := m.table.Steer(now, s)
			if err == nil && !said.After(m.twin.pinOf(name).Stamp) {
				err = fmt.Errorf("%+v counts, and %+v was said before", said, m.twin.pinOf(name))
			}
			return actions, err
		}, func() bool { return m.twin.pin(s) })
	case 1:
		s := m.pin(name)
		s.Everywhere = true
		return m.both(fmt.Sprintf("heed %+v", s), func(now time.Duration) ([]Action, error) {
			heeded, actions, err := m.table.Heed(now, s)
			actions = slices.Clone(actions)
			if again, _, _ := m.table.Heed(now, s); !heeded || again {
				err = errors.Join(err, errNotHeld)
			}
			return actions, err
		}, func() bool { return m.twin.heedPin(s) })
	case 2:
		return m.both("unhint "+name, func(now time.Duration) ([]Action, error) {
			actions, found := m.table.Unhint(now, name)
			if !found {
				return actions, errNotHeld
			}
			return actions, nil
		}, func() bool { return m.twin.unhint(name) })
	default:
		return m.both("bye "+name, func(now time.Duration) ([]Action, error) {
			return m.table.Bye(now, name), nil
		}, func() bool { m.twin.bye(name); return true })
	}
}

// pin is a word about an identity, which is the last or has come late.
func (m *machine) pin(name string) Steering {
	m.words++
	var workers []string
	for range m.pick(3) {
		workers = append(workers, one(m, machineNames))
	}
	said := Said{Stamp: Stamp{max(1, m.words-int64(m.pick(8))), one(m, machineSources)}, Everywhere: m.pick(2) == 0}
	return Steering{Identity: name, Register: RegisterPin, Workers: strings.Join(workers, ","), Said: said}
}

// rebalance begins one, or stops it.
func (m *machine) rebalance() error {
	if m.pick(4) == 0 {
		m.log = append(m.log, "stop rebalance")
		want := m.twin.moving.run != nil
		if m.twin.moving.run = nil; m.table.StopRebalance(m.now) != want {
			return fmt.Errorf("a rebalance was under way: %v", want)
		}
		return m.compare()
	}
	r := Rebalance{Rate: one(m, []float64{0.5, 5, 30, 1000}), DryRun: m.pick(4) == 0}
	if m.pick(3) == 0 {
		r.Worker = one(m, machineNames)
	}
	var got, want Rebalancing
	err := m.both(fmt.Sprintf("rebalance %+v", r), func(now time.Duration) (actions []Action, err error) {
		got, actions, err = m.table.Rebalance(now, r)
		return actions, err
	}, func() (ok bool) { want, ok = m.twin.rebalance(r); return ok })
	got.began = 0
	if err == nil && fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		return fmt.Errorf("it is %+v, not %+v", got, want)
	}
	return err
}

// operate does what an operator does to workers.
func (m *machine) operate() error {
	name, n := one(m, machineNames), m.pick(4)
	what := m.pick(9)
	text := fmt.Sprint("operate ", what, " ", name, " ", n)
	switch what {
	case 0, 1:
		c := WorkerConfig{Name: name, Weight: n, MaxPairs: m.pick(4), MaxHandshakes: max(0, m.pick(4)-1)}
		if slices.Contains(machineListening, name) {
			c.Endpoint = "tcp://" + name
		}
		c.Source = one(m, machineSources)
		return m.both(fmt.Sprintf("add %+v", c), func(now time.Duration) ([]Action, error) { return m.table.AddWorker(now, c) },
			func() bool { return m.twin.addWorker(c) })
	case 2:
		return m.both(text, func(now time.Duration) ([]Action, error) { return m.table.RemoveWorker(now, name) },
			func() bool { return m.twin.removeWorker(name) })
	case 6:
		return m.both(text, func(now time.Duration) ([]Action, error) { return m.table.UnlistWorker(now, name) },
			func() bool { return m.twin.unlistWorker(name) })
	case 3:
		s := State(m.pick(3))
		word := m.word(name, RegisterState, int(s))
		return m.both(fmt.Sprint(text, s, word.Everywhere), func(now time.Duration) ([]Action, error) { return m.steer(now, word) },
			func() bool { return m.twin.setWorkerState(name, s, word.Everywhere) })
	case 4:
		return m.both(text, func(now time.Duration) ([]Action, error) { return m.steer(now, m.word(name, RegisterWeight, n)) },
			func() bool {
				return m.twin.change(name, func(w *twinWorker) { w.weight, w.weighed, w.kept = max(n, 1), true, true })
			})
	case 8:
		source := one(m, machineSources)
		return m.both(fmt.Sprint(text, " from ", source), func(now time.Duration) ([]Action, error) { return m.table.SetSource(now, name, source) },
			func() bool { return m.twin.change(name, func(w *twinWorker) { w.source, w.kept = source, true }) })
	case 7:
		return m.both(text, func(now time.Duration) ([]Action, error) { return m.table.SetMaxHandshakes(now, name, n) },
			func() bool { return m.twin.change(name, func(w *twinWorker) { w.maxHandshakes, w.kept = n, true }) })
	default:
		return m.both(text, func(now time.Duration) ([]Action, error) { return m.steer(now, m.word(name, RegisterMaxPairs, n)) },
			func() bool { return m.twin.change(name, func(w *twinWorker) { w.max, w.kept = n, true }) })
	}
}

// word is one that an operator has just said, here or at another table.
func (m *machine) word(name string, r Register, value int) Steering {
	m.words++
	return Steering{Worker: name, Register: r, Said: Said{Stamp{m.words, one(m, machineSources)}, value, m.pick(2) == 0}}
}

// steer has a word count that comes from an operator, or late and twice from another table.
func (m *machine) steer(now time.Duration, s Steering) ([]Action, error) {
	if !s.Everywhere || m.pick(2) == 0 {
		_, actions, err := m.table.Steer(now, s)
		return actions, err
	}
	heeded, actions, err := m.table.Heed(now, s)
	if again, _, _ := m.table.Heed(now, s); again || heeded != (err == nil) {
		return actions, errors.Join(err, fmt.Errorf("%+v was heeded: %v, then %v", s, heeded, again))
	}
	return actions, err
}

func (m *machine) rare() error {
	switch m.pick(12) {
	case 0:
		return m.both("end all", func(now time.Duration) ([]Action, error) { return m.table.EndAll(now, Shutdown), nil },
			func() bool { m.twin.endAll(Shutdown); return true })
	case 1:
		if m.pick(4) > 0 {
			return nil // there is no way back from it
		}
		return m.both("stop waiting", func(now time.Duration) ([]Action, error) { return m.table.StopWaiting(now, Shutdown), nil },
			func() bool { m.twin.stopWaiting(Shutdown); return true })
	case 2, 3, 4:
		cfg := m.config()
		return m.both(fmt.Sprintf("reconfigure %+v", cfg), func(now time.Duration) ([]Action, error) {
			return m.table.Reconfigure(now, cfg), nil
		}, func() bool { m.twin.reconfigure(cfg); return true })
	case 5:
		m.now += departedFor / 2
		return m.tick()
	case 6, 7:
		m.log = append(m.log, "stats")
		hints := len(m.twin.pinned.items) + len(m.twin.prefer.items) + len(m.twin.held.items) // as compared just before
		m.twin.had.memory.expire(m.twin.had.at(m.now))
		listed, _ := m.table.Hints(m.now, "", 0, 1000)
		s := m.table.Stats(m.now)
		if s.HintsExpired != m.twin.held.lapsed {
			return fmt.Errorf("%d hints have expired, not %d", s.HintsExpired, m.twin.held.lapsed)
		}
		if s.Hints != hints || len(listed) != hints || s.Affinities != len(m.twin.had.memory.items) {
			return fmt.Errorf("%d hints and %d affinities are counted, %d hints listed, not %d and %d", s.Hints, s.Affinities, len(listed), hints, len(m.twin.had.memory.items))
		}
	}
	return nil
}

// both runs an event on the table and on the twin, and compares.
func (m *machine) both(what string, act func(time.Duration) ([]Action, error), naive func() bool) error {
	m.log = append(m.log, fmt.Sprintf("%v %s", m.now, what))
	got, err := act(m.now)
	for _, a := range got {
		m.log = append(m.log, "    "+a.text())
		switch a.Op {
		case Dial:
			m.dials = append(m.dials, a)
		case Probe:
			m.probes = append(m.probes, a)
		case Recall:
			m.asked = append(m.asked, a)
		case Identify:
			m.unknown = append(m.unknown, a.Peer)
		case Ended:
			m.stays--
		}
	}
	m.twin.begin(m.now, got)
	if ok := naive(); ok != (err == nil) {
		return fmt.Errorf("%s: it failed: %v (%w), but the twin says %v", what, err != nil, err, ok)
	}
	m.twin.finish()
	for i := range max(len(got), len(m.twin.want)) {
		if i >= len(got) || i >= len(m.twin.want) || got[i].text() != m.twin.want[i].text() {
			m.twin.fail("action %d of %q is not as the twin has it", i, what)
			for _, a := range m.twin.want {
				m.twin.fail("  twin: %s", a.text())
			}
			break
		}
	}
	return m.compare()
}

// compare looks for differences between the table and its twin.
func (m *machine) compare() error {
	if len(m.twin.errs) > 0 {
		return fmt.Errorf("%q", m.twin.errs)
	}
	n := 0
	for _, q := range m.twin.peers {
		if q.gone {
			continue
		}
		n++
		p := m.table.Peer(q.id)
		if p == nil {
			return fmt.Errorf("peer %d is not known", q.id)
		}
		same := p.client == q.client && p.state == q.state && p.isHeld() == q.held && p.isAsking() == q.asking && (p.client && p.asked) == q.asked && p.Identity() == q.identity && (p.partner == nil) == (q.partner == nil)
		if !same || q.partner != nil && p.partner.ID != q.partner.id {
			return fmt.Errorf("peer %d is %v %q paired %v, not %v %q paired %v", q.id, p.state, p.Identity(), p.partner != nil, q.state, q.identity, q.partner != nil)
		}
	}
	if clients := m.twin.count(func(q *twinPeer) bool { return q.client }); clients != m.stays {
		return fmt.Errorf("%d clients have not ended, but %d are there", m.stays, clients)
	}
	if n != m.table.index.n {
		return fmt.Errorf("%d peers are known, not %d", m.table.index.n, n)
	}
	for _, w := range m.table.Workers() {
		q := m.twin.named(w.Name)
		if q == nil {
			return fmt.Errorf("worker %s should not be known", w.Name)
		}
		state := q.state
		if (q.failing || q.ejected) && state == Ready {
			state = SetAside
		}
		if w.State != state || w.Pairs+w.Dialling != m.twin.load(q) || w.Slots != m.twin.slots(q) || w.Weight != q.weight ||
			w.MaxPairs != q.max || w.Served != q.served || m.table.workers[w.Name].streak.length != q.streak || w.Outlier != q.ejected || m.table.workers[w.Name].warmth.sixteenths != q.sixteenths() || w.Endpoint != q.endpoint || w.Source != q.source || w.Removed != q.removed {
			return fmt.Errorf("worker %+v is not as %+v", w, q)
		}
	}
	away, twins := map[string]uint64{}, map[string]uint64{}
	for _, w := range m.table.Departed(m.now) {
		away[w.Name] = w.Served
	}
	for _, w := range m.twin.away {
		twins[w.name] = w.served
	}
	switch {
	case !maps.Equal(away, twins):
		return fmt.Errorf("gone are %v, not %v", away, twins)
	case len(m.table.Workers()) != len(m.twin.workers):
		return errors.New("a worker is missing")
	case m.table.Usable() != m.twin.usable():
		return fmt.Errorf("usable is %v", m.table.Usable())
	case m.table.Returning(m.now) != m.twin.returning():
		return fmt.Errorf("returning is %v", m.table.Returning(m.now))
	case (m.table.able > 0) != m.twin.able():
		return fmt.Errorf("able is %v", m.table.able)
	}
	err := errors.Join(
		compareMemory("preferences", &m.table.preferred, &m.twin.prefer, m.table.now, as[[]string]),
		compareMemory("hints", &m.table.hints.held, &m.twin.held, m.table.now, as[naming]),
		m.twin.had.compare(m.table, m.now),
		m.twin.comparePins(m.table),
		m.twin.compareMoves(m.table),
	)
	return errors.Join(err, m.table.check())
}

// text is an action on one line, without the caller's handles.
func (a Action) text() string {
	s := a.Op.String()
	if a.Op != Probe {
		s += fmt.Sprintf(" %d", a.Peer)
	}
	if a.Partner != 0 {
		s += fmt.Sprintf(" with %d", a.Partner)
	}
	if a.Worker != "" {
		s += " of " + a.Worker
	}
	if a.Op == Recall || a.Op == Remember || a.Who != (Who{}) {
		s += fmt.Sprintf(" %+v", a.Who)
	}
	if a.Again {
		s += " again"
	}
	if a.Saying != nil {
		s += fmt.Sprintf(" %+v", *a.Saying)
	}
	if a.Endpoint != "" {
		s += " at " + a.Endpoint
	}
	if a.Source != "" {
		s += " from " + a.Source
	}
	if a.Reason != NoReason {
		s += ": " + a.Reason.String()
	}
	if r := a.Record; r != nil {
		s += fmt.Sprintf(" [total %v, waited %v, handshake %v, dials %d, paired %v, opened %v, identity %q, from %v, to %v]",
			r.Total, r.Waited, r.Handshake, r.Dials, r.Paired, r.Opened, r.Identity, r.Origin, r.WorkerOrigin)
	}
	return s
}

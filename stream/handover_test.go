package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
)

// succession is two pools of which one is to go on in the other's place, as two processes are.
type succession struct {
	t        *testing.T
	old, new *rig
	handover *Handover
	give     Late // late, unless a test has another one
}

// duplicates are what another process would get of descriptors.
func duplicates(t *testing.T, fds []int) (all []int) {
	t.Helper()
	for _, fd := range fds {
		dup, err := duplicate(fd)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, dup)
	}
	return all
}

// through is what another process reads of what this one has written.
func through[T any](t *testing.T, said T) (read T) {
	t.Helper()
	text, err := json.Marshal(said)
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// succeed begins a succession of a pool: the successor is open, and runs when it is told to.
func succeed(t *testing.T, old *rig, changes ...func(*Config)) *succession {
	t.Helper()
	s := &succession{t: t, old: old}
	s.give = s.late
	ctx, err := NewContext(1, 2)
	if err != nil {
		t.Fatal(err)
	}
	s.new = &rig{t: t, ctx: ctx, done: make(chan error, 1), stop: func() {}}
	cfg := old.cfg
	for _, change := range changes {
		change(&cfg)
	}
	listeners := old.pool.Listeners()
	cfg.Inherit = &Inheritance{listeners}
	cfg.Access = func(a *Access) {
		s.new.mu.Lock()
		defer s.new.mu.Unlock()
		s.new.ended = append(s.new.ended, *a)
	}
	if s.new.pool, err = Open(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	s.new.cfg = cfg
	return s
}

// save has the old pool stand still, and the new one be like it.
func (s *succession) save() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	if s.handover, err = s.old.pool.HandOver(ctx); err != nil {
		s.t.Fatal(err)
	}
	saved, fds := s.handover.Save()
	read := through(s.t, saved)
	if err := s.new.pool.TakeOver(&read, duplicates(s.t, fds)); err != nil {
		s.t.Fatal(err)
	}
}

// commit has the new pool go on.
func (s *succession) commit() *rig {
	s.t.Helper()
	motions, blob := s.handover.Stop()
	if err := s.new.pool.Receive(through(s.t, motions), blob); err != nil {
		s.t.Fatal(err)
	}
	s.new.pool.Begin()
	run, stop := context.WithCancel(context.Background())
	s.new.stop = stop
	go func() { s.new.done <- s.new.pool.Run(run) }()
	s.t.Cleanup(s.new.close)
	s.handover.Retire(s.give)
	return s.new
}

// late gives the new pool who follows.
func (s *succession) late(late *LatePeers, blob []byte, fds []int) error {
	text, err := json.Marshal(late)
	read := new(LatePeers)
	if err := errors.Join(err, json.Unmarshal(text, read)); err != nil {
		return err
	}
	var dups []int
	for _, fd := range fds {
		dup, err := duplicate(fd)
		if err != nil {
			return err
		}
		dups = append(dups, dup)
	}
	return s.new.pool.TakeLate(context.Background(), read, bytes.Clone(blob), dups, func() error { return nil })
}

// cancel has the old pool go on, and the new one be no more.
func (s *succession) cancel() {
	s.t.Helper()
	s.new.pool.Close()
	if err := s.new.ctx.Close(); err != nil {
		s.t.Error(err)
	}
	s.handover.Thaw()
}

// expectRetired waits until the old pool has ended by itself.
func (s *succession) expectRetired() {
	s.t.Helper()
	select {
	case err := <-s.old.done:
		if err != nil {
			s.t.Error(err)
		}
		s.old.done <- nil
	case <-time.After(patience):
		s.t.Fatal("the old pool has not ended")
	}
}

// expectStays: an open pair goes on where it is, and when it ends, so does the pool that it was left in.
func (s *succession) expectStays(client, worker net.Conn) {
	s.t.Helper()
	send(s.t, client, []byte("still"))
	expect(s.t, worker, []byte("still"))
	_ = client.Close()
	expectEnd(s.t, worker)
	_ = worker.Close()
	s.expectRetired()
}

// chatter is a stream of bytes each way of a pair, which both ends know.
type chatter struct {
	t              *testing.T
	client, worker net.Conn
	stop           chan struct{}
	all            sync.WaitGroup
	mu             sync.Mutex
	silence        time.Duration // the longest
}

func chat(t *testing.T, client, worker net.Conn, seed uint64) *chatter {
	c := &chatter{t: t, client: client, worker: worker, stop: make(chan struct{})}
	for i, way := range [][2]net.Conn{{client, worker}, {worker, client}} {
		_ = way[0].SetDeadline(time.Time{}) // that of the handshake
		c.all.Go(func() { c.say(way[0], rand.NewChaCha8([32]byte{byte(seed), byte(i)})) })
		c.all.Go(func() { c.hear(way[1], rand.NewChaCha8([32]byte{byte(seed), byte(i)})) })
	}
	return c
}

func (c *chatter) say(to net.Conn, source *rand.ChaCha8) {
	defer func() { _ = to.(interface{ CloseWrite() error }).CloseWrite() }()
	sizes := rand.New(rand.NewPCG(1, 2))
	for {
		select {
		case <-c.stop:
			return
		default:
		}
		chunk := make([]byte, 1+sizes.IntN(100_000))
		_, _ = source.Read(chunk)
		if _, err := to.Write(chunk); err != nil {
			c.t.Errorf("saying: %v", err)
			return
		}
	}
}

func (c *chatter) hear(from net.Conn, source *rand.ChaCha8) {
	got, want, last := make([]byte, 64<<10), make([]byte, 64<<10), time.Now()
	for {
		n, err := from.Read(got)
		c.mu.Lock()
		c.silence = max(c.silence, time.Since(last))
		c.mu.Unlock()
		last = time.Now()
		_, _ = source.Read(want[:n])
		if !bytes.Equal(got[:n], want[:n]) {
			c.t.Error("other bytes came than were said")
			return
		}
		if err != nil {
			if err.Error() != "EOF" {
				c.t.Errorf("hearing: %v", err)
			}
			return
		}
	}
}

func (c *chatter) end() {
	close(c.stop)
	c.all.Wait()
}

// TestSuccession hands a pool over again and again, with pairs that are idle, busy and
// half-closed, slots and a client that waits: nothing ends, and no byte is lost.
func TestSuccession(t *testing.T) {
	endpoint, accept := listeningWorker(t)
	r := newRig(t, func(c *Config) {
		c.Workers = []pairing.WorkerConfig{{Name: "w", Endpoint: endpoint, MaxPairs: 4}}
	})
	idle, idleWorker := r.dialledPair(accept)
	half, halfWorker := r.dialledPair(accept)
	_ = half.(*net.TCPConn).CloseWrite()
	busy, busyWorker := r.dialledPair(accept)
	busyToo, busyTooWorker := r.dialledPair(accept)
	talk := []*chatter{chat(t, busy, busyWorker, 1), chat(t, busyToo, busyTooWorker, 2)}
	waiting := r.client()
	send(t, waiting, nullPeer())
	eventually(t, "a client waits", func() bool { return r.snapshot().Stats.Waiting == 1 })

	for range 10 {
		before := r.snapshot()
		s := succeed(t, r)
		s.save()
		r = s.commit()
		s.expectRetired()
		after := r.snapshot()
		if before.Stats.Open != after.Stats.Open || after.Stats.Waiting != 1 || after.Stats.ClientsTotal != before.Stats.ClientsTotal ||
			after.BytesIn < before.BytesIn || after.Workers[0].Pairs != 4 || after.Workers[0].Served != before.Workers[0].Served ||
			after.Workers[0].DialTime != before.Workers[0].DialTime || before.WorkerBytes["w"] == [2]uint64{} ||
			after.WorkerBytes["w"][0] < before.WorkerBytes["w"][0] || after.WorkerBytes["w"][1] < before.WorkerBytes["w"][1] {
			t.Fatalf("it was %+v, and is %+v", before, after)
		}
		if used, _ := s.old.ctx.Descriptors(); used != 0 {
			t.Fatalf("the old one counts %d descriptors", used)
		}
		send(t, idle, []byte("are you there"))
		expect(t, idleWorker, []byte("are you there"))
		send(t, halfWorker, []byte("there is more"))
		expect(t, half, []byte("there is more"))
	}
	if len(expectEndNow(halfWorker)) != 0 {
		t.Error("the half-closed one heard something")
	}
	for _, c := range talk {
		c.end()
		t.Logf("the longest silence was %v", c.silence)
	}
	// The pairs that have ended make room for who has waited all the time.
	worker := accept()
	expect(t, worker, nullPeer())
	send(t, worker, nullPeer())
	expect(t, waiting, nullPeer())
	_ = halfWorker.Close()
	_ = idle.Close()
	expectEnd(t, idleWorker)
	_ = idleWorker.Close()
	eventually(t, "all ends are told", func() bool { return len(r.reasons()) == 4 })
}

// expectEndNow reads what there is until the end.
func expectEndNow(c net.Conn) []byte {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 10)
	n, _ := c.Read(b)
	return b[:n]
}

// TestSuccessionFails: whatever the successor has done until it is to go on, without it the
// old pool goes on as if nothing had been.
func TestSuccessionFails(t *testing.T) {
	r := newRig(t)
	client, worker := r.pair()
	talk := chat(t, client, worker, 3)
	spare := r.slot()
	for i := range 10 {
		s := succeed(t, r)
		s.save()
		if i%2 == 0 {
			s.handover.Stop()
		}
		s.cancel()
		if n := r.snapshot().Stats; n.Open != 1 || n.Slots != 1 {
			t.Fatalf("it is %+v", n)
		}
	}
	other := r.clientOf(spare)
	send(t, other, []byte("still"))
	expect(t, spare, []byte("still"))
	talk.end()
	if n := len(r.reasons()); n > 1 {
		t.Errorf("%d have ended", n)
	}
}

// TestSuccessionLate: who is in the middle of a handshake stays where it is until that is
// through, and follows then.
func TestSuccessionLate(t *testing.T) {
	endpoint, accept := listeningWorker(t)
	r := newRig(t, func(c *Config) {
		c.Workers = []pairing.WorkerConfig{{Name: "w", Endpoint: endpoint}}
	})
	client := r.client()
	send(t, client, nullPeer())
	worker := accept()
	s := succeed(t, r)
	s.save()
	early := dialPeer(t, r.pool.loop.frontend.bound()[0]) // while nobody accepts
	send(t, early, nullPeer())
	next := s.commit()
	earlyWorker := accept()
	expect(t, earlyWorker, nullPeer())
	send(t, earlyWorker, nullPeer())
	expect(t, early, nullPeer())
	if n := next.snapshot().Stats.Open; n > 1 {
		t.Errorf("%d pairs are open", n)
	}
	expect(t, worker, nullPeer())
	send(t, worker, nullPeer())
	expect(t, client, nullPeer())
	s.expectRetired()
	eventually(t, "both are the successor's", func() bool { return next.snapshot().Stats.Open == 2 })
	send(t, client, []byte("hello"))
	expect(t, worker, []byte("hello"))
	var last Snapshot
	eventually(t, "all is counted, by a thread that has it pass first", func() bool {
		last = next.snapshot()
		return last.BytesIn >= uint64(2*len(nullPeer())+len("hello"))
	})
	if n := last.Stats; n.PairsTotal != 2 || n.OpenedTotal != 2 || n.ClientsTotal != 2 {
		t.Errorf("it has counted %+v", n)
	}
	if got := last.WorkerBytes["w"]; got != [2]uint64{last.BytesIn, last.BytesOut} {
		t.Errorf("of the only worker %v is counted, of all %d and %d", got, last.BytesIn, last.BytesOut)
	}
}

// TestSuccessionCounts: what passes while the loop stands still, and pairs do not yet, is counted like everything else.
func TestSuccessionCounts(t *testing.T) {
	endpoint, accept := listeningWorker(t)
	r := newRig(t, func(c *Config) {
		c.Workers = []pairing.WorkerConfig{{Name: "w", Endpoint: endpoint}}
	})
	client, worker := r.dialledPair(accept)
	send(t, client, []byte("before"))
	expect(t, worker, []byte("before"))
	before := r.snapshot()
	s := succeed(t, r)
	s.save()
	send(t, client, []byte("meanwhile"))
	expect(t, worker, []byte("meanwhile"))
	next := s.commit()
	s.expectRetired()
	after := next.snapshot()
	if want := before.BytesIn + uint64(len("meanwhile")); after.BytesIn != want || after.WorkerBytes["w"][0] != want {
		t.Errorf("%d bytes are counted, %v of them the worker's, not %d", after.BytesIn, after.WorkerBytes["w"], want)
	}
}

// TestSuccessionOfWhoWaits: slots and waiting clients follow with all that they have said and say on, whatever has
// their connections; and an open pair of which libzmq has a side goes on where it is, and ends there.
func TestSuccessionOfWhoWaits(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		old := newRig(t, relay)
		client, worker := old.pair()
		waiting := old.client()
		said := unasked("3.1", 9_000)
		send(t, waiting, said[:5_000])
		eventually(t, "a client waits", func() bool { return old.snapshot().Stats.Waiting == 1 })
		s := succeed(t, old)
		s.save()
		send(t, waiting, said[5_000:])
		next := s.commit()
		eventually(t, "it waits at the successor", func() bool { return next.snapshot().Stats.Waiting == 1 })
		s.expectStays(client, worker)

		fresh := next.worker()
		send(t, fresh, nullPeer())
		expect(t, fresh, said)
		expect(t, waiting, nullPeer())
		slot := next.slot()
		s = succeed(t, next)
		s.save()
		last := s.commit()
		eventually(t, "the slot is at the successor", func() bool { return last.snapshot().Stats.Slots == 1 })
		last.clientOf(slot)
		send(t, waiting, []byte("more"))
		expect(t, fresh, []byte("more"))
		_ = fresh.Close()
		expectEnd(t, waiting)
		_ = waiting.Close()
		s.expectRetired()
	})
}

// TestSuccessionLateFails: when nobody takes who follows, who has said something unasked and closed is served where it
// is, and others who wait are closed, and come again to the successor.
func TestSuccessionLateFails(t *testing.T) {
	old := newRig(t, func(c *Config) { c.Relay = RelayStream })
	live := old.client()
	send(t, live, signature)
	words := unasked("3.1", 300)
	sayAndClose(t, old.client(), words)
	old.expectKept(pairing.PeerWaiting)
	eventually(t, "both wait", func() bool { return old.snapshot().Stats.Waiting == 2 })
	s := succeed(t, old)
	s.save()
	s.give = func(*LatePeers, []byte, []int) error { return errors.New("no") }
	next := s.commit()
	if said := expectEnd(t, live); len(said) > 0 {
		t.Errorf("%x was said to who was sent away", said)
	}
	endpoint, accept := listeningWorker(t)
	old.onLoop(func(l *loop) { // as another process cannot, that has it already
		actions, err := l.table.AddWorker(l.now(), pairing.WorkerConfig{Name: "w", Endpoint: endpoint})
		if err != nil {
			t.Error(err)
		}
		l.act(actions)
	})
	worker := accept()
	send(t, worker, nullPeer())
	if got := expectEnd(t, worker); !bytes.Equal(got, words) {
		t.Errorf("%d bytes of %d came, or not the same ones", len(got), len(words))
	}
	_ = worker.Close()
	s.expectRetired()
	if n := next.snapshot().Stats.ClientsTotal; n != 2 {
		t.Errorf("%d clients are counted", n)
	}
}

// TestSuccessionOfListeners: a pool that was left with a pair of its own has no port any more, so that it is closed when
// its successor closes it, and whoever comes then is refused or has another process.
func TestSuccessionOfListeners(t *testing.T) {
	old := newRig(t, func(c *Config) { c.Relay = RelayStream })
	client, worker := old.pair()
	if _, err := old.pool.Door(t.Context(), "ann", "", time.Hour); err != nil {
		t.Fatal(err)
	}
	s := succeed(t, old)
	s.save()
	next := s.commit()
	doors, err := next.pool.Doors(t.Context())
	if err != nil || len(doors) != 1 {
		t.Fatal(doors, err)
	}
	frontend, backend := next.pool.Bound()
	next.slot()
	next.close()
	for _, endpoint := range []string{frontend[0], backend[0], doors[0].Endpoints[0]} {
		address := strings.TrimPrefix(endpoint, "tcp://")
		if c, err := net.Dial("tcp", address); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("nobody is there, and who connects to %s finds %v", endpoint, err)
			if err == nil {
				_ = c.Close()
			}
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	}
	s.expectStays(client, worker)
}

// TestSuccessionSteered: what an operator asks for while the pool is handed over is not done where it would be lost,
// and he is told.
func TestSuccessionSteered(t *testing.T) {
	endpoint, accept := listeningWorker(t)
	old := newRig(t, withWorker(endpoint))
	client := old.client()
	send(t, client, nullPeer()) // keeps the old pool from ending before it has answered
	accept()
	s := succeed(t, old)
	s.save()
	asked := make(chan error, 1)
	go func() { asked <- old.pool.SetWeight(context.Background(), "w", 7) }()
	eventually(t, "it has been asked", func() bool { return len(old.pool.commands) == 1 })
	next := s.commit()
	if err := <-asked; !errors.Is(err, ErrHandedOver) {
		t.Errorf("it is %v", err)
	}
	if err := next.pool.SetWeight(t.Context(), "w", 7); err != nil {
		t.Error(err)
	}
	_ = client.Close()
}

// TestSuccessionShared: who has a worker in the process that was left is told to others that share a store for as long as
// the pair is there, since the successor does not know of it.
func TestSuccessionShared(t *testing.T) {
	old := newRig(t, func(c *Config) {
		c.Relay, c.Pairing.AffinityBySource, c.Pairing.AffinityTTL = RelayStream, true, time.Minute
	})
	client, worker := old.pair()
	s := succeed(t, old)
	s.save()
	s.commit()
	eventually(t, "it was handed over", func() bool { return errors.Is(old.pool.Answers(t.Context()), ErrHandedOver) })
	page, _, _, err := old.pool.Having(t.Context(), 0, 10)
	if err != nil || len(page) != 1 {
		t.Errorf("%+v have a worker, %v", page, err)
	}
	if n, err := old.pool.Pairs(t.Context()); err != nil || n != 1 {
		t.Errorf("it has %d pairs, %v", n, err)
	}
	if ttl := old.pool.HavingFor(); ttl < time.Minute {
		t.Errorf("others are to know it for %v", ttl)
	}
	_ = client.Close()
	expectEnd(t, worker)
	_ = worker.Close()
	s.expectRetired()
}

// TestSuccessionOfDoors: a door stays open where it is for as long as it was to be, who has come through it
// counts, and who comes through it later has its identity.
func TestSuccessionOfDoors(t *testing.T) {
	r := newRig(t)
	door, err := r.pool.Door(t.Context(), "ann", "", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	r.slot()
	first := dialPeer(t, door.Endpoints[0])
	send(t, first, nullPeer())
	eventually(t, "somebody has come through the door", func() bool { return r.snapshot().Stats.Identities == 1 })
	s := succeed(t, r)
	s.save()
	next := s.commit()
	is, err := next.pool.Doors(t.Context())
	if err != nil || len(is) != 1 || is[0].Identity != "ann" || is[0].Endpoints[0] != door.Endpoints[0] || is[0].Left > time.Hour || is[0].Left < time.Hour-time.Minute {
		t.Fatalf("doors are %+v, %v", is, err)
	}
	second := dialPeer(t, door.Endpoints[0])
	send(t, second, nullPeer())
	eventually(t, "another has", func() bool {
		info, err := next.pool.Identity(t.Context(), "ann")
		return err == nil && info != nil && len(info.Peers) >= 1 && next.snapshot().Stats.ClientsTotal == 2
	})
	if err := next.pool.CloseDoor(t.Context(), "ann"); err != nil {
		t.Error(err)
	}
}

// TestSuccessionRefused: what makes no sense is refused before anything is the successor's.
func TestSuccessionRefused(t *testing.T) {
	r := newRig(t)
	client, worker := r.pair()
	for _, spoil := range []func(*SavedPool){
		func(s *SavedPool) { s.Conns = s.Conns[1:] },
		func(s *SavedPool) { s.Flows[0].Client = 17 },
		func(s *SavedPool) { s.Table.Peers.Peers[0].State = "elsewhere" },
		func(s *SavedPool) { s.Table.Peers.Peers[0].Partner = 5 },
		func(s *SavedPool) { s.Table.Workers[0].State = "bored" },
	} {
		s := succeed(t, r)
		var err error
		if s.handover, err = r.pool.HandOver(t.Context()); err != nil {
			t.Fatal(err)
		}
		saved, fds := s.handover.Save()
		read := through(t, saved)
		spoil(&read)
		mine := duplicates(t, fds)
		if err := s.new.pool.TakeOver(&read, mine); !errors.Is(err, ErrSuccession) {
			t.Errorf("it is %v", err)
		}
		s.cancel()
		for _, fd := range mine {
			_ = unix.Close(fd)
		}
	}
	send(t, client, []byte("hello"))
	expect(t, worker, []byte("hello"))
}

// The golden file is what the last release says when it hands a pool over. This one must be able
// to take it; UPDATE_GOLDEN=1 writes it, at a release.
func TestSuccessionOfTheLastRelease(t *testing.T) {
	const golden = "testdata/handover-v1.json"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		writeGolden(t, golden)
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var saved SavedPool
	if err := json.Unmarshal(text, &saved); err != nil {
		t.Fatal(err)
	}
	old := newRig(t, func(c *Config) { c.Name = saved.Pool })
	s := succeed(t, old)
	var fds []int
	for range saved.Conns {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, pair[0])
		t.Cleanup(func() { _ = unix.Close(pair[1]) })
	}
	if err := s.new.pool.TakeOver(&saved, fds); err != nil {
		t.Fatal(err)
	}
	if s.handover, err = old.pool.HandOver(t.Context()); err != nil {
		t.Fatal(err)
	}
	l := s.new.pool.loop
	stats := l.table.Stats(l.clock)
	if stats.Open != 1 || stats.Slots != 1 || stats.Identities != 1 || stats.OpenedTotal != 1 || stats.Hints != 2 {
		t.Errorf("it is %+v", stats)
	}
	if info, known := l.table.Identity(l.clock, "ann"); !known || len(info.Peers) != 1 || info.Peers[0].State != pairing.PeerOpen || !info.Pinned {
		t.Errorf("ann is %+v", info)
	}
	s.cancel()
}

// writeGolden writes what a pool with a pair, a slot, an identity and a pin is.
func writeGolden(t *testing.T, golden string) {
	t.Helper()
	r := newRig(t)
	client, _ := r.pair()
	r.slot()
	hint := pairing.Hint{Identity: "ann", Endpoint: client.LocalAddr().String(), Prefer: []string{"127.0.0.1"}}
	if err := r.pool.Hint(t.Context(), hint); err != nil {
		t.Fatal(err)
	}
	if _, err := r.pool.Steer(t.Context(), pairing.Steering{Identity: "ann", Register: pairing.RegisterPin, Workers: "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	r.expectLent(1)
	s := succeed(t, r)
	var err error
	if s.handover, err = r.pool.HandOver(t.Context()); err != nil {
		t.Fatal(err)
	}
	saved, _ := s.handover.Save()
	text, err := json.MarshalIndent(saved, "", "\t")
	if err == nil {
		err = os.WriteFile(golden, append(text, '\n'), 0o600)
	}
	s.cancel()
	if err != nil {
		t.Fatal(err)
	}
}

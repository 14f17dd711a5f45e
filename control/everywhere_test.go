package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// others stand for the proxies that share a store: they are told, or would be.
type others struct {
	told bool
	err  error
	said []pairing.Steering
}

func (o *others) everywhere(ctx context.Context, pool *stream.Pool, w pairing.Steering) (bool, error) {
	w.By, w.Everywhere = "here", true
	said, err := pool.Steer(ctx, w)
	if err != nil {
		return false, err
	}
	o.said = append(o.said, said)
	return o.told, o.err
}

// TestEverywhere: what steers a worker counts here, and is passed on with everywhere behind it; the reply says whether the store has it,
// and lists say who has said it, and when. A proxy that shares nothing refuses, and nothing has changed.
func TestEverywhere(t *testing.T) {
	_, r, _ := newSteward(t)
	log, o := &bytes.Buffer{}, &others{}
	alone, err := NewSteward(Proxy{Pools: []*stream.Pool{r.pool}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSteward(Proxy{Pools: []*stream.Pool{r.pool}, Everywhere: o.everywhere}, slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	state := func() string {
		t.Helper()
		snapshot, err := r.pool.Snapshot(r.context())
		if err != nil {
			t.Fatal(err)
		}
		w := WorkerOf(snapshot.Workers[0])
		for i := range w.Everywhere {
			if w.Everywhere[i].Age < 0 || w.Everywhere[i].Age.Duration() > time.Minute {
				t.Errorf("it was said %v ago", w.Everywhere[i].Age)
			}
			w.Everywhere[i].Age = 0
		}
		return fmt.Sprint(w.State, " ", w.Weight, " ", w.Everywhere)
	}
	if reply := alone.Do(t.Context(), alice, "DRAIN", form("worker=w1", "what=everywhere"), nil); reply.Code != wire.Conflict {
		t.Errorf("a proxy alone answers %+v", reply)
	}
	if is := state(); is != "ready 1 []" {
		t.Errorf("it is %s", is)
	}
	for _, tc := range []struct {
		verb  string
		form  []string
		told  bool
		code  wire.Code
		where string
		is    string
	}{
		{"DRAIN", []string{"worker=w1", "what=everywhere"}, true, wire.OK, wire.Told, "draining 1 [{state draining here 0}]"},
		{"WEIGHT", []string{"worker=w1", "n=7", "what=everywhere"}, false, wire.Accepted, wire.Queued, "draining 7 [{state draining here 0} {weight 7 here 0}]"},
		{"WEIGHT", []string{"worker=w1", "n=8"}, true, wire.OK, "", "draining 8 [{state draining here 0}]"},
		{"ENABLE", []string{"worker=w1", "what=everywhere"}, false, wire.Accepted, wire.Queued, "ready 8 [{state ready here 0}]"},
		{"DRAIN", []string{"worker=w1", "what=nowhere"}, true, wire.Malformed, "", "ready 8 [{state ready here 0}]"},
		{"DRAIN", []string{"worker=nobody", "what=everywhere"}, true, wire.NotFound, "", "ready 8 [{state ready here 0}]"},
		{"DRAIN", []string{"worker=w1"}, true, wire.OK, "", "draining 8 []"},
	} {
		o.told = tc.told
		reply := s.Do(t.Context(), alice, tc.verb, form(tc.form...), nil)
		var body wire.Steered
		if reply.Body != nil {
			if err := json.Unmarshal(reply.Body, &body); err != nil {
				t.Fatal(err)
			}
		}
		if is := state(); reply.Code != tc.code || body.Everywhere != tc.where || is != tc.is {
			t.Errorf("%s %v: %d %s: it is %s, not %s", tc.verb, tc.form, reply.Code, reply.Body, is, tc.is)
		}
	}
	if len(o.said) != 3 {
		t.Errorf("others are told %+v", o.said)
	}
	if n := bytes.Count(log.Bytes(), []byte(`"args":"w1 everywhere"`)); n != 2 {
		t.Errorf("the log is %s", log)
	}
	o.err = errors.New("no")
	if reply := s.Do(t.Context(), alice, "ENABLE", form("worker=w1", "what=everywhere"), nil); reply.Code != wire.Failed {
		t.Errorf("a store that refuses: %+v", reply)
	}
}

// TestEverywhereOverTheSocket says it in requests, for all that steer a worker, or pin an identity, with the pool before and behind it.
func TestEverywhereOverTheSocket(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	r.say(c, wire.OK, "ADD", "w1", "tcp://127.0.0.1:1")
	for _, said := range [][]string{
		{"DRAIN", "w1", "everywhere"},
		{"MAINT", "w1", "everywhere"},
		{"ENABLE", "w1", "everywhere", "pool=default"},
		{"WEIGHT", "w1", "3", "pool=default", "everywhere"},
		{"MAXCONN", "w1", "3", "everywhere"},
		{"PIN", "ann", "w1", "everywhere"},
		{"UNPIN", "ann", "everywhere", "pool=default"},
	} {
		r.say(c, wire.Conflict, said[0], said[1:]...)
	}
	r.say(c, wire.Malformed, "DRAIN", "w1", "everywhere", "everywhere")
	r.say(c, wire.Malformed, "REMOVE", "w1", "everywhere")
}

// TestClientSteersEverywhere says it by the client: whatever steers a worker counts, and whether the others are told is what it returns.
func TestClientSteersEverywhere(t *testing.T) {
	o := &others{}
	var mu sync.Mutex
	r := newRig(t, func(r *rig, _ *Config, _ *stream.Config) {
		r.everywhere = func(ctx context.Context, pool *stream.Pool, w pairing.Steering) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			return o.everywhere(ctx, pool, w)
		}
	})
	c := r.dial()
	r.say(c, wire.OK, "ADD", "w1", "tcp://127.0.0.1:1")
	e := c.Pool("default").Everywhere()
	for i, steer := range []func() (told bool, err error){
		func() (told bool, err error) {
			left, told, err := e.Drain(r.context(), "w1")
			if left != 0 {
				t.Errorf("%d pairs are left", left)
			}
			return told, err
		},
		func() (bool, error) { return e.Maint(r.context(), "w1") },
		func() (bool, error) { return e.Enable(r.context(), "w1") },
		func() (bool, error) { return e.Weight(r.context(), "w1", 7) },
		func() (bool, error) { return e.MaxConn(r.context(), "w1", 9) },
	} {
		for _, want := range []bool{true, false} {
			mu.Lock()
			o.told = want
			mu.Unlock()
			if told, err := steer(); err != nil || told != want {
				t.Errorf("%d: the others are told: %v, and it says %v, %v", i, want, told, err)
			}
		}
	}
	var said []string
	mu.Lock()
	for i := range o.said {
		said = append(said, fmt.Sprint(o.said[i].Worker, " ", o.said[i].Register, " ", o.said[i].Text()))
	}
	mu.Unlock()
	if want := []string{
		"w1 state draining", "w1 state draining", "w1 state maintenance", "w1 state maintenance", "w1 state ready", "w1 state ready", "w1 weight 7", "w1 weight 7", "w1 max 9", "w1 max 9",
	}; !slices.Equal(said, want) {
		t.Errorf("others are told %v", said)
	}
	if _, err := e.Maint(r.context(), "nobody"); wire.CodeOf(err) != wire.NotFound {
		t.Errorf("of a worker that is not there it says %v", err)
	}
	if _, _, err := newRig(t, nil).dial().Pool("").Everywhere().Drain(r.context(), "w1"); wire.CodeOf(err) != wire.Conflict {
		t.Errorf("a proxy alone says %v", err)
	}
}

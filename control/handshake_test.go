package control

import (
	"io"
	"testing"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// EXPLAIN shows the handshake of a living pair step by step.
func TestHandshakeIsExplained(t *testing.T) {
	r := newRig(t, nil)
	client, _ := r.pair()
	x, err := r.dial().Pool("").Explain(r.context(), client.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	h := x.Handshake
	if h == nil || h.Mechanism != "NULL" || h.Version != "3.1" || h.ClientStage != "READY" || h.WorkerStage != "READY" || h.ClosedBy != "" || h.Steps != nil {
		t.Errorf("%+v", h)
	}
	last := map[string]string{}
	for _, s := range x.Steps {
		last[s.Side] = s.Stage
	}
	if last["client"] != "READY" || last["worker"] != "READY" || x.Failing != nil {
		t.Errorf("%+v %+v", x.Steps, x.Failing)
	}
}

// What ended a handshake is told by events, by FAILING, and by EXPLAIN of the address; an
// event of a pair that opens has mechanism and version.
func TestEndOfAHandshakeIsTold(t *testing.T) {
	r := newRig(t, nil)
	await := r.events()
	client, _ := r.pair()
	if e := await(stream.TopicPairOpened); e.Mechanism != "NULL" || e.Version != "3.1" || e.Handshake != nil {
		t.Errorf("opened: %+v", e)
	}
	_ = client.Close()
	if e := await(stream.TopicPairEnded); e.Mechanism != "NULL" || e.Handshake != nil || e.Hint != "" {
		t.Errorf("ended: %+v", e)
	}

	_, b := r.pool.Bound()
	worker := r.connect(b)
	if _, err := worker.Write(nullPeer()[:10]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a slot", func() bool { return r.snapshot().Stats.Slots == 1 })
	client = r.client()
	if _, err := client.Write(nullPeer()[:10]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a pair", func() bool { return r.snapshot().Stats.Handshaking == 1 })
	if _, err := io.ReadFull(worker, make([]byte, 10)); err != nil { // a close with something unread is a reset
		t.Fatal(err)
	}
	_ = worker.Close()
	eventually(t, "the worker's end is known", func() bool { return r.snapshot().Stats.Draining == 1 })
	_ = client.Close()
	e := await(stream.TopicPairEnded)
	hint := "the worker ended, or closed its socket, at that moment"
	if e.Reason != pairing.RefusedByWorker.String() || e.Hint != hint {
		t.Errorf("%+v", e)
	}
	if h := e.Handshake; h == nil || h.ClientStage != "signature" || h.WorkerStage != "signature" || h.ClosedBy != "worker" || len(h.Steps) != 2 {
		t.Errorf("%+v", h)
	}
	c := r.dial()
	all := body[wire.Failing](t, r.say(c, wire.OK, "FAILING"))
	if len(all.Failing) != 1 || all.Failing[0].Hint != hint {
		t.Errorf("%+v", all)
	}
	x, err := c.Pool("").Explain(r.context(), "127.0.0.1")
	if err != nil || len(x.Failing) != 1 || x.Failing[0].Hint != hint || x.Failing[0].Reason != "refused-by-worker" {
		t.Errorf("%+v %v", x, err)
	}
}

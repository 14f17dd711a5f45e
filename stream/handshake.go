package stream

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unique"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/zmtp"
)

// Handshake is what the clear part of a pair's handshake has shown.
type Handshake struct {
	// Mechanism that the client asks for and ZMTP's version that the two speak, "" as long
	// as they are not known.
	Mechanism, Version string
	// AsServer is whose greeting claims to be the server's: "", "client", "worker" or "both".
	// libzmq's never does.
	AsServer string
	// ClientStage and WorkerStage are how far each has come.
	ClientStage, WorkerStage zmtp.Stage
	// ClosedBy is who ended it before it was through: "client", "worker" or "proxy"; "" for nobody.
	ClosedBy string
	// Error is what the worker's, or the client's, ERROR has said: ZAP's status code, as a rule.
	// It is printable ASCII of 40 characters at most, and comes from a peer.
	Error string
	// Steps are in the order in which they were taken.
	Steps []Step
}

// Step is a stage that a side has come to.
type Step struct {
	Side  zmtp.Side
	Stage zmtp.Stage
	After time.Duration // since the pair was made, to the microsecond
}

// shaking is the handshake of a pair as long as it goes on.
type shaking struct {
	zmtp.Handshake
	timeline    timeline
	begun, late time.Duration // and when the latest step was taken
	last        *conn         // that has said something
	closer      zmtp.Closer   // who has ended it before it was through
	fault       string        // for which the proxy has, "" for none
	over        bool          // the pair has ended

	guarded  bool          // the worker dialled in, see guard.go
	withheld []byte        // of what the client has said, until the worker has said the same
	awaited  time.Duration // until when, at most
	released bool          // and was passed on, because the worker said nothing
}

// shaken is what is kept of a handshake that is through: a pair may live for months.
type shaken struct {
	spoken   unique.Handle[spoken]
	stages   [2]zmtp.Stage
	servers  [2]bool // whose greeting claims to be the server's
	timeline timeline
}

// spoken is what a pair speaks, as far as it is known: one of a few for all pairs.
type spoken struct{ mechanism, version string }

func (k *shaken) speaks() spoken {
	if k.spoken == (unique.Handle[spoken]{}) {
		return spoken{}
	}
	return k.spoken.Value()
}

// timeline is when the sides of a pair came to the stages of their handshake: in
// microseconds since it began, and one more; 0 where a side was not seen at a stage.
type timeline [2][zmtp.NumStages]uint32

// note takes in a step, and says how long it took since the one before.
func (s *shaking) note(side zmtp.Side, stage zmtp.Stage, now time.Duration) (took time.Duration) {
	took, s.late = now-s.late, now
	s.timeline[side][stage] = uint32(min((now-s.begun).Microseconds(), 1<<32-2)) + 1
	return took
}

func (t *timeline) steps() (all []Step) {
	for side := range t {
		for stage, at := range t[side] {
			if at > 0 {
				all = append(all, Step{zmtp.Side(side), zmtp.Stage(stage), time.Duration(at-1) * time.Microsecond})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Step) int { return cmp.Or(cmp.Compare(a.After, b.After), cmp.Compare(a.Stage, b.Stage)) })
	return all
}

// sofar is what it has come to.
func (s *shaking) sofar() shaken {
	return shaken{
		spoken: unique.Make(spoken{s.Mechanism(), s.Version()}), timeline: s.timeline,
		stages:  [2]zmtp.Stage{s.Stage(zmtp.Client), s.Stage(zmtp.Worker)},
		servers: [2]bool{s.AsServer(zmtp.Client), s.AsServer(zmtp.Worker)},
	}
}

// known is what there is to keep of a pair's handshake, through or not.
func (f *flow) known() shaken {
	if f.shaking == nil {
		return f.shaken
	}
	return f.shaking.sofar()
}

// speaks is what a pair speaks, as far as it is known.
func (f *flow) speaks() spoken {
	if s := f.shaking; s != nil {
		return spoken{s.Mechanism(), s.Version()}
	}
	return f.shaken.speaks()
}

// told is what there is to say of the handshake of a pair.
func (f *flow) told() *Handshake {
	k := f.known()
	t := &Handshake{
		Mechanism: k.speaks().mechanism, Version: k.speaks().version, AsServer: k.asServer(),
		ClientStage: k.stages[zmtp.Client], WorkerStage: k.stages[zmtp.Worker], Steps: k.timeline.steps(),
	}
	if s := f.shaking; s != nil && !f.open {
		t.Error = s.ErrorReason()
		switch {
		case s.closer != zmtp.NobodyClosed:
			t.ClosedBy = s.closer.String()
		case s.over:
			t.ClosedBy = "proxy"
		}
	}
	return t
}

func (k *shaken) asServer() string {
	switch client, worker := k.servers[zmtp.Client], k.servers[zmtp.Worker]; {
	case client && worker:
		return "both"
	case client:
		return zmtp.Client.String()
	case worker:
		return zmtp.Worker.String()
	}
	return ""
}

// stepped takes note of the stage that a side has come to. What was known when the pair began
// has taken no time of the handshake's.
func (l *loop) stepped(f *flow, side zmtp.Side, stage zmtp.Stage) {
	took := f.shaking.note(side, stage, l.clock)
	if l.clock > f.shaking.begun {
		l.handshakes.Steps[stage].Observe(took)
	}
	if stage == zmtp.StageError {
		l.handshakes.Errors[statusOf(f.shaking.ErrorReason())]++
	}
}

// fault is why a handshake is ended that breaks a rule: for a person, in one line.
func fault(side zmtp.Side, err error) string {
	var v *zmtp.Violation
	if errors.As(err, &v) {
		return fmt.Sprintf("the %v: %s", v.Side, v.What)
	}
	return fmt.Sprintf("the %v: %v", side, err)
}

// notAllowed is why a handshake is ended whose mechanism is not among the pool's.
func (l *loop) notAllowed(h *zmtp.Handshake) string {
	return fmt.Sprintf("the pool takes %s (mechanisms), and not %s", strings.Join(l.cfg.Mechanisms, ", "), cmp.Or(h.Mechanism(), h.WorkerMechanism()))
}

// endedUnopened notes who has ended a handshake that is not through, and says how it counts:
// whoever sent ERROR has ended it, also where the other was quicker to close.
func (f *flow) endedUnopened(c *conn, how pairing.Gone) pairing.Gone {
	s := f.shaking
	if s.closer == zmtp.NobodyClosed {
		s.closer = zmtp.WorkerClosed
		if c.client() {
			s.closer = zmtp.ClientClosed
		}
	}
	other := zmtp.Client
	if c.client() {
		other = zmtp.Worker
	}
	if s.Stage(other) == zmtp.StageError {
		how |= pairing.Followed
	}
	return how
}

// countUnopened counts a pair that has ended before it opened.
func (l *loop) countUnopened(r *pairing.Record) {
	if !r.Paired || r.Opened {
		return
	}
	if s := r.ClientConn.(*conn).flow.shaking; s != nil { // else it opened when the table had ended it already
		s.over = true
		l.handshakes.Failed[r.Reason][s.Reached()]++
	}
}

// hint is what it usually means that a client has ended so, "" where there is nothing to say.
func (l *loop) hint(c *conn, why pairing.Reason) string {
	f := c.flow
	switch {
	case f == nil:
		return c.hint(why)
	case f.open:
		return ""
	case f.shaking.fault != "":
		return f.shaking.fault
	}
	switch why {
	case pairing.RefusedByWorker, pairing.ClientGaveUp, pairing.HandshakeTimeout:
	default:
		return "" // somebody has ended it who knows why
	}
	switch meaning := f.shaking.Meaning(f.shaking.closer); {
	case meaning != "":
		return meaning
	case f.shaking.Stage(zmtp.Client) == zmtp.StageError:
		return "the client sent ERROR"
	case why != pairing.HandshakeTimeout:
		return ""
	case f.shaking.last == f.client:
		return "it was the worker's turn, and it was silent"
	}
	return "it was the client's turn, and it was silent"
}

// hint is that of a client that never was in a pair.
func (c *conn) hint(why pairing.Reason) string {
	switch m := c.misfit(); {
	case m != nil:
		return m.fault
	case why == pairing.ProbeOnly:
		return "it never sent a byte: a balancer's check, or a port scan"
	case why == pairing.ProxyHeader && c.via != nil:
		return "accept-proxy names its network, and it sent no sound PROXY header"
	case why == pairing.ProxyHeader:
		return "it sent a PROXY header, and accept-proxy does not name its network"
	case why == pairing.NotZMTP && c.via != nil && c.stranger() == speaksPROXY:
		return "a second PROXY header came after the first: of two balancers the nearer must take the other's (HAProxy: accept-proxy)"
	case why == pairing.NotZMTP:
		return c.stranger().hint()
	case why == pairing.HandshakeTimeout:
		return "it began a greeting and did not end it"
	}
	return ""
}

package stream

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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

// timeline is when the sides of a pair came to the stages of their handshake.
type timeline struct {
	begun, last time.Duration
	// at is in microseconds since begun, and one more; 0 where a side was not seen at a stage.
	at [2][zmtp.NumStages]uint32
}

// note takes in a step, and says how long it took since the one before.
func (t *timeline) note(side zmtp.Side, stage zmtp.Stage, now time.Duration) (took time.Duration) {
	took, t.last = now-t.last, now
	t.at[side][stage] = uint32(min((now-t.begun).Microseconds(), 1<<32-2)) + 1
	return took
}

func (t *timeline) steps() (all []Step) {
	for side := range t.at {
		for stage, at := range t.at[side] {
			if at > 0 {
				all = append(all, Step{zmtp.Side(side), zmtp.Stage(stage), time.Duration(at-1) * time.Microsecond})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Step) int { return cmp.Or(cmp.Compare(a.After, b.After), cmp.Compare(a.Stage, b.Stage)) })
	return all
}

// told is what there is to say of the handshake of a pair.
func (f *flow) told() *Handshake {
	h := &f.handshake
	t := &Handshake{
		Mechanism: h.Mechanism(), Version: h.Version(), AsServer: asServer(h),
		ClientStage: h.Stage(zmtp.Client), WorkerStage: h.Stage(zmtp.Worker),
		Error: h.ErrorReason(), Steps: f.timeline.steps(),
	}
	switch {
	case f.open:
	case f.closer != zmtp.NobodyClosed:
		t.ClosedBy = f.closer.String()
	case f.over:
		t.ClosedBy = "proxy"
	}
	return t
}

func asServer(h *zmtp.Handshake) string {
	switch client, worker := h.AsServer(zmtp.Client), h.AsServer(zmtp.Worker); {
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
	took := f.timeline.note(side, stage, l.clock)
	if l.clock > f.timeline.begun {
		l.handshakes.Steps[stage].Observe(took)
	}
	if stage == zmtp.StageError {
		l.handshakes.Errors[statusOf(f.handshake.ErrorReason())]++
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
	if f.closer == zmtp.NobodyClosed {
		f.closer = zmtp.WorkerClosed
		if c.client() {
			f.closer = zmtp.ClientClosed
		}
	}
	other := zmtp.Client
	if c.client() {
		other = zmtp.Worker
	}
	if f.handshake.Stage(other) == zmtp.StageError {
		how |= pairing.Followed
	}
	return how
}

// countUnopened counts a pair that has ended before it opened.
func (l *loop) countUnopened(r *pairing.Record) {
	if r.Paired && !r.Opened {
		f := r.ClientConn.(*conn).flow
		f.over = true
		l.handshakes.Failed[r.Reason][f.handshake.Reached()]++
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
	case f.fault != "":
		return f.fault
	}
	switch why {
	case pairing.RefusedByWorker, pairing.ClientGaveUp, pairing.HandshakeTimeout:
	default:
		return "" // somebody has ended it who knows why
	}
	switch meaning := f.handshake.Meaning(f.closer); {
	case meaning != "":
		return meaning
	case f.handshake.Stage(zmtp.Client) == zmtp.StageError:
		return "the client sent ERROR"
	case why != pairing.HandshakeTimeout:
		return ""
	case f.last == f.client:
		return "it was the worker's turn, and it was silent"
	}
	return "it was the client's turn, and it was silent"
}

// hint is that of a client that never was in a pair.
func (c *conn) hint(why pairing.Reason) string {
	switch {
	case why == pairing.ProbeOnly:
		return "it never sent a byte: a balancer's check, or a port scan"
	case why == pairing.ProxyHeader && c.via != nil:
		return "accept-proxy names its network, and it sent no sound PROXY header"
	case why == pairing.ProxyHeader:
		return "it sent a PROXY header, and accept-proxy does not name its network"
	case why == pairing.NotZMTP:
		return c.stranger.hint()
	case why == pairing.HandshakeTimeout:
		return "it began a greeting and did not end it"
	}
	return ""
}

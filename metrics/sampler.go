package metrics

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// sampler sends the samples of one pool.
type sampler struct {
	*families
	pool string
	to   chan<- prometheus.Metric
}

func (s sampler) snapshot(from *stream.Snapshot) {
	s.flag(s.ready, from.Readiness().Ready())
	s.flag(s.usable, from.Usable)
	s.flag(s.draining, from.Draining)
	s.flag(s.lame, from.LameDuck)
	s.flag(s.refusing, from.Refusing)
	s.flag(s.paused, from.Paused)
	s.counter(s.bytes, from.BytesIn, "client-to-worker")
	s.counter(s.bytes, from.BytesOut, "worker-to-client")
	s.gauge(s.backlog, float64(from.Backlog))
	s.gauge(s.connections, float64(from.Connections))
	s.gauge(s.held, float64(from.Held))
	s.gauge(s.doors, float64(from.Doors))
	s.gauge(s.doorClients, float64(from.DoorClients))
	s.gauge(s.descriptors, float64(from.Descriptors))
	s.gauge(s.descriptorLimit, float64(from.DescriptorLimit))
	s.histogram(s.turns, &from.Turns)
	s.counter(s.stalls, from.Stalls)
	s.seconds(s.stalled, from.Stalled)
	s.gauge(s.lag, from.Lag.Seconds())
	s.gauge(s.commands, float64(from.Commands))
	s.clientsOf(&from.Stats)
	s.pairsOf(&from.Stats)
	s.handshakesOf(&from.Handshakes)
	s.slotsOf(&from.Stats)
	s.choicesOf(&from.Stats)
	s.workersOf(from)
	s.gauge(s.shown, float64(from.ClientAddresses))
	s.gauge(s.shownTaken, float64(from.ClientAddressesTaken))
	s.portsOf(from)
}

func (s sampler) clientsOf(t *pairing.Stats) {
	for _, state := range []pairing.PeerState{
		pairing.PeerConnected, pairing.PeerWaiting, pairing.PeerDialling,
		pairing.PeerPaired, pairing.PeerOpen, pairing.PeerDraining,
	} {
		s.gauge(s.clients, float64(t.Clients[state]), state.String())
	}
	s.counter(s.clientsTotal, t.ClientsTotal)
	for _, r := range pairing.Reasons() {
		s.counter(s.ended, t.Ended[r], r.String())
	}
}

func (s sampler) pairsOf(t *pairing.Stats) {
	s.gauge(s.pairs, float64(t.Handshaking), "handshaking")
	s.gauge(s.pairs, float64(t.Open), "open")
	s.gauge(s.pairs, float64(t.Draining), "draining")
	s.counter(s.pairsTotal, t.PairsTotal)
	s.counter(s.opened, t.OpenedTotal)
	for _, r := range pairing.Reasons() {
		s.counter(s.pairsEnded, t.PairsEnded[r], r.String())
	}
	s.gauge(s.rebalanceLeft, float64(t.RebalanceLeft))
	s.histogram(s.waits, &t.Waits)
	for _, one := range []pairing.Strategy{pairing.LeaseHeartbeat, pairing.LeaseIdle, pairing.LeaseTTL} {
		s.counter(s.leases, t.LeasesExpired[one], one.String())
	}
}

// handshakeFailures are the reasons for which a handshake ends by itself, and not because
// somebody has ended the pair.
func handshakeFailures() []pairing.Reason {
	return []pairing.Reason{
		pairing.RefusedByWorker, pairing.ClientGaveUp, pairing.HandshakeTimeout,
		pairing.ProtocolError, pairing.MechanismRefused, pairing.NotZMTP,
	}
}

func (s sampler) handshakesOf(h *stream.Handshakes) {
	for m := range h.Times {
		s.histogram(s.handshakes, &h.Times[m], stream.Mechanism(m).String())
	}
	stages := stream.Stages()
	for i, stage := range stages {
		if i > 0 { // nobody has to come to nothing
			s.histogram(s.handshakeSteps, &h.Steps[i], stage)
		}
	}
	for _, why := range handshakeFailures() {
		for i, n := range h.Failed[why] {
			s.counter(s.handshakesFailed, n, why.String(), stages[i])
		}
	}
	for i, status := range stream.Statuses() {
		s.counter(s.handshakeErrors, h.Errors[i], status)
	}
}

func (s sampler) slotsOf(t *pairing.Stats) {
	for _, state := range []pairing.PeerState{
		pairing.PeerConnected, pairing.PeerSlot, pairing.PeerPaired, pairing.PeerOpen, pairing.PeerDraining,
	} {
		s.gauge(s.workerConnections, float64(t.WorkerPeers[state]), state.String())
	}
	s.counter(s.ungreeted, t.Ungreeted)
	for i, n := range t.SlotAges {
		s.gauge(s.slots, float64(n), ages(i))
	}
	s.counter(s.slotsMade, t.SlotsMade)
	s.counter(s.slotsRecycled, t.SlotsRecycled)
	s.counter(s.slotsLost, t.SlotsLost)
	s.counter(s.slotsClosed, t.SlotsClosed)
}

// ages names a bucket of [pairing.Stats.SlotAges]: "0-5", "5-10", ... "30+".
func ages(i int) string {
	step := int(pairing.SlotAgeStep.Seconds())
	if i == pairing.NumSlotAges-1 {
		return fmt.Sprintf("%d+", i*step)
	}
	return fmt.Sprintf("%d-%d", i*step, (i+1)*step)
}

func (s sampler) choicesOf(t *pairing.Stats) {
	s.counter(s.choices, t.ChosenByPrefer, "prefer")
	s.counter(s.choices, t.ChosenByAffinity, "affinity")
	s.counter(s.choices, t.ChosenByPolicy, "policy")
	s.counter(s.dials, t.Dials)
	s.counter(s.dialFailures, t.DialFailures)
	s.histogram(s.dialTimes, &t.DialsDone, "connected")
	s.histogram(s.dialTimes, &t.DialsFailed, "failed")
	s.counter(s.probes, t.Probes)
	s.counter(s.noPort, t.NoSourcePort)
	s.gauge(s.hints, float64(t.Hints))
	s.counter(s.hintsExpired, t.HintsExpired)
	s.gauge(s.identities, float64(t.Identities))
	s.gauge(s.affinities, float64(t.Affinities))
}

// portsOf asks the kernel how many ports are in use. Where it does not say, the
// connections of the pool are counted: those that have ended, and those of other
// processes, are then missing.
func (s sampler) portsOf(from *stream.Snapshot) {
	limit, err := stream.SourcePorts()
	if err != nil {
		limit = 0
	}
	var endpoints []string
	for i := range from.Workers {
		if e := from.Workers[i].Endpoint; e != "" {
			endpoints = append(endpoints, e)
		}
	}
	each, err := stream.PortsInUse(endpoints)
	// Of the worker that is nearest to having none left.
	sources, inUse := max(1, from.SourceAddresses), 0
	for i := range from.Workers {
		w := &from.Workers[i]
		n, own := each[w.Endpoint], sourcesOf(w, from)
		if err != nil && w.Endpoint != "" {
			n = w.Pairs + w.Dialling
		}
		if n*sources > inUse*own {
			sources, inUse = own, n
		}
	}
	s.gauge(s.ports, float64(limit*sources))
	s.gauge(s.portsInUse, float64(inUse))
}

// sourcesOf are how many addresses a worker is dialled from, at least one.
func sourcesOf(w *pairing.WorkerInfo, from *stream.Snapshot) int {
	if own, err := stream.ParseSources(w.Source); err == nil && len(own) > 0 {
		return len(own)
	}
	return max(1, from.SourceAddresses)
}

// gone is the state of a worker that dialled in and is away for a while.
const gone = "gone"

// workerStates are all that a worker may be in.
func workerStates() []string { return append(pairing.StateNames(), gone) }

func (s sampler) workersOf(from *stream.Snapshot) {
	in := map[string]int{}
	for i := range from.Workers {
		w := &from.Workers[i]
		in[w.State.String()]++
		s.workerOf(w, w.State.String())
	}
	for i := range from.Departed {
		in[gone]++
		s.workerOf(&from.Departed[i], gone)
	}
	for _, state := range workerStates() {
		s.gauge(s.workers, float64(in[state]), state)
	}
}

func (s sampler) workerOf(w *pairing.WorkerInfo, is string) {
	// A label that is not UTF-8 would cost the whole scrape.
	name := strings.ToValidUTF8(w.Name, "?")
	for _, state := range workerStates() {
		s.flag(s.workerState, state == is, name, state)
	}
	s.gauge(s.workerPairs, float64(w.Pairs), name)
	s.gauge(s.workerMax, float64(w.MaxPairs), name)
	s.gauge(s.workerWeight, float64(w.Weight), name)
	s.gauge(s.workerDialling, float64(w.Dialling), name)
	s.gauge(s.workerSlots, float64(w.Slots), name)
	s.gauge(s.workerSlowStart, w.SlowStart.Seconds(), name)
	s.counter(s.workerFailures, w.Failures, name)
	s.counter(s.workerServed, w.Served, name)
}

func (s sampler) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, s.labels(labels)...)
}

func (s sampler) counter(d *prometheus.Desc, v uint64, labels ...string) {
	s.to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), s.labels(labels)...)
}

func (s sampler) seconds(d *prometheus.Desc, v time.Duration) {
	s.to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v.Seconds(), s.labels(nil)...)
}

func (s sampler) flag(d *prometheus.Desc, on bool, labels ...string) {
	v := 0.0
	if on {
		v = 1
	}
	s.gauge(d, v, labels...)
}

func (s sampler) histogram(d *prometheus.Desc, h *pairing.Histogram, labels ...string) {
	s.to <- histogram{d, prometheus.MakeLabelPairs(d, s.labels(labels)), *h}
}

func (s sampler) labels(more []string) []string { return append([]string{s.pool}, more...) }

package control

import (
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// How what a pool knows is written for callers, here and over HTTP (package api).

// WorkerOf is a row of WORKERS.
func WorkerOf(w pairing.WorkerInfo) wire.WorkerInfo {
	return wire.WorkerInfo{
		Worker: w.Name, State: w.State.String(), Pairs: w.Pairs, Max: w.MaxPairs, Weight: w.Weight, Slots: w.Slots,
		Dialling: w.Dialling, Served: w.Served, Failures: w.Failures, Lost: w.SlotsLost, Elsewhere: w.Elsewhere, SlowStart: wire.InSeconds(w.SlowStart), Endpoint: w.Endpoint, Source: w.Source, Removed: w.Removed,
		Everywhere: wordsOf(w.Everywhere),
	}
}

// wordsOf are words that count at all proxies, nil for none.
func wordsOf(words []pairing.Steering) (all []wire.Word) {
	for i := range words {
		w := &words[i]
		age := max(0, time.Since(time.UnixMilli(w.At)))
		all = append(all, wire.Word{What: w.Register.String(), Value: w.Text(), Proxy: w.By, Age: wire.InSeconds(age)})
	}
	return all
}

// ClientOf is a row of CLIENTS.
func ClientOf(p pairing.PeerInfo) wire.ClientInfo {
	return wire.ClientInfo{
		ID: uint64(p.ID), Client: p.Origin.Whence(), Identity: p.Identity, State: p.State.String(), Worker: p.Worker,
		Age: wire.InSeconds(p.Age),
	}
}

// PairOf is a row of PAIRS.
func PairOf(p pairing.PeerInfo) wire.PairInfo {
	return wire.PairInfo{
		ID: uint64(p.ID), Client: p.Origin.Whence(), Identity: p.Identity, State: p.State.String(), Worker: p.Worker,
		Endpoint: p.Other.Whence(), Rule: p.Rule.String(), Age: wire.InSeconds(p.Paired),
	}
}

func hintInfo(h pairing.HintInfo) wire.HintInfo {
	return wire.HintInfo{
		Identity: h.Identity, Endpoint: h.Endpoint, Address: h.Address, Prefer: array(h.Prefer), Pinned: h.Pinned,
		Left: wire.InSeconds(h.Left), Everywhere: wordsOf(h.Everywhere),
	}
}

// EventOf is what EVENTS publishes of an event.
func EventOf(e stream.Event) wire.Event {
	return wire.Event{
		Topic: e.Topic, Time: e.Time, Pool: e.Pool, ID: uint64(e.ID), Client: e.Client, Identity: e.Identity,
		Worker: e.Worker, State: e.State, Reason: e.Reason, Pairs: e.Pairs,
		Mechanism: e.Mechanism, Version: e.Version, Handshake: handshake(e.Handshake), Hint: e.Hint,
	}
}

// handshake is that of a pair, nil for none.
func handshake(h *stream.Handshake) *wire.Handshake {
	if h == nil {
		return nil
	}
	w := &wire.Handshake{
		Mechanism: h.Mechanism, Version: h.Version, AsServer: h.AsServer,
		ClientStage: h.ClientStage.String(), WorkerStage: h.WorkerStage.String(), ClosedBy: h.ClosedBy, Error: h.Error,
	}
	for _, s := range h.Steps {
		w.Steps = append(w.Steps, wire.Step{Side: s.Side.String(), Stage: s.Stage.String(), After: s.After.Seconds()})
	}
	return w
}

// FailingOf is a row of FAILING.
func FailingOf(f pairing.Failing) wire.FailingInfo {
	return wire.FailingInfo{
		Address: f.Address, Clients: f.Count, Reason: f.Reason.String(), First: wire.InSeconds(f.First), Last: wire.InSeconds(f.Last), Hint: f.Hint,
	}
}

// balancer is who has connected for a client, nil for none.
func balancer(b *stream.Balancer) *wire.Balancer {
	if b == nil {
		return nil
	}
	w := &wire.Balancer{Endpoint: b.Endpoint, UniqueID: b.UniqueID}
	if b.TLS != nil {
		w.TLS = &wire.TLS{Version: b.TLS.Version, Cipher: b.TLS.Cipher, Name: b.TLS.CommonName, Verified: b.TLS.Verified}
	}
	return w
}

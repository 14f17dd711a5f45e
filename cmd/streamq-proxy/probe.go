//go:build linux && cgo

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/streamq/streamq-proxy/stream"
)

const (
	// probeTimeout is how long a loop may take to answer before it counts as
	// one that does not turn.
	probeTimeout = 2 * time.Second
	// othersTimeout is how long the others may still take when one pool that is
	// ready decides: checks of balancers give up after a second or two.
	othersTimeout = 250 * time.Millisecond
)

// poolProbe is what a probe is told of one pool.
type poolProbe struct {
	Pool  string `json:"pool"`
	Ready bool   `json:"ready"` // of /healthz: alive
	State string `json:"state"`
}

// probe is what /healthz and /readyz answer in JSON.
type probe struct {
	Ready bool        `json:"ready"`
	Pools []poolProbe `json:"pools"`
}

// healthz is 200 while the loops of all pools, or of those that pool= names, answer.
func (s *server) healthz(w http.ResponseWriter, r *http.Request) {
	s.probe(w, r, true, func(stream.Snapshot) (string, bool) { return "alive", true })
}

// readyz is 200 when any pool is ready, or all are, as the configuration wants it:
// one pool without a worker is no reason to take the others out of a balancer,
// which can ask for its own pool by pool=.
func (s *server) readyz(w http.ResponseWriter, r *http.Request) {
	s.probe(w, r, s.readyAll.Load(), s.ready)
}

// ready says what keeps a pool from serving a client.
func (s *server) ready(snap stream.Snapshot) (string, bool) {
	is := snap.Readiness()
	switch { // the loop may not have heard of it yet
	case s.draining.Load():
		is = stream.NotReadyDraining
	case s.ending.Load():
		is = stream.NotReadyLameDuck
	}
	return is.String(), is.Ready()
}

// probe answers 200 or 503 by what judge finds of the pools that pool= names,
// without it of all.
func (s *server) probe(w http.ResponseWriter, r *http.Request, all bool, judge func(stream.Snapshot) (string, bool)) {
	pools := s.pools
	// Of a query that cannot be read some is left out, and then another pool's answer would count.
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		http.Error(w, fmt.Sprintf("the query cannot be read: %v", err), http.StatusBadRequest)
		return
	}
	if names := query["pool"]; len(names) > 0 {
		pools = nil
		for _, name := range names {
			i := slices.IndexFunc(s.pools, func(p *stream.Pool) bool { return p.Name() == name })
			if i < 0 {
				http.Error(w, fmt.Sprintf("no pool %q", name), http.StatusNotFound)
				return
			}
			pools = append(pools, s.pools[i])
		}
	}
	found := probePools(r.Context(), pools, all, judge)
	good := slices.ContainsFunc(found, func(p poolProbe) bool { return p.Ready })
	if all || len(found) == 0 { // where there is no pool, there is none that is not well
		good = !slices.ContainsFunc(found, func(p poolProbe) bool { return !p.Ready })
	}
	writeProbe(w, r, probe{good, found})
}

// probePools asks all pools at once, so that one whose loop is stuck takes no time
// from the others.
func probePools(ctx context.Context, pools []*stream.Pool, all bool, judge func(stream.Snapshot) (string, bool)) []poolProbe {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	found := make([]poolProbe, len(pools)) // never null in JSON
	var asked sync.WaitGroup
	for i, p := range pools {
		asked.Go(func() {
			one := &found[i]
			one.Pool = p.Name()
			snap, err := p.Snapshot(ctx)
			switch {
			case errors.Is(err, stream.ErrStopped):
				one.State = "stopped"
			case err != nil:
				one.State = "the loop does not answer"
			default:
				one.State, one.Ready = judge(snap)
			}
			if one.Ready && !all {
				time.AfterFunc(othersTimeout, cancel)
			}
		})
	}
	asked.Wait()
	return found
}

// asksForJSON says whether Accept names it; what takes anything gets text. By q=0 it is
// refused (RFC 9110, 12.4.2).
func asksForJSON(accept []string) bool {
	for one := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		kind, says, err := mime.ParseMediaType(one)
		if err != nil || kind != "application/json" {
			continue
		}
		if q, err := strconv.ParseFloat(says["q"], 64); err != nil || q > 0 {
			return true
		}
	}
	return false
}

// writeProbe has one line for each pool, or JSON where that is asked for.
func writeProbe(w http.ResponseWriter, r *http.Request, p probe) {
	kind, body := "text/plain; charset=utf-8", []byte(nil)
	if asksForJSON(r.Header.Values("Accept")) {
		kind = "application/json"
		body, _ = json.Marshal(p) // of such a type it cannot fail
		body = append(body, '\n')
	} else {
		for _, one := range p.Pools {
			body = fmt.Appendf(body, "%s: %s\n", one.Pool, one.State)
		}
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	if !p.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(body) // a client that has gone does not matter
}

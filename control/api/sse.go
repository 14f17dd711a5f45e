package api

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

const (
	// writeTime is how long a listener may take to read what is sent.
	writeTime = 5 * time.Second
	// quietTime is how long nothing is sent before something is that says nothing, by
	// which it shows that a listener has gone. Then it is found out, too, whether it may still listen.
	quietTime = 15 * time.Second
)

// liveStream sends the status, once a second.
func (s *Server) liveStream(w http.ResponseWriter, r *http.Request) error {
	if err := takes(r); err != nil {
		return err
	}
	return s.stream(w, r, s.live, nil)
}

// eventStream sends events as they happen: those whose topic begins with topic=, all without it.
func (s *Server) eventStream(w http.ResponseWriter, r *http.Request) error {
	if err := takes(r, "topic"); err != nil {
		return err
	}
	topics := r.URL.Query()["topic"]
	for _, t := range topics {
		if !slices.ContainsFunc(stream.Topics(), func(known string) bool { return strings.HasPrefix(known, t) }) {
			return wire.Errorf(wire.Malformed, "topic: none of %s begins with %q", strings.Join(stream.Topics(), ", "), t)
		}
	}
	return s.stream(w, r, s.events.hub, topics)
}

// stream sends what a hub has to a browser, until either goes.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, h *hub, topics []string) error {
	if !s.seats.TryAcquire(1) {
		return errFull
	}
	defer s.seats.Release(1)
	l := h.join()
	defer h.leave(l)
	to := http.NewResponseController(w)
	// The server's own limits are for answers that end.
	if err := to.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(b []byte) bool {
		_ = to.SetWriteDeadline(time.Now().Add(writeTime)) // it was possible for reading
		_, err := w.Write(b)
		return err == nil && to.Flush() == nil
	}
	if !send([]byte("retry: 2000\n\n")) {
		return nil
	}
	quiet := time.NewTicker(quietTime)
	defer quiet.Stop()
	for {
		var frame []byte
		select {
		case <-r.Context().Done():
			return nil
		case <-s.over:
			return nil
		case <-quiet.C:
			if !s.stays(r) {
				return nil
			}
			frame = []byte(":\n\n")
		case frame = <-l.frames:
			if !selects(topics, frame) {
				continue
			}
		}
		if n := l.lost.Swap(0); n > 0 && h == s.events.hub { // of the status the newest is enough
			frame = append(fmt.Appendf(nil, "event: lost\ndata: {\"lost\":%d}\n\n", n), frame...)
		}
		if !send(frame) {
			return nil
		}
	}
}

// stays says whether who listens would still be let in: a stream has no end, and its user, or whoever signed
// its certificate, may have been taken out since it began.
func (s *Server) stays(r *http.Request) bool {
	if s.cfg.Admits != nil && !s.cfg.Admits(r) {
		return false
	}
	before, now := s.visitorOf(r), s.look(r)
	return now.shut == "" && now.name == before.name
}

// selects says whether a frame's event begins with one of the topics, of which none is all.
func selects(topics []string, frame []byte) bool {
	return len(topics) == 0 || slices.ContainsFunc(topics, func(t string) bool {
		return bytes.HasPrefix(frame, []byte("event: "+t))
	})
}

package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/control/wire"
)

// Everybody is the name that stands for whoever is let in, in [Steering.Admins].
const Everybody = "all"

// Steering is how something can be changed, and by whom.
type Steering struct {
	// User is by what name a password has let whoever asks in, "" for nobody's. It is asked at
	// every request.
	User func(*http.Request) string
	// Admins are those users who may steer, or [Everybody]; nobody when there are none.
	Admins func() []string
	// Do has a verb of the control socket executed; a [control.Steward]'s.
	Do func(ctx context.Context, from control.Guest, verb string, form url.Values, unread error) wire.Reply
}

// visitor is who asks.
type visitor struct {
	name    string // "" of whoever
	address string
	shut    string // why nothing is shown, "" where it is
	reason  string // why nothing can be changed, "" where it can
}

const (
	reasonOff    = "nothing can be changed over HTTP: the setting http-admin says by whom"
	reasonNotYou = "the setting http-admin does not name you"
	reasonOrigin = "a page of another origin asked for it"
	reasonHost   = reasonOrigin + ", or a reverse proxy does not leave Host as the browser has it"
)

type visitorKey struct{}

// MaySteer says whether who asks may change something; of a request that [Server.Guard] let in.
func MaySteer(r *http.Request) bool {
	v, is := r.Context().Value(visitorKey{}).(visitor)
	return is && v.reason == ""
}

// visitorOf is who asks.
func (s *Server) visitorOf(r *http.Request) visitor {
	if v, known := r.Context().Value(visitorKey{}).(visitor); known {
		return v
	}
	return s.look(r)
}

// look finds out who asks, as things are now.
func (s *Server) look(r *http.Request) visitor {
	v := visitor{address: r.RemoteAddr, reason: reasonOff}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		v.address = host
	}
	if of := s.cfg.Steering; of != nil {
		if of.User != nil {
			v.name = of.User(r)
		}
		admins := of.Admins()
		switch {
		case len(admins) == 0:
		case slices.Contains(admins, Everybody), v.name != "" && slices.Contains(admins, v.name):
			v.reason = ""
		default:
			v.reason = reasonNotYou
		}
	}
	if foreign(r, v.name != "") {
		v.shut = "this is shown to this machine only, under localhost or a loopback address, or to users of a web-config; and to no page of another site"
		v.reason = v.shut
	}
	return v
}

// steered are the routes of verbs.
func (s *Server) steered() (all []route) {
	for _, v := range control.WebVerbs() {
		all = append(all, route{"/" + strings.ToLower(v.Name), func(w http.ResponseWriter, r *http.Request) error {
			done := s.Steer(w, r, v.Name)
			if err := done.Err(); err != nil {
				return err
			}
			return replyWith(w, int(done.Code), Done{Code: int(done.Code), Text: done.Text, Result: done.Body})
		}})
	}
	return all
}

// maxForm bounds what a form says, in bytes.
const maxForm = 16 << 10

// Steer has a verb executed with the form of a request, for who may have that. Whoever asks,
// and whatever becomes of it, it is the control socket's code that decides and logs it.
func (s *Server) Steer(w http.ResponseWriter, r *http.Request, verb string) wire.Reply {
	v := s.visitorOf(r)
	// What a browser says of where it comes from: Sec-Fetch-Site, or Origin against Host.
	if http.NewCrossOriginProtection().Check(r) != nil {
		v.reason = reasonOrigin
		if r.Header.Get("Sec-Fetch-Site") == "" {
			v.reason = reasonHost
		}
	}
	if s.cfg.Steering == nil {
		return wire.Reply{Code: wire.Forbidden, Text: reasonOff}
	}
	from := control.Guest{Level: wire.Operator, Name: v.name, Address: v.address}
	if v.reason != "" {
		from.Level, from.Reason = wire.Peer, v.reason
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	unread := formed(r)
	ctx, cancel := context.WithTimeout(r.Context(), askTime)
	defer cancel()
	return s.cfg.Steering.Do(ctx, from, verb, r.PostForm, unread)
}

// formed reads the form of a request: it is no form that has another type, and what the
// address says counts for nothing. The error is a [*wire.Error].
func formed(r *http.Request) error {
	const kind = "application/x-www-form-urlencoded"
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); r.ContentLength != 0 && (err != nil || got != kind) {
		return wire.Errorf(wire.Malformed, "the body is no form: want %s, not %q", kind, r.Header.Get("Content-Type"))
	}
	if len(r.URL.RawQuery) > 0 {
		return wire.Errorf(wire.Malformed, "a verb's arguments are said in a form, not in the address")
	}
	err := r.ParseForm()
	var large *http.MaxBytesError
	var late net.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &large):
		return wire.Errorf(wire.Malformed, "the form is larger than %d bytes", large.Limit)
	case errors.As(err, &late) && late.Timeout(), errors.Is(err, io.ErrUnexpectedEOF):
		return wire.Errorf(wire.Malformed, "the form did not come to its end")
	}
	return wire.Errorf(wire.Malformed, "the form cannot be read: %v", err)
}

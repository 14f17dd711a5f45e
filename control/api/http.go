package api

import (
	"context"
	_ "embed" // the description
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
)

//go:embed openapi.json
var description []byte

const (
	// DefaultPage is how many rows a page has without limit=.
	DefaultPage = 100
	// MaxPage is how many it has at most.
	MaxPage = 1000
	// mostAfter bounds after=.
	mostAfter = 1 << 30
	// askTime is how long a request may take to be answered.
	askTime = 5 * time.Second
)

// errFull refuses a stream of events: there are as many as there may be.
var errFull = errors.New("as many listen as may: try again later")

// route is a request that is answered.
type route struct {
	path  string
	serve func(http.ResponseWriter, *http.Request) error
}

func (s *Server) routes() []route {
	return []route{
		{"/status", asked(s.Status)},
		{"/pools", asked(s.Pools)},
		{"/workers", listed(s.Workers)},
		{"/clients", listed(s.Clients)},
		{"/pairs", listed(s.Pairs)},
		{"/explain", s.explain},
		{"/failing", s.failing},
		{"/ends", asked(s.Ends)},
		{"/handshakes", asked(s.Handshakes)},
		{"/history", s.history},
		{"/live", s.liveStream},
		{"/events", s.eventStream},
		{"/openapi.json", s.describe},
	}
}

// asked answers with what takes no parameters.
func asked[Answer any](what func(context.Context) (Answer, error)) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := takes(r); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(r.Context(), askTime)
		defer cancel()
		answer, err := what(ctx)
		return reply(w, answer, err)
	}
}

// listed answers with a page of a list.
func listed[Answer any](what func(context.Context, Filter, int, int) (Answer, error)) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		f, after, limit, err := ReadFilter(r.URL.Query())
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(r.Context(), askTime)
		defer cancel()
		answer, err := what(ctx, f, after, limit)
		return reply(w, answer, err)
	}
}

// ReadFilter reads what selects and orders a list, and which page of it is wanted. The
// error is a [*wire.Error].
func ReadFilter(q url.Values) (f Filter, after, limit int, err error) {
	if err = allowed(q, "pool", "worker", "state", "client", "q", "sort", "after", "limit"); err != nil {
		return
	}
	f = Filter{Pool: q.Get("pool"), Worker: q.Get("worker"), State: q.Get("state"), Client: q.Get("client"), Search: q.Get("q")}
	f.Sort, f.Descending = strings.CutPrefix(q.Get("sort"), "-")
	if after, err = number(q, "after", 0, 0, mostAfter); err == nil {
		limit, err = number(q, "limit", DefaultPage, 1, MaxPage)
	}
	return
}

func number(q url.Values, key string, standard, low, high int) (int, error) {
	if !q.Has(key) {
		return standard, nil
	}
	n, err := strconv.Atoi(q.Get(key))
	if err != nil || n < low || n > high {
		return 0, wire.Errorf(wire.Malformed, "%s: %q is no whole number from %d to %d", key, q.Get(key), low, high)
	}
	return n, nil
}

// takes refuses parameters that a request has no use for.
func takes(r *http.Request, keys ...string) error { return allowed(r.URL.Query(), keys...) }

func allowed(q url.Values, keys ...string) error {
	for key := range q {
		if !slices.Contains(keys, key) {
			return wire.Errorf(wire.Malformed, "%q is none of its parameters: %s", key, strings.Join(keys, ", "))
		}
	}
	return nil
}

func (s *Server) explain(w http.ResponseWriter, r *http.Request) error {
	if err := takes(r, "pool", "who"); err != nil {
		return err
	}
	answer, err := s.Explain(r.Context(), r.FormValue("pool"), r.FormValue("who"))
	return reply(w, answer, err)
}

func (s *Server) failing(w http.ResponseWriter, r *http.Request) error {
	if err := takes(r, "limit"); err != nil {
		return err
	}
	limit, err := number(r.URL.Query(), "limit", DefaultPage, 1, MaxPage)
	if err != nil {
		return err
	}
	answer, err := s.Failing(r.Context(), limit)
	return reply(w, answer, err)
}

func (s *Server) history(w http.ResponseWriter, r *http.Request) error {
	if err := takes(r, "pool"); err != nil {
		return err
	}
	answer, err := s.History(r.FormValue("pool"))
	return reply(w, answer, err)
}

func (s *Server) describe(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(description)
	return err
}

func reply(w http.ResponseWriter, answer any, err error) error {
	if err != nil {
		return err
	}
	return replyWith(w, http.StatusOK, answer)
}

func replyWith(w http.ResponseWriter, status int, answer any) error {
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err = w.Write(text)
	return err
}

// guarded answers a request that is let in, and says what is wrong where something is.
func (s *Server) guarded(serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return s.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := serve(w, r); err != nil {
			refuse(w, err)
		}
	}), refuse)
}

// Guard lets requests through to a handler, as many as there may be, from pages of this
// server or from none. The rest is refused.
func (s *Server) Guard(handler http.Handler, refuse func(http.ResponseWriter, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'") // a page says more
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin") // with none a form's Origin would be null
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		v := s.visitorOf(r)
		switch {
		case v.shut != "" && r.Method != http.MethodPost: // of which Steer logs that it is refused
			refuse(w, wire.Errorf(wire.Forbidden, "%s", v.shut))
		case !s.limiterOf(v).admit(time.Now()):
			h.Set("Retry-After", "1")
			refuse(w, wire.Errorf(wire.SlowDown, "more than %d requests a second", requestRate))
		default:
			handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitorKey{}, v)))
		}
	})
}

func (s *Server) limiterOf(v visitor) *limiter {
	if v.shut != "" {
		return s.strangers
	}
	return s.admission
}

// refuse answers with a [Problem].
func refuse(w http.ResponseWriter, err error) {
	p := ProblemOf(err)
	text, err := json.Marshal(p)
	if err != nil {
		panic("api: a problem is no JSON: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.Code)
	_, _ = w.Write(text) // there is nobody else to tell
}

// Refuse answers a request that comes no further: as a [Problem] where the API is, as text elsewhere.
func Refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	if r.URL.Path == "/api" || strings.HasPrefix(r.URL.Path, "/api/") {
		refuse(w, wire.Errorf(wire.Code(status), "%s", text))
		return
	}
	http.Error(w, text, status)
}

// ProblemOf is what an error is answered with: the control socket's codes are HTTP's, and anything
// else is a loop that does not answer, or a proxy that is ending.
func ProblemOf(err error) Problem {
	var known *wire.Error
	if errors.As(err, &known) {
		return Problem{Code: int(known.Code), Error: known.Text}
	}
	return Problem{Code: http.StatusServiceUnavailable, Error: err.Error()}
}

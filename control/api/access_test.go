package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/control/api/apitest"
	"github.com/streamq/streamq-proxy/control/wire"
)

// steered is a server of a fake pool that can be steered, and what was asked of whom it has do it.
type steered struct {
	*held
	server *Server
	mux    http.Handler

	mutex   sync.Mutex
	strange bool // whoever asks would not be let in any more
	user    string
	admins  []string
	asked   []control.Guest
	form    url.Values
	unread  error
}

func newSteered(t *testing.T) *steered {
	t.Helper()
	s := &steered{held: newHeld(t)}
	server := New(Config{Pools: []Pool{apitest.New("orders")}, Admits: func(*http.Request) bool {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		return !s.strange
	}, Steering: &Steering{
		User: func(*http.Request) string {
			s.mutex.Lock()
			defer s.mutex.Unlock()
			return s.user
		},
		Admins: func() []string { return s.admins },
		Do: func(_ context.Context, from control.Guest, verb string, form url.Values, unread error) wire.Reply {
			s.mutex.Lock()
			defer s.mutex.Unlock()
			s.asked, s.form, s.unread = append(s.asked, from), form, unread
			if from.Level < wire.Operator {
				return wire.Reply{Code: wire.Forbidden, Text: verb + ": " + from.Reason}
			}
			var mistake *wire.Error
			if errors.As(unread, &mistake) {
				return mistake.Reply()
			}
			reply, _ := wire.NewReply(wire.Accepted, wire.Drained{Pairs: 3})
			return reply
		},
	}})
	mux := http.NewServeMux()
	server.Register(mux)
	s.server, s.mux = server, mux
	return s
}

// request is a POST as a program on this machine makes it.
func request(path, body string, change ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodPost, Prefix+path, strings.NewReader(body))
	r.Host, r.RemoteAddr = "127.0.0.1:9555", "127.0.0.1:40000"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, f := range change {
		f(r)
	}
	return r
}

func header(key, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(key, value) }
}

func from(address string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr, r.Host = address, "proxy.example:9555" }
}

func (s *steered) ask(t *testing.T, r *http.Request) (status int, body []byte) {
	t.Helper()
	s.asked, s.form, s.unread = nil, nil, nil
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if r.Method != http.MethodPost {
		return w.Code, body
	}
	s.asDescribedOf(t, r.Method, strings.TrimPrefix(r.URL.Path, Prefix), w.Code, body)
	return w.Code, body
}

// Who may steer, and from where: whatever the page, whoever does not is refused with the reason,
// and never reaches the verb as an operator.
func TestWhoMaySteer(t *testing.T) {
	t.Parallel()
	s := newSteered(t)
	for _, tc := range []struct {
		name   string
		user   string
		admins []string
		change func(*http.Request)
		reason string // "" for who may
	}{
		{"off", "", nil, nil, reasonOff},
		{"off, of a user", "alice", nil, nil, reasonOff},
		{"all, of this machine", "", []string{Everybody}, nil, ""},
		{"all, of another machine", "", []string{Everybody}, from("192.0.2.1:4"), "this machine only"},
		{"all, of a user elsewhere", "alice", []string{Everybody}, from("192.0.2.1:4"), ""},
		{"named", "alice", []string{"bob", "alice"}, nil, ""},
		{"named, elsewhere", "alice", []string{"alice"}, from("192.0.2.1:4"), ""},
		{"through a proxy", "alice", []string{"alice"}, header("X-Forwarded-For", "192.0.2.1"), ""},
		{"through a proxy, without a name", "", []string{Everybody}, header("X-Forwarded-For", "192.0.2.1"), "this machine only"},
		{"not named", "carol", []string{"alice"}, nil, reasonNotYou},
		{"without a name", "", []string{"alice", ""}, nil, reasonNotYou},
		{"its own page", "alice", []string{"alice"}, header("Sec-Fetch-Site", "same-origin"), ""},
		{"typed", "alice", []string{"alice"}, header("Sec-Fetch-Site", "none"), ""},
		{"another site's page", "alice", []string{"alice"}, header("Sec-Fetch-Site", "cross-site"), reasonOrigin},
		{"another port's page", "alice", []string{"alice"}, header("Sec-Fetch-Site", "same-site"), reasonOrigin},
		{"another site's form", "alice", []string{"alice"}, func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Sec-Fetch-Mode", "navigate")
		}, reasonOrigin},
		{"its own page in an old browser", "alice", []string{"alice"}, header("Origin", "http://127.0.0.1:9555"), ""},
		{"another's in an old browser", "alice", []string{"alice"}, header("Origin", "http://evil.example"), reasonHost},
		{"its own page through a proxy that changes Host", "alice", []string{"alice"}, func(r *http.Request) {
			r.Host = "10.0.0.5:9555"
			r.Header.Set("Origin", "http://ops.example")
		}, reasonHost},
		{"a page without an origin", "alice", []string{"alice"}, header("Origin", "null"), reasonHost},
		{"a name of another site for loopback", "", []string{Everybody}, func(r *http.Request) { r.Host = "evil.example:9555" }, "this machine only"},
	} {
		s.user, s.admins = tc.user, tc.admins
		r := request("/drain", "worker=w1&pool=orders")
		if tc.change != nil {
			tc.change(r)
		}
		status, body := s.ask(t, r)
		if len(s.asked) != 1 {
			t.Fatalf("%s: %d %s was not passed on, so nobody logs it", tc.name, status, body)
		}
		guest := s.asked[0]
		if guest.Name != tc.user || guest.Address != strings.Split(r.RemoteAddr, ":")[0] {
			t.Errorf("%s: %+v", tc.name, guest)
		}
		switch {
		case tc.reason == "" && (guest.Level != wire.Operator || status != http.StatusAccepted || s.form.Get("worker") != "w1"):
			t.Errorf("%s: %d %s %+v", tc.name, status, body, guest)
		case tc.reason != "" && (guest.Level != wire.Peer || status != http.StatusForbidden || !strings.Contains(string(body), tc.reason)):
			t.Errorf("%s: %d %s %+v, want %q", tc.name, status, body, guest, tc.reason)
		}
	}
}

// However often strangers, or another site's pages, ask for a verb: that takes nobody's place.
func TestStrangersTakeNobodysPlace(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*http.Request){
		"another machine":     from("192.0.2.1:4"),
		"another site's page": header("Sec-Fetch-Site", "cross-site"),
	} {
		s := newSteered(t)
		s.server.admission.rate, s.server.strangers.rate = 0, 0
		refused := 0
		for range requestBurst + 1 {
			if status, _ := s.ask(t, request("/drain", "", change)); status == http.StatusTooManyRequests {
				refused++
			}
		}
		if refused != 1 {
			t.Errorf("%s: %d of %d were too many", name, refused, requestBurst+1)
		}
		here := request("/status", "")
		here.Method = http.MethodGet
		if status, body := s.ask(t, here); status != http.StatusOK {
			t.Errorf("%s: then this machine is answered %d %s", name, status, body)
		}
	}
}

// What is no form, or too large a one, is refused where it is logged; what an address says counts for nothing; what there
// is to tell is told.
func TestForms(t *testing.T) {
	t.Parallel()
	s := newSteered(t)
	s.user, s.admins = "alice", []string{"alice"}
	for body, change := range map[string]func(*http.Request){
		`{"worker":"w1"}`:                        header("Content-Type", "application/json"),
		"worker=w1":                              func(r *http.Request) { r.Header.Del("Content-Type") },
		"worker=w2":                              func(r *http.Request) { r.URL.RawQuery = "pool=orders" },
		"worker=%zz":                             func(*http.Request) {},
		"worker=" + strings.Repeat("w", maxForm): func(*http.Request) {},
	} {
		if status, answer := s.ask(t, request("/drain", body, change)); status != http.StatusBadRequest || len(s.asked) != 1 || s.asked[0].Address != "127.0.0.1" || s.unread == nil {
			t.Errorf("%.40s: %d %s", body, status, answer)
		}
	}
	status, body := s.ask(t, request("/pause", "", header("Content-Type", "")))
	var done Done
	if err := json.Unmarshal(body, &done); err != nil || status != http.StatusAccepted || done.Code != status || string(done.Result) != `{"pairs":3}` {
		t.Errorf("%v: %d %s", err, status, body)
	}
	for _, v := range control.WebVerbs() {
		r := request("/"+strings.ToLower(v.Name), "")
		r.Method = http.MethodGet
		s.not(t, r, "POST")
	}
	s.not(t, request("/status", "worker=w1"), "GET, HEAD")
}

// not asks by a method that there is not, and wants to be told which there are.
func (s *steered) not(t *testing.T, r *http.Request, allowed string) {
	t.Helper()
	s.asked = nil
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusMethodNotAllowed || p.Code != w.Code || w.Header().Get("Allow") != allowed || len(s.asked) > 0 {
		t.Errorf("%s %s: %v, %d %v %s", r.Method, r.URL, err, w.Code, w.Header(), w.Body)
	}
}

// Each verb is described with the fields that it takes.
func TestEveryVerbIsDescribed(t *testing.T) {
	t.Parallel()
	doc := described(t)
	for _, v := range control.WebVerbs() {
		at := doc.Paths.Find("/" + strings.ToLower(v.Name))
		if at == nil || at.Post == nil {
			t.Errorf("%s is not described", v.Name)
			continue
		}
		form := at.Post.RequestBody.Value.Content.Get("application/x-www-form-urlencoded").Schema.Value
		must, may := v.Fields()
		if len(form.Properties) != len(must)+len(may) || len(form.Required) != len(must) {
			t.Errorf("%s: %v, of which %v", v.Name, form.Properties, form.Required)
		}
		for _, key := range append(must, may...) {
			if form.Properties[key] == nil {
				t.Errorf("%s: %s is not described", v.Name, key)
			}
		}
	}
}

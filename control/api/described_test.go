package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/streamq/streamq-proxy/control/api/apitest"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// rig is a server of two pools that are fakes.
type rig struct {
	*Server
	first, second *apitest.Pool
	web           *httptest.Server
}

func newRig(t *testing.T, clients int) *rig {
	t.Helper()
	r := &rig{first: apitest.New("first"), second: apitest.New("second")}
	r.first.Crowd(clients, 5)
	r.Server = New(Config{Pools: []Pool{r.first, r.second}, Version: wire.Version{Version: "v1"}})
	mux := http.NewServeMux()
	r.Register(mux)
	r.web = httptest.NewServer(mux)
	t.Cleanup(r.web.Close)
	return r
}

// get is the status and the body of an answer.
func (r *rig) get(t *testing.T, path string) (int, []byte) {
	t.Helper()
	answer, err := http.Get(r.web.URL + Prefix + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, body
}

// read is an answer that is one.
func read[Answer any](t *testing.T, r *rig, path string) (a Answer) {
	t.Helper()
	status, body := r.get(t, path)
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", path, status, body)
	}
	if err := json.Unmarshal(body, &a); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return a
}

func described(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(description)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// Every route is described, and nothing else is.
func TestEveryRouteIsDescribed(t *testing.T) {
	t.Parallel()
	var served []string
	r := newRig(t, 0)
	for _, one := range append(r.routes(), r.steered()...) {
		served = append(served, one.path)
	}
	said := described(t).Paths.InMatchingOrder()
	slices.Sort(served)
	slices.Sort(said)
	if !slices.Equal(served, said) {
		t.Errorf("served: %q\ndescribed: %q", served, said)
	}
}

// What sorts and what bounds a page are described as they are.
func TestParametersAreDescribed(t *testing.T) {
	t.Parallel()
	list := described(t).Paths.Find("/clients").Get.Parameters
	if want := "^-?("; !strings.HasPrefix(list.GetByInAndName("query", "sort").Schema.Value.Pattern, want) {
		t.Errorf("sort: %s", list.GetByInAndName("query", "sort").Schema.Value.Pattern)
	}
	for _, s := range Sorts() {
		if !strings.Contains(list.GetByInAndName("query", "sort").Schema.Value.Pattern, s) {
			t.Errorf("sort=%s is not described", s)
		}
	}
	workers := described(t).Paths.Find("/workers").Get.Parameters.GetByInAndName("query", "sort").Schema.Value.Pattern
	if want := "^-?(" + strings.Join(WorkerSorts(), "|") + ")$"; workers != want {
		t.Errorf("sort of workers: %s, want %s", workers, want)
	}
	limit := list.GetByInAndName("query", "limit").Schema.Value
	if *limit.Max != MaxPage || limit.Default != float64(DefaultPage) {
		t.Errorf("limit: %v, %v", *limit.Max, limit.Default)
	}
	if got := list.GetByInAndName("query", "q").Schema.Value.MaxLength; *got != maxSearch {
		t.Errorf("q: %d", *got)
	}
}

// Answers and refusals are as openapi.json says, with nothing in them that it does not say.
func TestEveryAnswerIsAsDescribed(t *testing.T) {
	t.Parallel()
	r, against := newRig(t, 250), newHeld(t)
	r.first.SetFailing(stream.FailingList{All: 1, Worst: []pairing.Failing{{Address: "10.9.9.9", Reason: pairing.NotZMTP, Count: 3, Hint: "h"}}})
	r.first.Change(func(s *stream.Snapshot) {
		s.Departed = []pairing.WorkerInfo{{Name: "gone", Removed: true}}
		s.Handshakes.Failed[pairing.RefusedByWorker][3] = 7
		s.Handshakes.Times[stream.MechanismCURVE].Observe(time.Millisecond)
	})
	r.sampled(t, func(s *stream.Snapshot) {
		s.Stats.ClientsTotal += 10
		s.Stats.Ended[pairing.ClientClosed] += 3
		s.Stats.Waits.Observe(time.Second)
	})
	ok, bad, none := http.StatusOK, http.StatusBadRequest, http.StatusNotFound
	for path, want := range map[string]int{
		"/status": ok, "/pools": ok, "/workers": ok, "/workers?pool=first&state=ready&q=w1": ok, "/workers?pool=x": none, "/workers?state=x": bad,
		"/clients": ok, "/clients?sort=-age&limit=7&after=3": ok, "/clients?q=10.1.0.7": ok, "/clients?state=open&worker=w1&client=user-000000": ok,
		"/clients?limit=0": bad, "/clients?limit=1001": bad, "/clients?after=-1": bad, "/clients?sort=x": bad, "/clients?nonsense=1": bad,
		"/clients?pool=x": none, "/clients?state=x": bad, "/clients?q=" + strings.Repeat("x", 257): bad,
		"/pairs": ok, "/pairs?q=USER-": ok, "/explain?pool=first&who=user-000010": ok, "/explain?pool=first&who=10.1.0.3:40003": ok,
		"/explain?pool=first&who=nobody": none, "/explain?who=user-000010": bad, "/explain?pool=x&who=a": none,
		"/failing": ok, "/failing?limit=x": bad, "/ends": ok, "/handshakes": ok, "/history": ok, "/history?pool=first": ok, "/history?pool=x": none,
		"/openapi.json": ok, "/status?x": bad, "/live?x": bad, "/events?topic=x": bad,
	} {
		status, body := r.get(t, path)
		if status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
		against.asDescribed(t, path, status, body)
	}
	r.first.Fail(errors.New("no answer"))
	r.second.Fail(errors.New("no answer"))
	time.Sleep(momentAge) // until what was told is too old
	for path, want := range map[string]int{"/status": ok, "/pools": ok, "/workers": ok, "/ends": ok, "/explain?pool=first&who=a": http.StatusServiceUnavailable, "/failing": http.StatusServiceUnavailable} {
		status, body := r.get(t, path)
		if status != want {
			t.Errorf("no pool answers, %s: %d %s", path, status, body)
		}
		against.asDescribed(t, path, status, body)
	}
}

// Whoever comes no further than to the gate in front of the API is answered as openapi.json says, too.
func TestRefusalsAreAsDescribed(t *testing.T) {
	t.Parallel()
	r, against := newRig(t, 0), newHeld(t)
	refused := func(method, path string) {
		t.Helper()
		for _, status := range []int{http.StatusUnauthorized, http.StatusTooManyRequests} {
			w := httptest.NewRecorder()
			Refuse(w, httptest.NewRequest(method, Prefix+path, http.NoBody), status, "why")
			if w.Code != status {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
			against.asDescribedOf(t, method, path, w.Code, w.Body.Bytes())
		}
	}
	for _, one := range r.routes() {
		refused(http.MethodGet, one.path)
	}
	for _, one := range r.steered() {
		refused(http.MethodPost, one.path)
	}
}

// sampled adds a point to the last hour in which the first pool has changed.
func (r *rig) sampled(t *testing.T, change func(*stream.Snapshot)) {
	t.Helper()
	at := time.Now().Add(-step)
	for range 2 {
		m := r.moments.ask()
		m.at = at
		r.hour.add(m)
		at = at.Add(step)
		r.first.Change(change)
	}
}

// held holds answers against openapi.json.
type held struct {
	doc    *openapi3.T
	router routers.Router
}

func newHeld(t *testing.T) *held {
	t.Helper()
	h := &held{doc: described(t)}
	var err error
	if h.router, err = gorillamux.NewRouter(h.doc); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *held) asDescribed(t *testing.T, path string, status int, body []byte) {
	t.Helper()
	h.asDescribedOf(t, http.MethodGet, path, status, body)
}

func (h *held) asDescribedOf(t *testing.T, method, path string, status int, body []byte) {
	t.Helper()
	request := httptest.NewRequest(method, Prefix+path, nil)
	route, parameters, err := h.router.FindRoute(request)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, PathParams: parameters, Route: route},
		Status:                 status, Header: http.Header{"Content-Type": {"application/json"}},
		Body:    io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		t.Errorf("%s: %v\n%s", path, err, body)
	}
}

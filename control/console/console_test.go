package console

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/control/api"
	"github.com/streamq/streamq-proxy/control/api/apitest"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// hostile is a name that wants to be more than text: markup, a line end, an escape sequence, and
// a change of the direction of writing.
const hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\n\x1b[31m\u202eevil"

type rig struct {
	*Console
	told *api.Server
	pool *apitest.Pool
	web  *httptest.Server
}

func newRig(t *testing.T, clients int) *rig {
	t.Helper()
	r := &rig{pool: apitest.New("orders")}
	r.pool.Crowd(clients, 7)
	r.told = api.New(api.Config{Pools: []api.Pool{r.pool}, Version: wire.Version{Version: "v9"}})
	var err error
	if r.Console, err = New(r.told); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	r.told.Register(mux)
	r.Register(mux)
	mux.HandleFunc("GET /metrics", func(http.ResponseWriter, *http.Request) {})
	r.web = httptest.NewServer(mux)
	t.Cleanup(r.web.Close)
	return r
}

func (r *rig) get(t *testing.T, path string) (*http.Response, string) {
	t.Helper()
	answer, err := http.Get(r.web.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

// What no page may have, since the policy would stop it and a reader wonder.
var inline = regexp.MustCompile(`(?i)<script(?:>| [^>]*>[^<])|<style| style=| on[a-z]+=|javascript:|<(?:script|link|img|iframe)[^>]*https?://`)

// Every page is whole without JavaScript, and whatever a peer is called is text in it.
func TestPages(t *testing.T) {
	t.Parallel()
	r := newRig(t, 30)
	r.pool.Rename(0, hostile, hostile)
	r.pool.Rename(1, hostile, "w1")
	r.pool.Change(func(s *stream.Snapshot) {
		s.Workers[0].Name, s.Workers[0].Outlier = hostile, true
		s.Stats.Ended[pairing.NotZMTP] = 4
		s.Handshakes.Times[stream.MechanismCURVE].Observe(time.Millisecond)
		s.Handshakes.Failed[pairing.RefusedByWorker][3] = 2
	})
	r.pool.SetFailing(stream.FailingList{All: 1, Worst: []pairing.Failing{{Address: "10.9.9.9", Reason: pairing.NotZMTP, Count: 4, Hint: hostile}}})
	for path, want := range map[string][]string{
		"/":           {"orders", "<svg", "The last hour", "30"},
		"/workers":    {"outlier", "w1", "\\u202e"},
		"/clients":    {"10.1.0.3:40003", "user-000010", "\\u001b", `aria-sort="none"`},
		"/pairs":      {"10.1.0.3:40003", "policy"},
		"/ends":       {"not-zmtp", "10.9.9.9", "\\u202e"},
		"/handshakes": {"CURVE", "refused-by-worker"},
		"/pair?" + url.Values{"pool": {"orders"}, "who": {hostile}}.Encode(): {"CURVE", "12.1 KiB", "was passed over: unknown", "300 µs"},
		"/clients?sort=-age&q=user": {`aria-sort="descending"`, "user-000010"},
		"/clients?q=nobody":         {"There is no such client."},
	} {
		answer, body := r.get(t, path)
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Security-Policy") != policy || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %s %v", path, answer.Status, answer.Header)
		}
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s has no %q:\n%s", path, w, body)
			}
		}
		// What is left of a name that is text has no angle bracket of its own.
		if found := inline.FindString(strings.ReplaceAll(body, "onerror=alert", "")); found != "" {
			t.Errorf("%s has %q", path, found)
		}
		for _, bad := range []string{"<script>alert", "<img", "\x1b", "\u202e"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s: what a peer is called is not text: %q", path, bad)
			}
		}
	}
}

// What is asked wrongly is answered with a page that says so, with the status of the API.
func TestRefusedPages(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3)
	for path, want := range map[string]int{
		"/clients?sort=x": http.StatusBadRequest, "/pairs?limit=x": http.StatusBadRequest, "/workers?pool=x": http.StatusNotFound,
		"/pair?who=nobody": http.StatusNotFound, "/pair": http.StatusBadRequest, "/clients?q=" + strings.Repeat("x", 300): http.StatusBadRequest,
	} {
		answer, body := r.get(t, path)
		if answer.StatusCode != want || !strings.Contains(body, "To the overview") || answer.Header.Get("Content-Security-Policy") != policy {
			t.Errorf("%s: %s\n%s", path, answer.Status, body)
		}
	}
	for _, path := range []string{"/x", "/static/", "/static/..%2fconsole.go", "/static/layout.html", "/workers/x"} {
		if answer, _ := r.get(t, path); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
}

var link = regexp.MustCompile(`(?:href|src)="(/[^"]*)"`)

// Every link of every page leads to something, and so on from there.
func TestLinksLead(t *testing.T) {
	t.Parallel()
	r := newRig(t, 250)
	seen, next := map[string]bool{}, []string{"/", "/clients", "/pairs?sort=-age"}
	for len(next) > 0 && len(seen) < 120 {
		path := next[0]
		next = next[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		if strings.HasPrefix(path, "/pair?") && len(seen) > 60 {
			continue // there are as many as clients
		}
		answer, body := r.get(t, path)
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, answer.Status)
		}
		if !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
			continue
		}
		for _, found := range link.FindAllStringSubmatch(body, -1) {
			next = append(next, strings.ReplaceAll(found[1], "&amp;", "&"))
		}
	}
	if len(seen) < 100 {
		t.Errorf("only %d links were found", len(seen))
	}
}

// A page that many look at is made once a moment.
func TestPageIsMadeOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3)
	times := 0
	made := func() ([]byte, error) {
		times++
		return []byte("x"), nil
	}
	for range 100 {
		if b, err := r.recent("k", made); err != nil || string(b) != "x" {
			t.Fatal(err)
		}
	}
	if times != 1 {
		t.Errorf("%d times", times)
	}
	for i := range 2 * pagesKept {
		if _, err := r.recent(fmt.Sprint(i), made); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.made.Len(); n > pagesKept {
		t.Errorf("%d pages are kept", n)
	}
}

// However many workers there are, the picture has a few rows, and as many pairs.
func TestFlowIsBounded(t *testing.T) {
	t.Parallel()
	var all []api.WorkerRow
	var pools []api.PoolRow
	for p := range 20 {
		row := api.PoolRow{}
		row.Pool, row.Pairs = fmt.Sprintf("p%d", p), 1000
		pools = append(pools, row)
		for i := range 50 {
			w := api.WorkerRow{Pool: row.Pool}
			w.Worker, w.Pairs = fmt.Sprintf("w%d", i), 20
			all = append(all, w)
		}
	}
	f := newFlow(pools, all, 20_000)
	if len(f.Boxes) != 1+flowPools*(1+flowWorkers) || f.Height != flowPools*flowWorkers*flowRow {
		t.Errorf("%d boxes, %d high", len(f.Boxes), f.Height)
	}
	if got := f.Boxes[flowWorkers].Text; got != "41 others  820" {
		t.Errorf("%q", got)
	}
	if empty := newFlow(nil, nil, 0); len(empty.Boxes) != 1 {
		t.Errorf("%+v", empty)
	}
}

// A curve begins an hour before its end, and has few points.
func TestChart(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var points []api.Point
	for i := range 720 {
		points = append(points, api.Point{Time: now.Add(time.Duration(i-719) * 5 * time.Second), Pairs: i})
	}
	c := charts(points)[0]
	if n := len(strings.Fields(c.Lines[0].Points)); n != chartPoints {
		t.Errorf("%d points", n)
	}
	if c.Top != "719" || !strings.HasSuffix(c.Lines[0].Points, "600.0,0.0") || !strings.Contains(c.Label, "pairs now 719") {
		t.Errorf("%+v", c)
	}
	if c := charts(points[:1])[0]; c.Lines[0].Points != "" { // of nothing but zeros there is no curve
		t.Errorf("%+v", c)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"1.50 KiB": size(1536), "0 B": size(uint64(0)), "1,234,567": count(1_234_567), "12.5": count(12.5), "300 µs": took(0.0003), "–": took(0),
		"2.50 s": took(2.5), "33.3 %": percent(1.0 / 3), "1h 01m": age(3661), "2d 01h": age(2*86400 + 3600), "59.9s": age(59.96), "a\\u000ab": shown("a\nb"), "é\\u200e": shown("é\u200e"),
	} {
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

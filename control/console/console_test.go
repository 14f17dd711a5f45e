package console

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/control"
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
	told   *api.Server
	pool   *apitest.Pool
	web    *httptest.Server
	shared atomic.Pointer[wire.SharedInfo]

	mutex   sync.Mutex
	grafana string
	admins  []string
	done    []string // verbs that were executed, with their forms
}

// steers is who may steer from now on.
func (r *rig) steers(names ...string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.admins = names
}

// steering does nothing but note it: package control has tests of what is done.
func (r *rig) steering() *api.Steering {
	return &api.Steering{
		Admins: func() []string {
			r.mutex.Lock()
			defer r.mutex.Unlock()
			return r.admins
		},
		Do: func(_ context.Context, from control.Guest, verb string, form url.Values, _ error) wire.Reply {
			if from.Level < wire.Operator {
				return wire.Reply{Code: wire.Forbidden, Text: from.Reason}
			}
			r.mutex.Lock()
			defer r.mutex.Unlock()
			r.done = append(r.done, verb+" "+form.Encode())
			reply, _ := wire.NewReply(wire.Accepted, wire.Kicked{Clients: []wire.ClientInfo{{Client: "10.1.0.3:40003", Identity: hostile}}})
			return reply
		},
	}
}

func newRig(t *testing.T, clients int) *rig {
	t.Helper()
	r := &rig{pool: apitest.New("orders")}
	r.pool.Crowd(clients, 7)
	r.told = api.New(api.Config{Pools: []api.Pool{r.pool}, Version: wire.Version{Version: "v9"}, Steering: r.steering(), Shared: r.shared.Load})
	var err error
	if r.Console, err = New(r.told, func() string {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		return r.grafana
	}); err != nil {
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
		"/workers?sort=-served":     {`aria-sort="descending"`, "w1"},
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
		"/clients?sort=x": http.StatusBadRequest, "/workers?sort=x": http.StatusBadRequest, "/pairs?limit=x": http.StatusBadRequest, "/workers?pool=x": http.StatusNotFound,
		"/pair?who=nobody": http.StatusNotFound, "/pair": http.StatusBadRequest, "/clients?q=" + strings.Repeat("x", 300): http.StatusBadRequest,
	} {
		answer, body := r.get(t, path)
		if answer.StatusCode != want || !strings.Contains(body, "To the overview") || answer.Header.Get("Content-Security-Policy") != policy {
			t.Errorf("%s: %s\n%s", path, answer.Status, body)
		}
		if strings.Count(body, strconv.Itoa(want)) != 1 {
			t.Errorf("%s: the page says %d not once:\n%s", path, want, body)
		}
	}
	for _, path := range []string{"/x", "/static/", "/static/..%2fconsole.go", "/static/layout.html", "/workers/x"} {
		if answer, _ := r.get(t, path); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
}

var link = regexp.MustCompile(`(?:href|src|action)="([^"]*)"`)

// Grafana is one click away: where the setting says it is, or else the dashboard's file.
func TestLinkToGrafana(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	if _, body := r.get(t, "/"); !strings.Contains(body, `/deploy/grafana/streamq-proxy.json" rel="noreferrer">Grafana dashboard</a>`) {
		t.Error(body)
	}
	r.mutex.Lock()
	r.grafana = "https://grafana.example/d/streamq-proxy?x=1&y=2"
	r.mutex.Unlock()
	for _, path := range []string{"/workers", "/pair?who=nobody"} {
		if _, body := r.get(t, path); !strings.Contains(body, `<a href="https://grafana.example/d/streamq-proxy?x=1&amp;y=2" rel="noreferrer">Grafana</a>`) || strings.Contains(body, "/deploy/grafana") {
			t.Errorf("%s:\n%s", path, body)
		}
	}
}

// Every link of every page leads to something, and so on from there, also where a reverse proxy has the
// console under a path of its own: of that the pages know nothing.
func TestLinksLead(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "/ops/streamq"} {
		t.Run("under "+prefix, func(t *testing.T) {
			t.Parallel()
			linksLead(t, prefix)
		})
	}
}

func linksLead(t *testing.T, prefix string) {
	r := newRig(t, 250)
	r.steers(api.Everybody)
	if prefix != "" {
		r.web.Config.Handler = http.StripPrefix(prefix, r.web.Config.Handler)
	}
	seen, next := map[string]bool{}, []string{prefix + "/", prefix + "/clients", prefix + "/pairs?sort=-age", prefix + "/workers?sort=x", prefix + "/steer/drain"}
	for len(next) > 0 && len(seen) < 120 {
		path := next[0]
		next = next[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		if strings.HasPrefix(path, prefix+"/pair?") && len(seen) > 60 {
			continue // there are as many as clients
		}
		answer, body := r.get(t, path)
		if answer.StatusCode != http.StatusOK && !strings.HasSuffix(path, "sort=x") {
			t.Errorf("%s: %s", path, answer.Status)
		}
		if !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
			continue
		}
		next = append(next, linksOf(t, prefix, answer.Request.URL, body)...)
	}
	if len(seen) < 100 {
		t.Errorf("only %d links were found", len(seen))
	}
	steered, err := http.PostForm(r.web.URL+prefix+"/steer/pause", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer steered.Body.Close()
	body, err := io.ReadAll(steered.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range linksOf(t, prefix, steered.Request.URL, string(body)) {
		if answer, _ := r.get(t, path); answer.StatusCode != http.StatusOK {
			t.Errorf("%s, of the page that follows a form: %s", path, answer.Status)
		}
	}
}

// linksOf are where the links of a page lead on its own server.
func linksOf(t *testing.T, prefix string, at *url.URL, body string) (all []string) {
	t.Helper()
	for _, found := range link.FindAllStringSubmatch(body, -1) {
		to, err := at.Parse(strings.ReplaceAll(found[1], "&amp;", "&"))
		switch {
		case err != nil:
			t.Errorf("%s has %s: %v", at, found[0], err)
		case to.Host != at.Host: // documents
		case !strings.HasPrefix(to.Path, prefix+"/"):
			t.Errorf("%s has %s, which leads to %s", at, found[0], to.Path)
		default:
			all = append(all, to.RequestURI())
		}
	}
	return all
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

// Who may steer finds buttons, and nobody else does, however lately the page was made for another.
func TestButtonsAreForWhoMaySteer(t *testing.T) {
	t.Parallel()
	r := newRig(t, 30)
	pages := []string{"/", "/workers", "/pair?pool=orders&who=user-000010"}
	for _, admins := range [][]string{nil, {api.Everybody}, {"alice"}, {api.Everybody}, nil} {
		r.steers(admins...)
		for _, path := range pages {
			_, body := r.get(t, path)
			if may := len(admins) > 0 && admins[0] == api.Everybody; strings.Contains(body, `action="steer/`) != may {
				t.Errorf("%s, steered by %q: %v", path, admins, !may)
			}
		}
	}
}

// A proxy that shares a store with others has buttons that steer at all of them, and says where it was said that a worker drains.
func TestButtonsForAllProxies(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3)
	r.steers(api.Everybody)
	r.pool.Change(func(s *stream.Snapshot) {
		said := pairing.Said{Stamp: pairing.Stamp{At: time.Now().Add(-time.Hour).UnixMilli(), By: hostile}, Value: int(pairing.Draining), Everywhere: true}
		s.Workers[0].Everywhere = []pairing.Steering{{Worker: s.Workers[0].Name, Register: pairing.RegisterState, Said: said}}
	})
	for i, together := range []*wire.SharedInfo{nil, {State: "up"}, nil} {
		r.shared.Store(together)
		_, body := r.get(t, fmt.Sprint("/workers?limit=", 10+i)) // of the same page there is a copy
		if n := strings.Count(body, "at all proxies"); n > 0 != (together != nil) {
			t.Errorf("with %+v: %d buttons", together, n)
		}
		if !strings.Contains(body, "said everywhere at <bdi>") || strings.Contains(body, hostile) {
			t.Errorf("it does not say where it was said, or says it as it is: %s", body)
		}
	}
}

// A form without JavaScript does what its button says, and the page that follows tells how it went; names in it are text.
func TestFormsSteer(t *testing.T) {
	t.Parallel()
	r := newRig(t, 30)
	post := func(path, form string) (int, string) {
		answer, err := http.Post(r.web.URL+path, "application/x-www-form-urlencoded", strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Header.Get("Content-Security-Policy") != policy {
			t.Errorf("%s: %v", path, answer.Header)
		}
		return answer.StatusCode, string(body)
	}
	if status, body := post("/steer/drain", "worker=w1"); status != http.StatusForbidden || !strings.Contains(body, "403") || !strings.Contains(body, "the setting http-admin says by whom") {
		t.Errorf("%d %s", status, body)
	}
	r.steers(api.Everybody)
	form := url.Values{"what": {"client"}, "which": {hostile}}.Encode()
	status, body := post("/steer/kick", form)
	if status != http.StatusAccepted || !strings.Contains(body, "202") || !strings.Contains(body, "\\u202e") {
		t.Errorf("%d %s", status, body)
	}
	for _, bad := range []string{"<script>alert", "<img", "\x1b", "\u202e"} {
		if strings.Contains(body, bad) {
			t.Errorf("a name is not text: %q", bad)
		}
	}
	if want := []string{"KICK " + form}; !slices.Equal(r.done, want) {
		t.Errorf("%q, want %q", r.done, want)
	}
	if answer, body := r.get(t, "/steer/drain?worker=w1"); answer.StatusCode != http.StatusOK || answer.Request.URL.Path != "/workers" || len(r.done) != 1 {
		t.Errorf("a link steers, or leads nowhere: %s %s %q %.200s", answer.Status, answer.Request.URL, r.done, body)
	}
}

var formed = regexp.MustCompile(`(?s)<form method="post".*?</form>`)

// Whatever a form says is an argument of the verb that its button sends it to.
func TestFormsSayWhatVerbsTake(t *testing.T) {
	t.Parallel()
	r := newRig(t, 30)
	r.steers(api.Everybody)
	seen := map[string]bool{}
	for _, path := range []string{"/", "/workers", "/pair?pool=orders&who=user-000010"} {
		_, body := r.get(t, path)
		for _, form := range formed.FindAllString(body, -1) {
			for _, to := range regexp.MustCompile(`action="steer/([a-z]+)"`).FindAllStringSubmatch(form, -1) {
				verb := control.VerbOf(strings.ToUpper(to[1]))
				if verb == nil || !verb.Web {
					t.Fatalf("%s: %s", path, form)
				}
				seen[verb.Name] = true
				must, may := verb.Fields()
				for _, field := range must {
					if !strings.Contains(form, `name="`+field+`"`) {
						t.Errorf("%s lacks %s: %s", verb.Name, field, form)
					}
				}
				for _, field := range regexp.MustCompile(` name="([a-z]+)"`).FindAllStringSubmatch(form, -1) {
					if !slices.Contains(append(must, may...), field[1]) {
						t.Errorf("%s takes no %s: %s", verb.Name, field[1], form)
					}
				}
			}
		}
	}
	for _, v := range control.WebVerbs() {
		if !seen[v.Name] {
			t.Errorf("no button says %s", v.Name)
		}
	}
}

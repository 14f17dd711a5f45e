//go:build browser

package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/pebbe/zmq4"
	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/crypto/bcrypt"

	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/control/api"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// house has a pool that is one, with workers and clients at work, and a console with a password.
type house struct {
	pool     *stream.Pool
	url      string // as alice
	ctx      context.Context
	all      sync.WaitGroup // what runs until ctx ends
	peers    *zmq4.Context
	admins   atomic.Pointer[[]string]
	answered atomic.Int64 // round trips
	log      lockedText
}

// lockedText is a log.
type lockedText struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (l *lockedText) Write(b []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(b)
}

func (l *lockedText) has(t *testing.T, text string) {
	t.Helper()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if !strings.Contains(l.text.String(), text) {
		t.Errorf("nothing in the log has %q:\n%s", text, l.text.String())
	}
}

// What is called so, as far as a name may be printed: the proxy takes no other.
const (
	hostileWorker   = `<img src=x onerror=alert(1)>"'&`
	hostileIdentity = `</td><script>alert(2)</script>`
)

// newHouse starts everything; the end of the test ends it.
func newHouse(t *testing.T, clients int) *house {
	t.Helper()
	r := &house{}
	r.admins.Store(&[]string{"alice"})
	var end context.CancelFunc
	r.ctx, end = context.WithCancel(context.Background())
	var err error
	if r.peers, err = zmq4.NewContext(); err != nil {
		t.Fatal(err)
	}
	events := api.NewEvents()
	cfg := stream.DefaultConfig()
	cfg.Name, cfg.Frontend, cfg.Events = "orders", []string{"tcp://127.0.0.1:0"}, events.Record
	for _, name := range []string{"w1", hostileWorker} {
		cfg.Workers = append(cfg.Workers, pairing.WorkerConfig{Name: name, Endpoint: r.listening(t)})
	}
	zctx, err := stream.NewContext(1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if r.pool, err = stream.Open(zctx, cfg); err != nil {
		t.Fatal(err)
	}
	r.all.Go(func() {
		if err := r.pool.Run(r.ctx); err != nil {
			t.Error(err)
		}
	})
	frontend, _ := r.pool.Bound()
	server := r.serve(t, events)
	for range clients {
		r.all.Go(func() { r.ask(t, frontend[0]) })
	}
	t.Cleanup(func() {
		_ = server.Close()
		end()
		r.all.Wait()
		if err := errors.Join(zctx.Close(), r.peers.Term()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// listening is the endpoint of a worker that says what it hears.
func (r *house) listening(t *testing.T) string {
	t.Helper()
	s, err := r.peers.NewSocket(zmq4.REP)
	if err == nil {
		err = errors.Join(s.SetLinger(0), s.SetRcvtimeo(20*time.Millisecond), s.Bind("tcp://127.0.0.1:*"))
	}
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := s.GetLastEndpoint()
	if err != nil {
		t.Fatal(err)
	}
	r.all.Go(func() {
		defer s.Close()
		for r.ctx.Err() == nil {
			if m, err := s.RecvMessageBytes(0); err == nil {
				_, _ = s.SendMessage(m) // the client may have gone
			}
		}
	})
	return endpoint
}

// ask has a client go on with round trips. One whose pair has ended comes again.
func (r *house) ask(t *testing.T, to string) {
	for r.ctx.Err() == nil {
		s, err := r.peers.NewSocket(zmq4.REQ)
		if err == nil {
			err = errors.Join(s.SetLinger(0), s.SetRcvtimeo(20*time.Millisecond), s.Connect(to))
		}
		for err == nil && r.ctx.Err() == nil {
			if _, err = s.SendMessage("x"); err != nil {
				break
			}
			if err = hear(r.ctx, s); err == nil {
				r.answered.Add(1)
				time.Sleep(time.Millisecond) // so that the browser has a turn
			}
		}
		if s == nil {
			t.Error(err)
			return
		}
		_ = s.Close()
	}
}

// hear waits for an answer; that of a pair that was ended never comes.
func hear(ctx context.Context, s *zmq4.Socket) (err error) {
	for end := time.Now().Add(5 * time.Second); ctx.Err() == nil && time.Now().Before(end); {
		if _, err = s.RecvMessage(0); err == nil {
			return nil
		}
	}
	return err
}

// serve has the console served as the program does, with a user.
func (r *house) serve(t *testing.T, events *api.Events) *http.Server {
	t.Helper()
	steward, err := control.NewSteward(control.Proxy{Pools: []*stream.Pool{r.pool}}, slog.New(slog.NewTextHandler(&r.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	told := api.New(api.Config{Pools: []api.Pool{r.pool}, Version: wire.Version{Version: "v9"}, Events: events, Steering: &api.Steering{
		User:   func(r *http.Request) string { name, _, _ := r.BasicAuth(); return name }, // who comes so far is one
		Admins: func() []string { return *r.admins.Load() },
		Do:     steward.Do,
	}})
	r.all.Go(func() { told.Run(r.ctx) })
	seen, err := New(told, nil)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	told.Register(mux)
	seen.Register(mux)
	users := filepath.Join(t.TempDir(), "web.yml")
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err == nil {
		err = os.WriteFile(users, fmt.Appendf(nil, "basic_auth_users: {alice: %s}\n", hash), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	r.all.Go(func() {
		if err := web.Serve(l, server, &web.FlagConfig{WebConfigFile: &users}, slog.New(slog.DiscardHandler)); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	r.url = "http://alice:secret@" + l.Addr().String()
	return server
}

// state is a worker's.
func (r *house) state(t *testing.T, worker string) string {
	t.Helper()
	s, err := r.pool.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range s.Workers {
		if w.Name == worker {
			return w.State.String()
		}
	}
	t.Fatalf("no %s", worker)
	return ""
}

// comes waits for a worker to have a state.
func (r *house) comes(t *testing.T, worker, state string) {
	t.Helper()
	for end := time.Now().Add(patience); r.state(t, worker) != state; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s is %s, not %s", worker, r.state(t, worker), state)
		}
	}
}

// button is that of a worker's row, by what a screen reader calls it. The last worker's name is hostile and comes first.
func button(what, worker string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("button")].find(b => b.ariaLabel === %q)`, what+" "+worker)
}

// press clicks a button that has come.
func (b *browser) press(t *testing.T, what, worker string) {
	t.Helper()
	b.until(t, what+" can be pressed", button(what, worker)+" !== undefined")
	eval[bool](t, b, button(what, worker)+".click() || true")
}

// A drain and an enable by click, on a proxy with pairs at work, with JavaScript and without; who lost the right meanwhile
// is refused, and so is who never had it. Whatever peers are called is text.
func TestBrowserSteersAProxy(t *testing.T) {
	r, b := newHouse(t, 8), newBrowser(t)
	if err := r.pool.Hint(t.Context(), pairing.Hint{Identity: hostileIdentity, Address: "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}

	b.do(t, chromedp.Navigate(r.url+"/"))
	b.until(t, "live with eight pairs", `document.getElementById("state").textContent === "Live." && document.querySelector(".flow").textContent.includes("8 clients")`)
	before := r.answered.Load()

	b.do(t, chromedp.Navigate(r.url+"/workers"))
	b.press(t, "Drain", hostileWorker)
	b.until(t, "it is told", `document.querySelector(".done").textContent.startsWith("DRAIN")`)
	r.comes(t, hostileWorker, "draining")
	r.log.has(t, `msg="steered over HTTP" verb=DRAIN`)
	b.shoot(t, filepath.Join(screenshots, "steered.png"))
	b.check(t, "steered")
	b.do(t, chromedp.Navigate(r.url+"/workers"))
	b.until(t, "it is shown", `document.querySelector("tbody .state.draining") !== null`)
	b.shoot(t, filepath.Join(screenshots, "steering.png"))

	// The right is taken away while the page with the buttons is open.
	r.admins.Store(&[]string{"carol"})
	b.press(t, "Enable", hostileWorker)
	b.until(t, "it is refused", `document.querySelector(".problem").textContent.includes("403") && document.querySelector(".problem").textContent.includes("http-admin does not name you")`)
	if got := r.state(t, hostileWorker); got != "draining" {
		t.Errorf("it is %s", got)
	}
	r.log.has(t, "code=403")
	b.check(t, "refused")
	b.do(t, chromedp.Navigate(r.url+"/workers"))
	b.until(t, "there are no buttons any more", `document.querySelector("tbody tr") !== null && document.querySelector("form[method=post]") === null`)

	// Without JavaScript it is the same.
	r.admins.Store(&[]string{"alice"})
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	b.do(t, chromedp.Navigate(r.url+"/workers"))
	b.do(t, chromedp.Click(chromedp.CSS(`tbody tr:first-child button[formaction="steer/enable"]`)))
	r.comes(t, hostileWorker, "ready")
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{}); err != nil {
		t.Fatal(err)
	}

	// One client: why it has its worker, and its end by click. It comes again.
	b.do(t, chromedp.Navigate(r.url+"/clients"))
	b.do(t, chromedp.Click(chromedp.CSS("tbody a")))
	b.until(t, "its handshake is shown", `document.title.startsWith("Client") && document.body.textContent.includes("NULL, ZMTP 3")`)
	b.do(t, chromedp.Click(chromedp.CSS(`button[aria-label^="End"]`)))
	b.until(t, "it was ended", `document.querySelector(".done").textContent.startsWith("KICK")`)
	r.log.has(t, "verb=KICK")
	b.do(t, chromedp.Navigate(r.url+"/ends"))
	b.until(t, "why it ended", `document.body.textContent.includes("kicked")`)

	if eval[bool](t, b, `document.querySelector("main img, main script, main [onerror]") !== null`) {
		t.Error("a name is markup")
	}
	for end := time.Now().Add(patience); r.answered.Load() < before+1000; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the pairs do not go on")
		}
	}
	b.quiet(t, r.url, "status of 403")
}

// A form of another site's page does nothing, although the browser knows the password.
func TestBrowserRefusesAnotherSitesForm(t *testing.T) {
	r, b := newHouse(t, 1), newBrowser(t)
	b.do(t, chromedp.Navigate(r.url+"/workers")) // so that it knows it
	b.until(t, "the buttons are there", `document.querySelector("form[method=post]") !== null`)
	to := "http://" + strings.SplitAfter(r.url, "@")[1] + "/steer/drain"
	other := newPage(t, `<form id=f method=post action="`+to+`"><input name=worker value=w1><button>x</button></form>`)
	b.do(t, chromedp.Navigate(other), chromedp.Click(chromedp.CSS("button")))
	b.until(t, "it is refused", `document.querySelector(".problem").textContent.includes("403")`)
	if got := r.state(t, "w1"); got != "ready" {
		t.Errorf("it is %s", got)
	}
	r.log.has(t, "a page of another origin asked for it")
}

// Behind a reverse proxy that has the console under a path, and calls it by another name: what is live lives, and a click steers.
// A browser that does not say that the form is of the same site, as over plain HTTP under a name, is believed where the
// reverse proxy leaves Host as it was, and nowhere else.
func TestBrowserBehindAReverseProxy(t *testing.T) {
	r, b := newHouse(t, 4), newBrowser(t)
	behind, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		host        string // how the reverse proxy calls the console, "" as the browser does
		says, steer bool   // whether the browser says where a form is from; whether it may
	}{
		{"127.0.0.1:9555", true, true}, {"", true, true}, {"", false, true}, {"127.0.0.1:9555", false, false},
	} {
		front := newFront(t, behind, tc.host, tc.says)
		b.do(t, chromedp.Navigate(front+"/ops/streamq/"))
		b.until(t, "it is live with four pairs", `document.getElementById("state").textContent === "Live." && document.querySelector(".flow").textContent.includes("4 clients")`)
		b.do(t, chromedp.Click(chromedp.CSS(`nav a[href="./workers"]`)))
		b.press(t, "Drain", "w1")
		if !tc.steer {
			b.until(t, "it is refused", `document.querySelector(".problem").textContent.includes("does not leave Host")`)
			break
		}
		b.until(t, "it is told", `document.querySelector(".done").textContent.startsWith("DRAIN")`)
		r.comes(t, "w1", "draining")
		b.do(t, chromedp.Click(chromedp.CSS(`main a[href="../workers"]`)))
		b.press(t, "Enable", "w1")
		r.comes(t, "w1", "ready")
	}
	if got := r.state(t, "w1"); got != "ready" {
		t.Errorf("it is %s", got)
	}
}

// newFront is the address of a reverse proxy that has a server under /ops/streamq.
func newFront(t *testing.T, behind *url.URL, host string, says bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	password, _ := behind.User.Password()
	forward := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.Out.URL.Scheme, p.Out.URL.Host = behind.Scheme, behind.Host
		p.SetXForwarded()
		if p.Out.Host = p.In.Host; host != "" {
			p.Out.Host = host
		}
		if !says {
			p.Out.Header.Del("Sec-Fetch-Site")
		}
		p.Out.SetBasicAuth(behind.User.Username(), password)
	}}
	server := &http.Server{Handler: http.StripPrefix("/ops/streamq", forward)}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + l.Addr().String()
}

// newPage is the address of a page at another origin.
func newPage(t *testing.T, body string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!DOCTYPE html><title>another</title>" + body))
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + l.Addr().String()
}

//go:build browser

package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/streamq/streamq-proxy/control/api"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// Where what the tests need and make is, from this directory.
const (
	built       = "../../.build"
	axeFile     = built + "/browser/node_modules/axe-core/axe.min.js"
	screenshots = built + "/screenshots"
	picture     = "../../docs/console.png"
	// patience is how long a test waits for what a browser must show.
	patience = 30 * time.Second
)

// browser is a Chromium with one page. It notes what the page says on its console and
// whom it asks.
type browser struct {
	ctx   context.Context
	mutex sync.Mutex
	said  []string
	asked []string
}

// newBrowser starts one that ends with the test.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("Chromium is missing: tools/setup.sh browser installs it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU)
	allocator, end := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(end)
	b := &browser{}
	var cancel context.CancelFunc
	b.ctx, cancel = chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	b.ctx, cancel = context.WithTimeout(b.ctx, 8*time.Minute)
	t.Cleanup(cancel)
	messages := chromedp.Console(b.ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			b.mutex.Lock()
			b.said = append(b.said, m.String())
			b.mutex.Unlock()
		}
	}()
	requests := chromedp.Events(b.ctx, network.RequestWillBeSent)
	go func() {
		for e, err := range requests {
			if err != nil {
				return
			}
			b.mutex.Lock()
			b.asked = append(b.asked, e.Request.URL)
			b.mutex.Unlock()
		}
	}()
	return b
}

// do takes steps. What a live page replaces after it was found, and before anything was done to it, is found again.
func (b *browser) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	for _, step := range steps {
		end := time.Now().Add(patience)
		err := chromedp.Do(b.ctx, step)
		for err != nil && strings.Contains(err.Error(), "node with given id") && time.Now().Before(end) {
			err = chromedp.Do(b.ctx, step)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// eval is the value of an expression in the page.
func eval[T any](t *testing.T, b *browser, expression string) T {
	t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%.100s: %v", expression, err)
	}
	return v
}

// until waits for an expression to be true in the page.
func (b *browser) until(t *testing.T, what, expression string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		// While another page comes there may be nothing that the expression speaks of.
		is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("(() => { try { return "+expression+" } catch { return false } })()"))
		if err == nil && is {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v:\n%s", what, patience, eval[string](t, b, "document.body.innerText"))
		}
	}
}

// look sets the theme of the system and the size of the screen.
func (b *browser) look(t *testing.T, theme string, width, height int64) {
	t.Helper()
	b.do(t, chromedp.EmulateViewport(width, height))
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// quiet finds what the page has said on its console, but what is expected, and whom it has asked but its own server.
func (b *browser) quiet(t *testing.T, server string, expected ...string) {
	t.Helper()
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, s := range b.said {
		if !slices.ContainsFunc(expected, func(e string) bool { return strings.Contains(s, e) }) {
			t.Errorf("the page says: %s", s)
		}
	}
	if len(b.asked) == 0 {
		t.Error("nothing was asked: the test does not see it")
	}
	for _, asked := range b.asked {
		if !strings.HasPrefix(nameless(asked), nameless(server)+"/") {
			t.Errorf("the page asks %s", asked)
		}
	}
}

// nameless is an address without the name and password in it.
func nameless(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	u.User = nil
	return u.String()
}

// shoot keeps a picture of the page.
func (b *browser) shoot(t *testing.T, file string) {
	t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// check has axe-core find what keeps people from using the page.
func (b *browser) check(t *testing.T, name string) {
	t.Helper()
	axe, err := os.ReadFile(axeFile)
	if err != nil {
		t.Fatalf("axe-core is missing: tools/setup.sh browser fetches it: %v", err)
	}
	eval[bool](t, b, string(axe)+"\n;true")
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(
		{rules: r.testEngine.version, violations: r.violations.map(v => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.map(n => n.html + " " + n.failureSummary).slice(0, 3)}))}))`,
		chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	var result struct {
		Rules      string
		Violations []struct {
			ID, Impact, Help string
			Nodes            []string
		}
	}
	if err := json.Unmarshal([]byte(found), &result); err != nil || result.Rules == "" {
		t.Fatal(err, found)
	}
	for _, v := range result.Violations {
		t.Errorf("%s: %s (%s): %s\n%s", name, v.ID, v.Impact, v.Help, strings.Join(v.Nodes, "\n"))
	}
}

// running is a rig of a proxy on which something has happened, whose server tells what does.
func running(t *testing.T, clients int) *rig {
	t.Helper()
	r := newRig(t, clients)
	r.pool.Change(func(s *stream.Snapshot) {
		s.Stats.Ended[pairing.ClientClosed], s.Stats.Ended[pairing.RefusedByWorker] = 4000, 12
		s.Handshakes.Failed[pairing.RefusedByWorker][3] = 12
		for i := range 100 {
			s.Handshakes.Times[stream.MechanismCURVE].Observe(time.Duration(1000+30*i) * time.Microsecond)
		}
		s.Workers[3].State, s.Workers[5].State = pairing.Draining, pairing.SetAside
	})
	r.pool.SetFailing(stream.FailingList{All: 1, Worst: []pairing.Failing{{Address: "203.0.113.9", Reason: pairing.RefusedByWorker, Count: 12, Hint: "most likely the client has another server key than the worker's"}}})
	r.start(t)
	return r
}

// start has the server tell what happens, until the end of the test.
func (r *rig) start(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { r.told.Run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
}

// Each page in both themes and at two widths: nothing is said on the console, nobody else is
// asked, nothing is wider than the screen, and axe-core finds nothing.
func TestBrowserPages(t *testing.T) {
	r, b := running(t, 250), newBrowser(t)
	r.steers(api.Everybody) // whose pages have more on them
	r.pool.Rename(0, hostile, "w1")
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 360} {
			b.look(t, theme, width, 800)
			for name, path := range map[string]string{
				"overview": "/", "workers": "/workers", "clients": "/clients", "pairs": "/pairs?sort=-paired", "ends": "/ends",
				"handshakes": "/handshakes", "pair": "/pair?pool=orders&who=user-000010",
			} {
				called := fmt.Sprintf("%s-%s-%d", name, theme, width)
				b.do(t, chromedp.Navigate(r.web.URL+path))
				b.until(t, called+" is live", `document.getElementById("state").textContent === "Live."`)
				if wide := eval[int64](t, b, "document.documentElement.scrollWidth"); wide > width {
					t.Errorf("%s is %d wide", called, wide)
				}
				dark := eval[string](t, b, "getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
				if dark != (theme == "dark") {
					t.Errorf("%s: dark is %v", called, dark)
				}
				b.check(t, called)
				b.shoot(t, filepath.Join(screenshots, called+".png"))
			}
		}
	}
	b.quiet(t, r.web.URL)
}

// What changes in the proxy changes in the page, without it being loaded again; while it is
// paused it does not.
func TestBrowserIsLive(t *testing.T) {
	r, b := running(t, 10), newBrowser(t)
	b.do(t, chromedp.Navigate(r.web.URL+"/"))
	const pairs = `document.querySelector('[data-live="pools"] td:nth-of-type(4)').textContent`
	b.until(t, "ten pairs", pairs+` === "10"`)
	eval[bool](t, b, "window.same = true")
	r.pool.Crowd(1234, 7)
	b.until(t, "more pairs", pairs+` === "1,234"`)
	b.until(t, "the picture follows", `document.querySelector(".flow").textContent.includes("1234 clients")`)
	if !eval[bool](t, b, "window.same") {
		t.Error("the page was loaded again")
	}
	b.do(t, chromedp.Click(chromedp.CSS("#pause")))
	r.pool.Crowd(5, 7)
	seen := r.pool.Snapshots.Load()
	for end := time.Now().Add(patience); r.pool.Snapshots.Load() < seen+3; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the server tells nothing")
		}
	}
	if got := eval[string](t, b, pairs); got != "1,234" {
		t.Errorf("paused, and yet %s", got)
	}
	b.do(t, chromedp.Click(chromedp.CSS("#pause")))
	b.until(t, "it goes on", pairs+` === "5"`)
	// The theme that was chosen stays.
	b.look(t, "light", 1000, 700)
	b.do(t, chromedp.Click(chromedp.CSS("#theme")), chromedp.Click(chromedp.CSS("#theme")), chromedp.Navigate(r.web.URL+"/workers"))
	b.until(t, "it is dark", `getComputedStyle(document.body).backgroundColor === "rgb(18, 24, 30)"`)
	b.quiet(t, r.web.URL)
}

// One of 100,000 is found by typing, the list is sorted and its pages are turned by the keyboard alone.
func TestBrowserSearch(t *testing.T) {
	r, b := running(t, 100_000), newBrowser(t)
	b.do(t, chromedp.Navigate(r.web.URL+"/clients"), chromedp.SendKeys(chromedp.CSS("input[name=q]"), "USER-04242"+kb.Enter))
	b.until(t, "it is found", `document.querySelectorAll("tbody tr").length === 1 && document.querySelector("tbody").textContent.includes("user-042420")`)
	b.do(t, chromedp.Click(chromedp.CSS("tbody a")))
	b.until(t, "its page is shown", `document.title.startsWith("Client") && document.body.textContent.includes("CURVE")`)
	b.do(t, chromedp.Navigate(r.web.URL+"/pairs"), chromedp.SendKeys(chromedp.CSS("input[name=q]"), "user-09999"+kb.Enter))
	b.until(t, "its pair is found", `document.querySelectorAll("tbody tr").length === 1 && document.querySelector("tbody").textContent.includes("user-099990")`)
	b.do(t, chromedp.Navigate(r.web.URL+"/clients"))
	b.do(t, chromedp.Focus(chromedp.CSS("th:last-child a")), chromedp.KeyEvent(kb.Enter))
	b.until(t, "the youngest is first", `document.querySelector("th:last-child").ariaSort === "ascending" && document.querySelector("tbody .n").textContent === "0s"`)
	b.do(t, chromedp.Focus(chromedp.CSS("a[rel=next]")), chromedp.KeyEvent(kb.Enter))
	b.until(t, "the next page", `document.querySelector(".turn").textContent.includes("101 to 200 of 100,000")`)
	b.quiet(t, r.web.URL)
}

// What a peer is called is text in a browser, too: nothing of it runs or loads.
func TestBrowserHostileNames(t *testing.T) {
	r, b := running(t, 30), newBrowser(t)
	for i, name := range []string{hostile, "<svg onload=alert(3)>", "javascript:alert(4)", `"><a href="http://evil.example/">`, strings.Repeat("W", 5000)} {
		r.pool.Rename(i, name, name)
	}
	b.look(t, "light", 360, 800)
	for _, path := range []string{"/", "/clients", "/pairs"} {
		b.do(t, chromedp.Navigate(r.web.URL+path))
		b.until(t, "live", `document.getElementById("state").textContent === "Live."`)
		if eval[bool](t, b, `document.querySelector("main img, main script, main [onload], main a[href^='javascript'], main a[href*='//evil']") !== null`) {
			t.Errorf("%s has what a peer is called as markup", path)
		}
	}
	if text := eval[string](t, b, `document.querySelector("main").textContent`); !strings.Contains(text, `<script>alert(1)</script>`) || !strings.Contains(text, `\u202e`) {
		t.Error("the name is not shown")
	}
	b.do(t, chromedp.Navigate(r.web.URL+"/clients"), chromedp.Click(chromedp.CSS("tbody a")))
	b.until(t, "its page is shown", `document.title.startsWith("Client")`)
	b.quiet(t, r.web.URL)
}

// The picture of the documents.
func TestBrowserPicture(t *testing.T) {
	r, b := newRig(t, 1830), newBrowser(t)
	now := time.Now()
	for i := range 720 {
		r.pool.Change(func(s *stream.Snapshot) {
			s.Stats.ClientsTotal += uint64(40 + (i*37)%50)
			s.BytesIn += uint64(4e6 + 1e6*float64((i*13)%7))
			s.BytesOut += uint64(9e6 + 2e6*float64((i*17)%9))
			s.Stats.Waiting = (i * 7) % 5
			s.Stats.Open = 1500 + 300*(i%90)/90 + (i*31)%40
			for j := range 20 {
				s.Stats.Handshakes.Observe(time.Duration(900+40*((i*j)%17)) * time.Microsecond)
				s.Stats.Waits.Observe(time.Duration(60+9*((i+j)%13)) * time.Microsecond)
				s.Stats.DialsDone.Observe(time.Duration(120+20*((i*j)%11)) * time.Microsecond)
			}
		})
		r.told.Remember(now.Add(time.Duration(i-720) * 5 * time.Second))
	}
	r.start(t)
	b.look(t, "light", 1180, 900)
	b.do(t, chromedp.Navigate(r.web.URL+"/"))
	b.until(t, "live", `document.getElementById("state").textContent === "Live."`)
	b.shoot(t, picture)
	if f, err := os.Stat(picture); err != nil || f.Size() < 10_000 {
		t.Error(err)
	}
}

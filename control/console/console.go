package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"

	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/control/api"
)

//go:embed html static
var files embed.FS

const (
	// pageAge is how old a page may be that is shown to another browser.
	pageAge = 900 * time.Millisecond
	// pagesKept bounds those that are remembered.
	pagesKept = 32
	// makeTime is how long making one may take.
	makeTime = 5 * time.Second
	// policy lets nothing run, load or be sent but what this server has itself.
	policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// Console makes pages. It is safe for concurrent use.
type Console struct {
	told *api.Server
	// grafana says where the link to Grafana leads, "" for to the dashboard's file.
	grafana func() string
	pages   map[string]*template.Template
	tags    map[string]string // of static files, by name
	making  singleflight.Group
	mutex   sync.Mutex
	made    *simplelru.LRU[string, *made]
}

// made is a page.
type made struct {
	at   time.Time
	body []byte
}

// New makes a console that shows what a server tells, with a link to where Grafana is said to be; nil is
// nowhere. The error is in the templates.
func New(told *api.Server, grafana func() string) (*Console, error) {
	if grafana == nil {
		grafana = func() string { return "" }
	}
	c := &Console{told: told, grafana: grafana, pages: map[string]*template.Template{}, tags: map[string]string{}}
	var err error
	if c.made, err = simplelru.NewLRU[string, *made](pagesKept, nil); err != nil {
		return nil, err
	}
	for _, p := range pages {
		name := p.template
		if c.pages[name], err = template.New(name).Funcs(functions).ParseFS(files, "html/layout.html", "html/parts.html", "html/"+name+".html"); err != nil {
			return nil, err
		}
	}
	static, err := files.ReadDir("static")
	for _, f := range static {
		b, err := files.ReadFile("static/" + f.Name())
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(b)
		c.tags[f.Name()] = `"` + hex.EncodeToString(sum[:8]) + `"`
	}
	return c, err
}

// page is one kind of page.
type page struct {
	path, title, template string
	hidden                bool // from the navigation
	every                 int  // seconds from one look to the next
	show                  func(context.Context, *Console, asked) (any, error)
}

// asked is what a page is to show, and for whom.
type asked struct {
	url.Values
	admin bool // who may steer
}

var pages = []page{
	{path: "/", title: "Overview", template: "overview", every: 1, show: overview},
	{path: "/workers", title: "Workers", template: "workers", every: 1, show: workers},
	{path: "/clients", title: "Clients", template: "clients", every: 5, show: clients},
	{path: "/pairs", title: "Pairs", template: "pairs", every: 5, show: pairs},
	{path: "/ends", title: "Ends", template: "ends", every: 5, show: ends},
	{path: "/handshakes", title: "Handshakes", template: "handshakes", every: 5, show: handshakes},
	{path: "/pair", title: "Client", template: "pair", every: 1, hidden: true, show: pair},
	steeredPage,
	refusedPage,
}

var (
	steeredPage = page{title: "Steered", template: "steered", hidden: true}
	refusedPage = page{title: "Not shown", template: "refused", hidden: true}
)

// Register adds the pages to a mux.
func (c *Console) Register(mux *http.ServeMux) {
	for _, p := range pages {
		if p.show == nil {
			continue
		}
		at := p.path
		if at == "/" {
			at = "/{$}"
		}
		mux.Handle("GET "+at, c.told.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, &p) }), c.refuse))
	}
	for _, v := range control.WebVerbs() {
		// Who has the address of such a page opens it without a form: nothing is done again.
		mux.HandleFunc("GET "+steerPath(v.Name), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", below+"workers") // http.Redirect would have it from the root
			w.WriteHeader(http.StatusSeeOther)
		})
		mux.Handle("POST "+steerPath(v.Name), c.told.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.steer(w, r, &v) }), c.refuseBelow))
	}
	mux.Handle("GET /static/{name}", c.told.Guard(http.HandlerFunc(c.file), c.refuseBelow))
}

// below is where the console begins for a page that is one level down. Every link is relative: a reverse
// proxy may have put the console anywhere.
const below = "../"

// serve shows a page, which may have been made for somebody else a moment ago.
func (c *Console) serve(w http.ResponseWriter, r *http.Request, p *page) {
	q := asked{r.URL.Query(), api.MaySteer(r)}
	key := fmt.Sprintf("%s?%s#%v", p.path, q.Encode(), q.admin)
	body, err := c.recent(key, func() ([]byte, error) {
		ctx, cancel := context.WithTimeout(context.Background(), makeTime)
		defer cancel()
		shown, err := p.show(ctx, c, q)
		if err != nil {
			return nil, err
		}
		return c.make(ctx, p, shown)
	})
	if err != nil {
		c.refuse(w, err)
		return
	}
	answer(w, http.StatusOK, body)
}

func answer(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // there is nobody else to tell
}

// recent is a page that was made within the last moment, or is made now, once for all.
func (c *Console) recent(key string, render func() ([]byte, error)) ([]byte, error) {
	c.mutex.Lock()
	m, known := c.made.Get(key)
	c.mutex.Unlock()
	if known && time.Since(m.at) < pageAge {
		return m.body, nil
	}
	body, err, _ := c.making.Do(key, func() (any, error) {
		at := time.Now()
		body, err := render()
		if err == nil {
			c.mutex.Lock()
			c.made.Add(key, &made{at, body})
			c.mutex.Unlock()
		}
		return body, err
	})
	if err != nil {
		return nil, err
	}
	return body.([]byte), nil
}

// view is what the layout shows around a page.
type view struct {
	Title, Path string
	Root        string // where the console begins, from this page: "" or [below]
	Every       int
	Pages       []page
	Grafana     string
	Status      api.Status
	Body        any
}

// Link and Name are for the navigation. A link is from where the console begins.
func (p page) Link() string { return "." + p.path }

// Name is the page's title.
func (p page) Name() string { return p.title }

// Hidden says whether the navigation leaves it out.
func (p page) Hidden() bool { return p.hidden }

func (c *Console) make(ctx context.Context, p *page, shown any) ([]byte, error) {
	status, err := c.told.Status(ctx)
	if err != nil {
		return nil, err
	}
	return c.lay(p, view{Title: p.title, Path: p.Link(), Every: p.every, Status: status, Body: shown})
}

// lay puts the layout around a page.
func (c *Console) lay(p *page, v view) ([]byte, error) {
	v.Pages, v.Grafana = pages, c.grafana()
	var b bytes.Buffer
	err := c.pages[p.template].ExecuteTemplate(&b, "layout.html", v)
	return b.Bytes(), err
}

// refused is why a page is not shown.
type refused struct {
	api.Problem
	Root string
}

// refuse shows why a page is not shown.
func (c *Console) refuse(w http.ResponseWriter, err error) { c.refuseAt(w, err, "") }

// refuseBelow is refuse of a page that is one level down.
func (c *Console) refuseBelow(w http.ResponseWriter, err error) { c.refuseAt(w, err, below) }

func (c *Console) refuseAt(w http.ResponseWriter, err error, root string) {
	p := refused{api.ProblemOf(err), root}
	body, err := c.lay(&refusedPage, view{Title: refusedPage.title, Root: root, Body: p})
	if err != nil {
		http.Error(w, p.Error, p.Code)
		return
	}
	answer(w, p.Code, body)
}

// file serves the style sheet, the script and the icon.
func (c *Console) file(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	b, err := files.ReadFile(path.Join("static", name))
	if err != nil || c.tags[name] == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-cache") // but asked about: it changes with the program
	w.Header().Set("ETag", c.tags[name])
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(b))
}

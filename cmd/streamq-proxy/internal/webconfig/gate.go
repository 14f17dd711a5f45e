package webconfig

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/streamq/streamq-proxy/stream"
)

// Gate lets in whom a file names. Its methods may be called from any goroutine.
type Gate struct {
	file      string
	log       *slog.Logger
	limiter   *rate.Limiter // of all requests, nil for none; as the toolkit's it is the one of the start
	passwords *passwords

	mutex sync.Mutex
	text  []byte // of the file when it was looked at last
	good  *Config
	wrong string // why the file as it is is not in force, "" where it is
}

// Open is the gate of a file, and its error what is wrong with that.
func Open(file string, log *slog.Logger) (*Gate, error) {
	c, text, err := read(file)
	if err != nil {
		return nil, err
	}
	g := &Gate{file: file, log: log, good: c, text: text, passwords: newPasswords()}
	if said := c.said.RateLimiterConfig; said.Interval != 0 {
		g.limiter = rate.NewLimiter(rate.Every(said.Interval), said.Burst)
	}
	return g, nil
}

// now is what is in force, after a look at the file.
func (g *Gate) now() *Config {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	text, err := readText(g.file)
	if err == nil && g.wrong == "" && bytes.Equal(text, g.text) {
		return g.good
	}
	var c *Config
	if err == nil {
		c, text, err = read(g.file)
	}
	if err == nil {
		err = c.instead(g.good)
	}
	g.judged(err)
	if err == nil {
		g.good, g.text = c, text
	}
	return g.good
}

// judged remembers what is wrong with the file, and says so where it was not known.
func (g *Gate) judged(err error) {
	wrong := ""
	if err != nil {
		wrong = err.Error()
	}
	switch {
	case wrong == g.wrong:
	case wrong != "":
		g.log.Warn("web-config is not taken: what it said before stays in force", "web-config", g.file, "error", wrong)
	default:
		g.log.Info("web-config is taken again", "web-config", g.file)
	}
	g.wrong = wrong
}

// InForce says whether what the file says now is in force.
func (g *Gate) InForce() bool {
	g.now()
	g.mutex.Lock()
	defer g.mutex.Unlock()
	return g.wrong == ""
}

// Passwords are how many there were since the start, by outcome.
func (g *Gate) Passwords() Passwords { return g.passwords.counted() }

// Serve serves by the file, with TLS where it says so, until the server is closed.
func (g *Gate) Serve(l net.Listener, server *http.Server) error {
	g.mutex.Lock()
	c := g.good
	g.mutex.Unlock()
	if !c.TLS() {
		return server.Serve(l)
	}
	// Whether HTTP/2 is spoken is for each handshake: the file may say so later.
	server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: g.handshake}
	return server.ServeTLS(l, "", "")
}

// Handler lets requests through to another. What is refused is answered by refuse: 401 without a
// right password, 429 when there were too many wrong ones, 403 on a connection whose certificate
// would not be taken any more.
func (g *Gate) Handler(inner http.Handler, refuse func(w http.ResponseWriter, r *http.Request, status int, text string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := g.now()
		for k, v := range c.said.HTTPConfig.Header {
			w.Header().Set(k, v)
		}
		if g.limiter != nil && !g.limiter.Allow() {
			w.Header().Set("Retry-After", "1")
			refuse(w, r, http.StatusTooManyRequests, "more requests than rate_limit in the web-config allows")
			return
		}
		if !g.Admits(r) {
			refuse(w, r, http.StatusForbidden, "the certificate of this connection is not taken any more")
			return
		}
		if c.Users() == 0 {
			inner.ServeHTTP(w, r)
			return
		}
		_, outcome := g.look(r.Context(), c, r)
		if n := g.passwords.count(outcome, time.Now()); n > 0 {
			g.log.Warn("wrong password over HTTP", "address", stream.HostOf(r.RemoteAddr), "count", n)
		}
		switch outcome {
		case Right:
			inner.ServeHTTP(w, r)
		case Limited:
			w.Header().Set("Retry-After", strconv.Itoa(int(tryEvery/time.Second)))
			refuse(w, r, http.StatusTooManyRequests, "too many wrong passwords: try again later")
		default:
			w.Header().Set("WWW-Authenticate", `Basic realm="streamq-proxy", charset="UTF-8"`)
			refuse(w, r, http.StatusUnauthorized, "a user and a password are wanted")
		}
	})
}

// User is the name of the user whose password a request has, by the file as it is now, "" for
// nobody's.
func (g *Gate) User(r *http.Request) string {
	name, _ := g.look(r.Context(), g.now(), r)
	return name
}

// look finds out whose password a request has.
func (g *Gate) look(ctx context.Context, c *Config, r *http.Request) (string, Outcome) {
	name, password, said := r.BasicAuth()
	if !said || c.Users() == 0 {
		return "", Unsaid
	}
	hash, user := c.hash(name)
	outcome := g.passwords.look(ctx, r.RemoteAddr, name, hash, user, password)
	if outcome != Right {
		name = ""
	}
	return name, outcome
}

package webconfig

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"slices"
	"time"
)

// handshake is the TLS of a connection that begins.
func (g *Gate) handshake(*tls.ClientHelloInfo) (*tls.Config, error) { return g.certified(g.now()), nil }

// certified is the TLS of what is in force, which has some. Certificates are read again when their files have
// changed; while they cannot be, those of before stay in force.
func (g *Gate) certified(c *Config) *tls.Config {
	g.mutex.Lock()
	t, of := c.tls, c.files
	g.mutex.Unlock()
	files, err := c.filesNow(), error(nil)
	if !files.are(of) {
		t, err = c.certified()
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.wrong == "" { // what is wrong with a file that is not taken has been said
		g.judged(err)
	}
	if err == nil {
		c.tls, c.files = t, files
	}
	return c.tls
}

// settled is how old a change of a file must be for it to show: a file system may give two that are closer the same time.
const settled = 2 * time.Second

// files are what files were when they were looked at.
type files struct {
	all []os.FileInfo // nil for one that is not there
	at  time.Time
}

// filesNow are those that the TLS is made of.
func (c *Config) filesNow() files {
	is := files{at: time.Now()}
	said := &c.said.TLSConfig
	for _, name := range []string{said.TLSCertPath, said.TLSKeyPath, said.ClientCAs} {
		if name != "" {
			info, _ := os.Stat(name)
			is.all = append(is.all, info)
		}
	}
	return is
}

// are says whether files are surely what they were.
func (f files) are(before files) bool {
	return slices.EqualFunc(f.all, before.all, func(a, b os.FileInfo) bool {
		return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && before.at.Sub(b.ModTime()) > settled
	})
}

// Admits says whether the connection of a request would be let in by its certificate now: it may be older
// than what the file says, and last as long as who listens to events does.
func (g *Gate) Admits(r *http.Request) bool {
	c := g.now()
	if r.TLS == nil || c.said.TLSConfig.ClientAuth == "" {
		return true
	}
	return admits(g.certified(c), r.TLS.PeerCertificates)
}

// admits does what crypto/tls does at a handshake. The first certificate is the client's own.
func admits(t *tls.Config, shown []*x509.Certificate) bool {
	switch {
	case len(shown) == 0:
		if t.ClientAuth == tls.RequireAnyClientCert || t.ClientAuth == tls.RequireAndVerifyClientCert {
			return false
		}
	case t.ClientAuth >= tls.VerifyClientCertIfGiven:
		between := x509.NewCertPool()
		for _, c := range shown[1:] {
			between.AddCert(c)
		}
		if _, err := shown[0].Verify(x509.VerifyOptions{
			Roots: t.ClientCAs, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}); err != nil {
			return false
		}
	}
	if t.VerifyPeerCertificate == nil {
		return true
	}
	raw := make([][]byte, len(shown))
	for i, c := range shown {
		raw[i] = c.Raw
	}
	return t.VerifyPeerCertificate(raw, nil) == nil // the toolkit's looks at names only
}

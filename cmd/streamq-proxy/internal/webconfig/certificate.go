package webconfig

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
)

// handshake is the TLS of a connection that begins.
func (g *Gate) handshake(*tls.ClientHelloInfo) (*tls.Config, error) { return g.certified(g.now()), nil }

// certified is the TLS of what is in force, which has some. Certificates are read again; while they cannot be,
// those of before stay in force.
func (g *Gate) certified(c *Config) *tls.Config {
	t, err := c.certified()
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.wrong == "" { // what is wrong with a file that is not taken has been said
		g.judged(err)
	}
	if err == nil {
		c.tls = t
	}
	return c.tls
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

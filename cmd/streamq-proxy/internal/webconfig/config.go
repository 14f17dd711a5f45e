package webconfig

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"
	"golang.org/x/crypto/bcrypt"
)

const (
	// maxFile bounds a file, in bytes.
	maxFile = 1 << 20
	// MaxCost bounds what a password's hash costs: a check takes a second or four at this one, and
	// twice as long at the next.
	MaxCost = 16
)

// errNothing is of a file that has been emptied, or is being written.
var errNothing = errors.New("it says nothing: neither users (basic_auth_users) nor TLS (tls_server_config)")

// Config is what a file says.
type Config struct {
	said   web.Config
	hashes []string    // of the users, in order
	tls    *tls.Config // nil for none
	files  files       // that it is made of
}

// Read reads a file. The error says what the toolkit would not take (of users, of TLS, or of the
// files that it names), what would be too slow, and that it says nothing.
func Read(file string) (*Config, error) {
	c, _, err := read(file)
	return c, err
}

// read is as Read, with the text of the file.
func read(file string) (c *Config, text []byte, err error) {
	if text, err = readText(file); err != nil {
		return nil, nil, err
	}
	if err := web.Validate(file); err != nil { // which reads it once more
		return nil, nil, err
	}
	c, err = parse(file, text)
	return c, text, err
}

// readText is what is written in a file. What is no regular file could keep its reader waiting.
func readText(file string) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if is, err := f.Stat(); err != nil {
		return nil, err
	} else if !is.Mode().IsRegular() {
		return nil, errors.New("it is no file")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("it has more than %d bytes", maxFile)
	}
	return text, err
}

// parse reads the text of a file, with what the toolkit takes where nothing is said.
func parse(file string, text []byte) (*Config, error) {
	c := &Config{said: web.Config{
		TLSConfig:  web.TLSConfig{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13},
		HTTPConfig: web.HTTPConfig{HTTP2: true},
	}}
	if err := yaml.UnmarshalStrict(text, &c.said); err != nil {
		return nil, err
	}
	if says := (map[string]any{}); yaml.Unmarshal(text, &says) != nil || len(says) == 0 || len(bytes.TrimSpace(text)) == 0 {
		return nil, errNothing
	}
	for name, hash := range c.said.Users {
		cost, err := bcrypt.Cost([]byte(hash))
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		if cost > MaxCost {
			return nil, fmt.Errorf("user %s: the hash has cost %d, and %d is the most", name, cost, MaxCost)
		}
		c.hashes = append(c.hashes, string(hash))
	}
	slices.Sort(c.hashes)
	c.said.TLSConfig.SetDirectory(filepath.Dir(file))
	var err error
	c.files = c.filesNow() // first: what changes meanwhile is read again
	c.tls, err = c.certified()
	return c, err
}

// certified is the TLS of the file with certificates as they are now, nil for none.
func (c *Config) certified() (*tls.Config, error) {
	if !c.said.TLSConfig.IsEnabled() {
		return nil, nil
	}
	t, err := web.ConfigToTLSConfig(&c.said.TLSConfig)
	if err != nil {
		return nil, err
	}
	// The toolkit's reads the files at each handshake, and fails when they cannot be read then.
	certificate, err := t.GetCertificate(nil)
	if err != nil {
		return nil, err
	}
	t.Certificates, t.GetCertificate = []tls.Certificate{*certificate}, nil
	if t.ClientCAs != nil && t.ClientCAs.Equal(x509.NewCertPool()) {
		return nil, errors.New("there is no certificate in client_ca_file, or client_ca")
	}
	if named := t.VerifyPeerCertificate; named != nil {
		t.VerifyPeerCertificate = func(shown [][]byte, chains [][]*x509.Certificate) error {
			if len(shown) == 0 { // for which the toolkit's has no answer but a panic
				return errors.New("without a certificate there is no name of client_allowed_sans")
			}
			return named(shown, chains)
		}
	}
	// Who resumes a session shows no certificate, and is not held against client_allowed_sans.
	t.SessionTicketsDisabled = t.ClientAuth != tls.NoClientCert
	t.NextProtos = []string{"http/1.1"}
	if c.said.HTTPConfig.HTTP2 {
		t.NextProtos = []string{"h2", "http/1.1"}
	}
	return t, nil
}

// TLS says whether there is TLS.
func (c *Config) TLS() bool { return c.tls != nil }

// Has says whether there is a user of a name.
func (c *Config) Has(name string) bool {
	_, is := c.said.Users[name]
	return is
}

// hash is that of a user's password. A name that is no user's has one of them, always the same, so that it takes
// as long as a user's may, whatever they cost; which it is can be told only by who knows them all.
func (c *Config) hash(name string) (hash string, user bool) {
	if hash, user := c.said.Users[name]; user {
		return string(hash), true
	}
	mac := hmac.New(sha256.New, []byte(strings.Join(c.hashes, "\n")))
	_, _ = mac.Write([]byte(name))
	return c.hashes[binary.BigEndian.Uint64(mac.Sum(nil))%uint64(len(c.hashes))], false
}

// Users is how many there are.
func (c *Config) Users() int { return len(c.said.Users) }

// instead says why a file must not come into force in the place of another while somebody serves
// by that, nil when it may.
func (c *Config) instead(of *Config) error {
	switch {
	case of.Users() > 0 && c.Users() == 0:
		return errors.New("it has no users any more, so that everybody would be let in: that takes a restart")
	case of.TLS() && !c.TLS():
		return errors.New("it has no TLS any more: that takes a restart")
	case !of.TLS() && c.TLS():
		return errors.New("it has TLS now: that takes a restart")
	case of.TLS() && asksLess(c, of):
		return errors.New("it asks less of clients' certificates (client_auth_type, client_ca_file, client_allowed_sans): that takes a restart")
	}
	return nil
}

// asksLess says whether a file with TLS lets in more by clients' certificates than another: it checks
// less, trusts what the system trusts in place of some, or wants no names any more.
func asksLess(c, of *Config) bool {
	return c.tls.ClientAuth < of.tls.ClientAuth ||
		c.tls.ClientCAs == nil && of.tls.ClientCAs != nil ||
		c.said.TLSConfig.ClientAllowedSans == nil && of.said.TLSConfig.ClientAllowedSans != nil
}

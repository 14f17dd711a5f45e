package control

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
)

// keyring are the public certificates of a directory. It is read again when the
// directory has changed, so that a caller is let in, or kept out, from its next
// connection on. What is wrong with its files is logged, once, and concerns
// nobody else.
type keyring struct {
	dir     string
	log     *slog.Logger
	changed time.Time
	read    time.Time
	certs   map[string]wire.Cert // by public key
	doubts  []doubt              // what was logged of the last reading
}

// doubt is what an operator should know of a keyring.
type doubt struct{ text, file, reason string }

// newKeyring fails only when there is no directory that it can read.
func newKeyring(dir string, log *slog.Logger) (*keyring, error) {
	k := &keyring{dir: dir, log: log}
	return k, k.refresh()
}

// refresh reads the directory if it has changed. While it cannot be read, which
// is the error, nobody is let in.
func (k *keyring) refresh() error {
	info, err := os.Stat(k.dir)
	if err != nil {
		k.certs = nil
		return err
	}
	// A change within the clock's grain of the last look may not show.
	if k.certs != nil && info.ModTime().Equal(k.changed) && k.read.Sub(k.changed) > time.Second {
		return nil
	}
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		k.certs = nil
		return err
	}
	k.changed, k.read = info.ModTime(), time.Now()
	k.take(entries)
	return nil
}

// take reads the certificates among the files of the directory.
func (k *keyring) take(entries []os.DirEntry) {
	before := k.doubts
	k.certs, k.doubts = map[string]wire.Cert{}, nil
	files := map[string]string{} // by public key
	for _, e := range entries {
		if e.IsDir() || strings.HasSuffix(e.Name(), "_secret") || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		file := filepath.Join(k.dir, e.Name())
		c, err := wire.ReadCert(file)
		if err != nil {
			reason := err
			if bad := (*wire.CertError)(nil); errors.As(err, &bad) {
				reason = bad.Err // the file is told beside it
			}
			k.doubt(before, doubt{"control: a certificate is left out", file, reason.Error()})
			continue
		}
		if other, twice := k.certs[c.Public]; twice && other.Level != c.Level {
			k.doubt(before, doubt{"control: a key has two levels, the lower one counts", file, "its key is also in " + files[c.Public]})
			if other.Level < c.Level {
				continue
			}
		}
		k.certs[c.Public], files[c.Public] = c, file
	}
	if len(k.certs) == 0 {
		k.doubt(before, doubt{"control: nobody can use the endpoints with CURVE", k.dir, "the directory has no certificate"})
	}
}

// doubt logs what was not known before.
func (k *keyring) doubt(before []doubt, d doubt) {
	k.doubts = append(k.doubts, d)
	if !slices.Contains(before, d) {
		k.log.Warn(d.text, "file", d.file, "reason", d.reason)
	}
}

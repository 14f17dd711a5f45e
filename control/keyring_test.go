package control

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamq/streamq-proxy/control/wire"
)

// What is wrong with the files of the directory is the same warning at the start
// and later, once, and keeps out nobody else.
func TestKeyring(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	k, err := newKeyring(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	// look wants one line with each of the words, and no other, from a reading.
	look := func(k *keyring, words ...string) {
		t.Helper()
		if err := k.refresh(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(text.String()), "\n")
		text.Reset()
		if len(words) == 0 && lines[0] == "" {
			return
		}
		if len(lines) != len(words) {
			t.Fatalf("%d lines, want %d: %q", len(lines), len(words), lines)
		}
		for i, w := range words {
			if !strings.Contains(lines[i], "level=WARN") || !strings.Contains(lines[i], w) {
				t.Errorf("line %d is %s, want %s", i, lines[i], w)
			}
		}
	}
	look(k, "file="+dir+` reason="the directory has no certificate"`)
	look(k) // as before

	bad := "file=" + filepath.Join(dir, "bad") + ` reason="has no public-key`
	write("bad", "curve\n")
	ann := newCert(t, dir, "ann", wire.Operator)
	look(k, bad)
	look(k)
	if len(k.certs) != 1 || k.certs[ann.Public].Level != wire.Operator {
		t.Errorf("the certificates are %v", k.certs)
	}
	fresh, err := newKeyring(dir, log)
	if err != nil || fresh.certs[ann.Public].Level != wire.Operator {
		t.Errorf("a bad file at the start: %v, %v", fresh.certs, err)
	}
	look(fresh, bad)

	// Of two levels the lower one counts, in whatever order they are read.
	for _, name := range []string{"aaa", "zzz"} {
		twin := wire.Cert{Public: ann.Public, Name: name, Level: wire.Peer}
		write(name, twin.Text())
		look(k, "a key has two levels")
		if c := k.certs[ann.Public]; c.Level != wire.Peer {
			t.Errorf("with %s the key is %v's", name, c.Level)
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		look(k)
		if c := k.certs[ann.Public]; c.Level != wire.Operator {
			t.Errorf("without %s the key is %v's", name, c.Level)
		}
	}

	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := k.refresh(); err == nil || len(k.certs) != 0 {
		t.Errorf("without its directory: %v, %v", k.certs, err)
	}
}

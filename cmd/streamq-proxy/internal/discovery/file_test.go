package discovery

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// A file is read again when it is another, whichever way it came.
func TestFileIsReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "workers")
	reads := 0
	look := fileLookup(path, func(path string) (all []pairing.WorkerConfig, err error) {
		reads++
		text, err := os.ReadFile(path)
		for _, name := range strings.Fields(string(text)) {
			if name == "!" {
				return nil, errors.New("a mistake")
			}
			all = append(all, pairing.WorkerConfig{Name: name})
		}
		return all, err
	})
	expect := func(when, names string, failed bool, read bool) {
		t.Helper()
		before := reads
		a, err := look(t.Context())
		var got []string
		for _, w := range a.workers {
			got = append(got, w.Name)
		}
		if (err != nil) != failed || !failed && strings.Join(got, " ") != names || read != (reads > before) {
			t.Errorf("%s: %q, %v; it was read %d times", when, got, err, reads-before)
		}
	}
	n := 0
	// write gives the file a time of its own, long ago, as clocks may be coarse.
	write := func(name, text string) {
		t.Helper()
		n++
		at := time.Now().Add(time.Duration(n) * time.Second).Add(-time.Hour)
		if err := errors.Join(os.WriteFile(name, []byte(text), 0o600), os.Chtimes(name, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	expect("there is none", "", true, false)
	write(path, "w1 w2")
	expect("it has come", "w1 w2", false, true)
	expect("it is the same", "w1 w2", false, false)
	write(path, "w1 w3")
	expect("it was written over", "w1 w3", false, true)
	write(path+".new", "w4 w5")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	expect("another was put in its place", "w4 w5", false, true)
	write(path, "!")
	expect("it has a mistake", "", true, true)
	expect("it still has", "", true, false)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	expect("it has gone", "", true, false)
	for i, name := range []string{"w6", "w7"} { // as Kubernetes does it
		at := filepath.Join(dir, fmt.Sprint("data", i))
		write(at, name)
		if err := errors.Join(os.Symlink(at, path+".link"), os.Rename(path+".link", path)); err != nil {
			t.Fatal(err)
		}
		expect("a link leads elsewhere", name, false, true)
	}
	if err := os.WriteFile(path, []byte("w8"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect("it was written a moment ago", "w8", false, true)
	expect("it may be written again without another time", "w8", false, true)
	write(path, strings.Repeat("w ", maxWorkers+1))
	expect("it is too long", "", true, true)
}

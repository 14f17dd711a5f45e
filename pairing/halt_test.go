package pairing

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// A process may be stopped, or late, for as long as it likes. Its caller's clock
// then stands still, and nothing may have expired when it goes on. The table can
// promise that if it knows no clock but its caller's, which the first test shows,
// and looks at nothing but differences of its times, which the second does.

// TestNoClock: nothing in the package reads a clock, or has one run.
func TestNoClock(t *testing.T) {
	clocks := []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer", "Sleep"}
	allowed := []string{
		"cmp", "container/heap", "errors", "fmt", "hash/maphash", "maps", "math", "math/bits", "math/rand/v2", "slices", "strings", "time", "unicode", "unicode/utf8",
		"github.com/hashicorp/golang-lru/v2/simplelru",
	} // expirable would have a clock; the secret of maphash is in no answer
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if path := strings.Trim(i.Path.Value, `"`); !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", f.Name(), path)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clocks, s.Sel.Name) {
					t.Errorf("%s uses time.%s", f.Name(), s.Sel.Name)
				}
			}
			return true
		})
	}
}

// TestOnlyDifferencesMatter: a table whose caller's clock began a year ago does
// what one does whose clock begins now: leases, queue, slots, handshakes, probes,
// ejections, drains, hints and affinities, whatever happens to them.
func TestOnlyDifferencesMatter(t *testing.T) {
	live := func(seed uint64, origin time.Duration) []string {
		random := rand.New(rand.NewPCG(seed, 5))
		m := newMachine(random.IntN)
		m.now = origin
		for range 1500 {
			if err := m.event(); err != nil {
				t.Fatalf("seed %d, clock from %v: %v", seed, origin, err)
			}
		}
		for i, line := range m.log {
			if at, what, ok := strings.Cut(line, " "); ok && at != "" {
				if d, err := time.ParseDuration(at); err == nil {
					m.log[i] = (d - origin).String() + " " + what
				}
			}
		}
		return m.log
	}
	for seed := range uint64(10) {
		a, b := live(seed, 0), live(seed, 365*24*time.Hour)
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				t.Fatalf("seed %d: event %d is %q or %q", seed, i, a[i], b[i])
			}
		}
		if len(a) != len(b) {
			t.Fatalf("seed %d: %d and %d lines", seed, len(a), len(b))
		}
	}
}

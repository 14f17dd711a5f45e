package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/tools/document"
)

// row is a suite, and what came of it.
type row struct {
	suite
	outcome
}

// theirs are the tests that fail directly.
func (r row) theirs() []string {
	return r.named(func(name string) bool { return r.direct[name] == failed })
}

// ours are those that pass directly and not through the proxy.
func (r row) ours() []string {
	return r.named(func(name string) bool { return r.direct[name] == passed && r.through[name] != passed })
}

func (r row) named(is func(name string) bool) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(r.direct)) {
		if is(name) {
			names = append(names, name)
		}
	}
	return names
}

// both is how many of those that pass directly pass through the proxy.
func (r row) both() int { return r.direct.number(passed) - len(r.ours()) }

// leasts is how many tests of each suite pass directly, at least: one that runs nothing has not passed.
var leasts = map[string]int{"libzmq": 310, "czmq": 14, "pyzmq": 320, "go-zeromq": 69, "jeromq": 200}

// wrong is what makes the command fail.
func (r row) wrong() (all []error) {
	if n := r.direct.number(passed); n < leasts[r.name] {
		all = append(all, fmt.Errorf("%s: %d tests have passed directly, and it has %d", r.name, n, leasts[r.name]))
	}
	if r.connects == 0 {
		all = append(all, fmt.Errorf("%s: nothing has gone through a proxy", r.name))
	}
	for _, name := range r.ours() {
		if reasonOf(r.name, name) == nil {
			all = append(all, fmt.Errorf("%s: %s passes directly and not through the proxy", r.name, name))
		}
	}
	return all
}

// text is for who watches.
func (r row) text() string {
	s := fmt.Sprintf("%s: %d passed directly, %d failed, %d skipped; of those that passed, %d passed through the proxy, by %d connects; %d were run again\n",
		r.title, r.direct.number(passed), len(r.theirs()), r.direct.number(skipped), r.both(), r.connects, r.again)
	for _, name := range r.theirs() {
		s += "    theirs: " + name + "\n"
	}
	for _, name := range r.ours() {
		s += "    ours:   " + name + "\n"
	}
	return s
}

// record is what is kept of a suite, in docs/suites.json.
type record struct {
	Name     string    `json:"name"`
	Title    string    `json:"title"`
	Passed   int       `json:"passed"`  // directly
	Through  int       `json:"through"` // and of these through the proxy
	Connects int       `json:"connects"`
	Theirs   []string  `json:"theirs,omitempty"`
	Differs  []differs `json:"differs,omitempty"`
	On       string    `json:"on,omitempty"` // the day, as 2026-11-29; nothing where no run is recorded yet
}

// differs are tests that pass directly and not through the proxy, for one reason.
type differs struct {
	Tests []string `json:"tests"`
	Why   string   `json:"why"`
}

func (r row) record(now time.Time) record {
	kept := record{
		Name: r.name, Title: r.title, Passed: r.direct.number(passed), Through: r.both(), Connects: r.connects, Theirs: r.theirs(), On: now.UTC().Format(time.DateOnly),
	}
	for _, reason := range reasons {
		if names := r.named(func(name string) bool { return slices.Contains(r.ours(), name) && reasonOf(r.name, name) == reason }); len(names) > 0 {
			kept.Differs = append(kept.Differs, differs{names, reason.why})
		}
	}
	return kept
}

func recordFile(root string) string   { return filepath.Join(root, "docs", "suites.json") }
func documentFile(root string) string { return filepath.Join(root, "docs", "suites.md") }

// made is what the table is made by.
const made = "make test-suites"

func readRecords(root string) (all []record, err error) {
	text, err := os.ReadFile(recordFile(root))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return all, json.Unmarshal(text, &all)
}

// write puts what came of suites into the record, in their order, and the table into the document.
func write(root string, rows []row, known []found) error {
	before, err := readRecords(root)
	if err != nil {
		return err
	}
	var all []record
	for _, s := range known {
		i := slices.IndexFunc(before, func(r record) bool { return r.Name == s.name })
		j := slices.IndexFunc(rows, func(r row) bool { return r.name == s.name })
		switch {
		case j >= 0:
			all = append(all, rows[j].record(time.Now()))
		case i >= 0:
			all = append(all, before[i])
		default:
			all = append(all, record{Name: s.name, Title: s.title})
		}
	}
	text, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(recordFile(root), append(text, '\n'), 0o644); err != nil { //nolint:gosec // a document
		return err
	}
	return document.Put(documentFile(root), made, "\n"+table(all)+"\n")
}

func table(all []record) string {
	var b, differ strings.Builder
	b.WriteString("| suite | tests that pass directly | of these, through the proxy | connections through it | fail directly, too | run on |\n|---|---|---|---|---|---|\n")
	for _, r := range all {
		if r.On == "" {
			fmt.Fprintf(&b, "| %s | no run of it is recorded yet: `%s SUITE=%s` | | | | |\n", r.Title, made, r.Name)
			continue
		}
		of := fmt.Sprint(r.Through)
		if r.Through == r.Passed {
			of = "all " + of
		}
		theirs := "none"
		if len(r.Theirs) > 0 {
			theirs = code(r.Theirs)
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %d | %s | %s |\n", r.Title, r.Passed, of, r.Connects, theirs, r.On)
		for _, d := range r.Differs {
			fmt.Fprintf(&differ, "| %s | %s |\n", code(d.Tests), d.Why)
		}
	}
	if differ.Len() > 0 {
		b.WriteString("\n| passes directly and not through the proxy | why |\n|---|---|\n" + differ.String())
	}
	return b.String()
}

func code(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }

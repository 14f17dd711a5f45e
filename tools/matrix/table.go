package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The table's place in docs/matrix.md.
const (
	tableBegins = "<!-- what follows is made by `make matrix` -->\n"
	tableEnds   = "<!-- what comes before is made by `make matrix` -->\n"
)

// writeTable puts the table into the document, in the place of the one before.
func (m *matrix) writeTable() error {
	file := filepath.Join(m.root, "docs", "matrix.md")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), tableBegins)
	_, after, ended := strings.Cut(rest, tableEnds)
	if !ok || !ended {
		return fmt.Errorf("%s has no place for the table", file)
	}
	return os.WriteFile(file, []byte(before+tableBegins+m.table(time.Now())+tableEnds+after), 0o644) //nolint:gosec // a document
}

// table has a row for each library under the proxy and a column for each under the peers.
func (m *matrix) table(now time.Time) string {
	var b strings.Builder
	b.WriteString("\n| proxy on | ")
	for _, peers := range m.libraries {
		b.WriteString("peers on " + peers.title() + " | ")
	}
	b.WriteString("\n|---" + strings.Repeat("|---", len(m.libraries)) + "|\n")
	var differs []string
	for i, c := range m.cells {
		if i%len(m.libraries) == 0 {
			b.WriteString("| " + c.proxy.title() + " ")
		}
		b.WriteString("| " + c.outcome() + " ")
		if (i+1)%len(m.libraries) == 0 {
			b.WriteString("|\n")
		}
		for _, name := range c.failed {
			differs = append(differs, fmt.Sprintf("- proxy on %s, peers on %s: `%s` fails\n", c.proxy.title(), c.peers.title(), name))
		}
	}
	passed, failed := m.totals()
	fmt.Fprintf(&b, "\nRun on %s: %d passed, %d failed.\n%s", now.UTC().Format(time.DateOnly), passed, failed, strings.Join(differs, ""))
	return strings.ReplaceAll(b.String(), " \n", "\n") + "\n"
}

func (m *matrix) totals() (passed, failed int) {
	for _, c := range m.cells {
		passed += c.passed
		failed += len(c.failed)
	}
	return passed, failed
}

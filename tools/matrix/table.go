package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/tools/document"
)

// writeTable puts the table into the document, in the place of the one before.
func (m *matrix) writeTable() error {
	return document.Put(filepath.Join(m.root, "docs", "matrix.md"), "make matrix", m.table(time.Now()))
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

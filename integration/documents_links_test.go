package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// link is a link or a picture of Markdown, and what it leads to.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// anchors are those of a document's headings, as GitHub makes them.
func anchors(t testing.TB, document string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", document))
	must(t, err)
	all, fenced := map[string]bool{}, false
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		heading := strings.TrimLeft(line, "#")
		if fenced || heading == line || !strings.HasPrefix(heading, " ") {
			continue
		}
		all[anchor(strings.TrimSpace(heading))] = true
	}
	return all
}

// anchor is a heading in lower case, with its blanks as dashes and without what is no letter, digit, dash or underscore.
func anchor(heading string) string {
	heading = strings.ReplaceAll(strings.ToLower(heading), " ", "-")
	return regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(heading, "")
}

// deadLinks are the links of a text that lead to no file of the repository, or to no heading of it. Those to other machines
// are not followed.
func deadLinks(t testing.TB, document, text string) (dead []string, followed int) {
	t.Helper()
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], "://") {
			continue
		}
		followed++
		path, heading, _ := strings.Cut(m[1], "#")
		target := document
		if path != "" {
			target = filepath.Join(filepath.Dir(document), path)
		}
		switch _, err := os.Stat(filepath.Join("..", target)); {
		case err != nil:
			dead = append(dead, m[1])
		case heading != "" && !anchors(t, target)[heading]:
			dead = append(dead, m[1])
		}
	}
	return dead, followed
}

// TestLinks follows every link of every document.
func TestLinks(t *testing.T) {
	followed := 0
	for _, document := range append(documents(t), "CHANGELOG.md") {
		text, err := os.ReadFile(filepath.Join("..", document))
		must(t, err)
		dead, n := deadLinks(t, document, string(text))
		followed += n
		for _, d := range dead {
			t.Errorf("%s: %s leads nowhere", document, d)
		}
	}
	if followed < 50 {
		t.Errorf("only %d links were found", followed)
	}
	if dead, _ := deadLinks(t, "docs/README.md", "[a](README.md#no-such) [b](no-such.md) [c](README.md) [d](https://example.org/x#y)"); len(dead) != 2 {
		t.Errorf("of two dead links %q are found", dead)
	}
}

// TestNamedTestsAreThere has every test be there that a document names.
func TestNamedTestsAreThere(t *testing.T) {
	own, err := os.ReadFile("documents_test.go") // which is none of the sources
	must(t, err)
	sources, named := strings.Join(append(testSources(t), string(own)), "\n"), 0
	for _, document := range append(documents(t), "CHANGELOG.md") {
		if document == "docs/suites.md" {
			continue // its tests are those of others
		}
		text, err := os.ReadFile(filepath.Join("..", document))
		must(t, err)
		for _, m := range regexp.MustCompile("`(Test[A-Za-z0-9]+)[/`]").FindAllStringSubmatch(string(text), -1) {
			named++
			if !strings.Contains(sources, "func "+m[1]+"(t *testing.T)") {
				t.Errorf("%s names %s, which is not there", document, m[1])
			}
		}
	}
	if named < 50 {
		t.Errorf("only %d are named", named)
	}
}

// TestEveryPageIsFound has the index lead to every page, and the README be short.
func TestEveryPageIsFound(t *testing.T) {
	index, err := os.ReadFile("../docs/README.md")
	must(t, err)
	for _, document := range documents(t) {
		name, found := strings.CutPrefix(document, "docs/")
		if found && name != "README.md" && !strings.Contains(string(index), "]("+name+")") {
			t.Errorf("the index does not lead to %s", document)
		}
	}
	const most = 110
	readme, err := os.ReadFile("../README.md")
	must(t, err)
	if n := strings.Count(string(readme), "\n"); n > most {
		t.Errorf("the README has %d lines, more than %d: its details belong to docs", n, most)
	}
}

// TestEveryMergeIsDone has no document show the two sides of a merge that was left at that.
func TestEveryMergeIsDone(t *testing.T) {
	left := regexp.MustCompile(`(?m)^(<{7}|>{7}|\|{7}) `)
	for _, document := range append(documents(t), "CHANGELOG.md") {
		text, err := os.ReadFile(filepath.Join("..", document))
		must(t, err)
		if at := left.FindIndex(text); at != nil {
			t.Errorf("%s:%d is left of a merge", document, 1+strings.Count(string(text[:at[0]]), "\n"))
		}
	}
}

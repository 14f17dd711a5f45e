package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fenced is a fenced block of a document.
type fenced struct {
	document string // its path below the root: docs/control.md
	line     int    // that of the opening fence, from 1
	language string // "" where none is said
	mark     string // the comment on the line above it, or ""
	body     string
}

func (f fenced) String() string { return fmt.Sprintf("%s:%d", f.document, f.line) }

// A mark is one of these. Who reads the document sees it in the source only.
var (
	testMark   = regexp.MustCompile(`^<!-- test: ([A-Za-z0-9-]+) -->$`) // the test that runs the block, or the name by which one finds it
	notRunMark = regexp.MustCompile(`^<!-- not run: (.{15,}) -->$`)     // why nothing here can
)

// documents are all that users read, but the CHANGELOG.
func documents(t testing.TB) []string {
	t.Helper()
	all := []string{"README.md"}
	for _, pattern := range []string{"docs/*.md", "docs/*/*.md", "deploy/*.md", "deploy/*/*.md"} {
		found, err := filepath.Glob(filepath.Join("..", pattern))
		must(t, err)
		for _, file := range found {
			all = append(all, strings.TrimPrefix(file, "../"))
		}
	}
	if len(all) < 6 {
		t.Fatalf("only %v were found", all)
	}
	return all
}

// blocks are the fenced blocks of a document, also those in lists, from which the indent is taken.
func blocks(t testing.TB, document string) (all []fenced) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", document))
	must(t, err)
	lines := strings.Split(string(text), "\n")
	for i := 0; i < len(lines); i++ {
		indent, language, found := strings.Cut(lines[i], "```")
		if !found || strings.TrimSpace(indent) != "" {
			continue
		}
		f := fenced{document: document, line: i + 1, language: language}
		if i > 0 && strings.HasPrefix(strings.TrimSpace(lines[i-1]), "<!--") {
			f.mark = strings.TrimSpace(lines[i-1])
		}
		for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "```"; i++ {
			f.body += strings.TrimPrefix(lines[i], indent) + "\n"
		}
		if i == len(lines) {
			t.Fatalf("%v is not closed", f)
		}
		all = append(all, f)
	}
	return all
}

// runners are what runs a block that has no mark, by its language.
var runners = map[string]func(t *testing.T, f fenced){
	"sh":      runShell,
	"console": runTranscript,
	"yaml":    runCheck,
	"python":  runPython,
	"go":      runCompiler,
	"haproxy": runHAProxy,
	"nginx":   runNginx,
}

// TestDocuments runs every fenced block of the documents, or holds it to say which test does, or why none can.
func TestDocuments(t *testing.T) {
	tests := testSources(t)
	for _, document := range documents(t) {
		for _, f := range blocks(t, document) {
			t.Run(f.String(), func(t *testing.T) {
				t.Parallel()
				if notRunMark.MatchString(f.mark) {
					return
				}
				if m := testMark.FindStringSubmatch(f.mark); m != nil {
					if !tests.read(m[1], document) {
						t.Errorf("no test reads %s and knows %q", document, m[1])
					}
					return
				}
				run := runners[f.language]
				if f.mark != "" || run == nil {
					t.Fatalf("a block of %q marked %q is not run: write <!-- test: NAME --> or <!-- not run: WHY --> above it", f.language, f.mark)
				}
				run(t, f)
			})
		}
	}
}

// sources are the texts of all test files but this one, which names tests and documents for other reasons.
type sources []string

func testSources(t testing.TB) (all sources) {
	t.Helper()
	for _, pattern := range []string{"../*/*_test.go", "../*/*/*_test.go", "../*/*/*/*_test.go", "../*/*/*/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		must(t, err)
		for _, file := range files {
			if filepath.Base(file) == "documents_test.go" {
				continue
			}
			text, err := os.ReadFile(file)
			must(t, err)
			all = append(all, string(text))
		}
	}
	return all
}

// read says whether a file of tests opens the document and has the test of that name, or looks for the block by it.
func (s sources) read(name, document string) bool {
	return slices.ContainsFunc(s, func(text string) bool {
		known := strings.Contains(text, "func "+name+"(t *testing.T)") || strings.Contains(text, `"`+name+`"`)
		return known && (strings.Contains(text, "../"+document+`"`) || strings.Contains(text, `"`+document+`"`))
	})
}

// TestDocumentsAreHeld has the ways in which a block could go unnoticed be noticed.
func TestDocumentsAreHeld(t *testing.T) {
	tests := testSources(t)
	for name, document := range map[string]string{"TestSlotsRecipe": "docs/field.md", "TestNowhere": "README.md", "no-such-snippet": "README.md"} {
		if tests.read(name, document) {
			t.Errorf("%s is taken for a test of %s", name, document)
		}
	}
	for _, mark := range []string{"<!-- not run: -->", "<!-- not run: later -->", "<!-- test: -->", "<!-- test: a b -->"} {
		if notRunMark.MatchString(mark) || testMark.MatchString(mark) {
			t.Errorf("%s is a mark", mark)
		}
	}
}

package adding

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/endpoint"
)

const (
	root   = "../.."
	manual = root + "/docs/adding.md"
)

// section is what the manual says of one kind.
type section struct {
	named []string // every file that it names
	other []string // those that name one of the kind for a reason of their own
}

var path = regexp.MustCompile("`([a-z][^` ]*/[^` ]*\\.(?:go|c|md))`")

// sections are those of the manual, by their headings.
func sections(t *testing.T) map[string]*section {
	t.Helper()
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*section{}
	for _, part := range strings.Split(string(text), "\n## ")[1:] {
		heading, body, _ := strings.Cut(part, "\n")
		s := &section{}
		for _, line := range strings.Split(body, "\n") {
			for i, found := range path.FindAllStringSubmatch(line, -1) {
				s.named = append(s.named, found[1])
				if i == 0 && strings.HasPrefix(line, "- ") {
					s.other = append(s.other, found[1])
				}
			}
		}
		all[heading] = s
	}
	return all
}

// words are the string literals of a file's code, and its identifiers behind a dot with it: ".AF_UNIX".
func words(t *testing.T, file string) (all []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				s, err := strconv.Unquote(n.Value)
				if err != nil {
					t.Fatalf("%s: %s: %v", file, n.Value, err)
				}
				all = append(all, s)
			}
		case *ast.SelectorExpr:
			all = append(all, "."+n.Sel.Name)
		}
		return true
	})
	return all
}

// production are the files of the program, by their paths from the root.
func production(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(name, ".") && name != "." || slices.Contains([]string{"integration", "findings", "tools", "testdata", "dist", "bin"}, d.Name())):
			return fs.SkipDir
		case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			all = append(all, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// exactly is a word that is one of these.
func exactly[Name ~string](names []Name) func(string) bool {
	return func(word string) bool { return slices.Contains(names, Name(word)) }
}

// transport is a word that is the name of one, or an endpoint, or of the kernel's for its sockets.
func transport(word string) bool {
	return slices.Contains(endpoint.Networks(), word) ||
		slices.ContainsFunc(endpoint.Networks(), func(n string) bool { return strings.Contains(word, n+"://") }) ||
		slices.Contains([]string{"unix", ".AF_UNIX", ".SockaddrUnix", ".UnixAddr", ".AF_INET", ".SockaddrInet4", ".SockaddrInet6"}, word)
}

func verbs() (names []string) {
	for _, v := range control.Verbs() {
		names = append(names, v.Name)
	}
	return names
}

// What the manual says is where one is added names it, and nobody else does.
func TestNobodyElseNamesOne(t *testing.T) {
	manual, files := sections(t), production(t)
	if len(files) < 200 {
		t.Fatalf("only %d files: %q", len(files), files)
	}
	for heading, names := range map[string]func(string) bool{
		"A policy":    exactly(pairing.Policies()),
		"A lease":     exactly(pairing.Strategies()[1:]), // "none" is none of many things
		"A verb":      exactly(verbs()),
		"A transport": transport,
	} {
		said := manual[heading]
		if said == nil {
			t.Fatalf("the manual says nothing of %s", heading)
		}
		for _, file := range files {
			i := slices.IndexFunc(words(t, filepath.Join(root, file)), names)
			switch {
			case i >= 0 && !slices.Contains(said.named, file):
				t.Errorf("%s: %s names %q, and the manual does not say so", heading, file, words(t, filepath.Join(root, file))[i])
			case i < 0 && slices.Contains(said.other, file):
				t.Errorf("%s: %s names none any more", heading, file)
			}
		}
	}
}

// The manual names no file that is not there.
func TestManualNamesFiles(t *testing.T) {
	for heading, s := range sections(t) {
		if len(s.named) == 0 {
			t.Errorf("%s: no file", heading)
		}
		for _, file := range s.named {
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s: %v", heading, err)
			}
		}
	}
}

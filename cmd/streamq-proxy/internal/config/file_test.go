package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"
)

const goodPool = "pools:\n  - name: a\n    frontend: [tcp://127.0.0.1:1]\n    backend: [tcp://127.0.0.1:2]\n"

// A file that is nested without end is refused before the parser, which would
// need gigabytes, sees it.
func TestDeepFilesAreRefused(t *testing.T) {
	t.Parallel()
	steps := strings.Builder{}
	for i := range 200 {
		steps.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for name, text := range map[string]string{
		"brackets":        "pools: " + strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000),
		"braces":          strings.Repeat("{a: ", 50_000),
		"quoted brackets": strings.Repeat("[ \"]\", ", 50_000),
		"noted brackets":  strings.Repeat("[ # ]\n", 50_000),
		"dashes":          strings.Repeat("- ", 50_000) + "a",
		"indentation":     steps.String(),
		"tags":            "a: " + strings.Repeat("!!x\n  ", 50_000),
		"anchors":         "a: [" + strings.Repeat("&x ", 50_000),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := planned(text)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.HasSuffix(err.Error(), ": nested too deeply for a configuration file") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %.200v", name, err)
		}
		// Other tests run beside this one, so this is far above what it takes.
		if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 500 {
			t.Errorf("%s: took %d MiB", name, took)
		}
	}
	many := goodPool + "    workers:\n" + strings.Repeat("      - {endpoint: \"tcp://[::1]:6000\"} # a [ in a comment\n", 1000)
	if _, err := parse("f.yaml", []byte(many)); err != nil {
		t.Errorf("a long one: %v", err)
	}
}

// A flat file that would take the parser long, or much memory, is refused too,
// and one with as many workers as anybody has is not.
func TestEndlessFilesAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"keys":    strings.Repeat("a: 1\n", 100_000),
		"nulls":   "pools:\n" + strings.Repeat("-\n", 200_000),
		"braces":  "pools: {" + strings.Repeat("a,", 200_000) + "}",
		"words":   "pools: [" + strings.Repeat("a,", 200_000) + "a]",
		"remarks": strings.Repeat("#\n", 200_000),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := planned(text)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.HasSuffix(err.Error(), ": too much for a configuration file: more than 50000 YAML tokens") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %.200v", name, err)
		}
		// Other tests run beside this one, so this is far above what it takes.
		if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 500 {
			t.Errorf("%s: took %d MiB", name, took)
		}
	}
	var many strings.Builder
	many.WriteString(goodPool + "    workers:\n")
	for i := range 4500 {
		fmt.Fprintf(&many, "      - {name: w%d, endpoint: \"tcp://10.0.%d.%d:6000\"}\n", i, i/250, i%250)
	}
	if s, err := parse("f.yaml", []byte(many.String())); err != nil || len(s.Pools[0].Workers) != 4500 {
		t.Errorf("4500 workers: %v", err)
	}
}

func TestByteOrderMarkIsSkipped(t *testing.T) {
	t.Parallel()
	if err := planned("\ufeff" + goodPool); err != nil {
		t.Error(err)
	}
}

func TestOnlyRegularFilesAreRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, pipe, "/dev/null"} {
		if _, err := Read(name); err == nil || err.Error() != name+": not a regular file" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A terminal gets neither endless lines nor what it would obey, and the caret
// stays below its place.
func TestExcerpts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5000)
	for _, text := range []string{
		goodPool + "    policy: " + long + "\n",
		goodPool + "    " + long + ": 1\n",
		goodPool + "    \"\\e[31m\": 1\n",
		"log: {level: info, format: text, access: true, " + strings.Repeat(" ", 3000) + "nonsense: 1}\n" + goodPool,
		goodPool + "    policy: \"\x1b[31mred\x7f\"\n",
		"log: {\"level\": \"in\x1bfo\", nonsense: 1}\n" + goodPool,
	} {
		err := planned(text)
		if err == nil {
			t.Fatalf("%.100q: no mistake", text)
		}
		var marked string
		for _, line := range strings.Split(err.Error(), "\n") {
			if n := utf8.RuneCountInString(line); n > 2*maxLine {
				t.Errorf("a line of %d characters", n)
			}
			for _, r := range line {
				if r < ' ' || r == 0x7f {
					t.Errorf("%q is written as it is", r)
				}
			}
			if strings.HasPrefix(line, ">") {
				marked = line
			}
			if strings.TrimLeft(line, " ") == "^" && strings.Contains(text, "nonsense") && !strings.HasPrefix(marked[len(line)-1:], "nonsense") {
				t.Errorf("the caret is not below its place:\n%s", err)
			}
		}
	}
}

// The number of mistakes that are shown is bounded, and with it the time.
func TestMistakesAreBounded(t *testing.T) {
	t.Parallel()
	var all Mistakes
	if err := planned("pools:\n" + strings.Repeat("  - {}\n", 10_000)); !errors.As(err, &all) || len(all) != maxMistakes {
		t.Errorf("%d mistakes", len(all))
	}
}

func TestFirstUnknownFieldIsShown(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		goodPool + "    aa: 1\n    bb: 2\n    cc: 3\ndd: 4\n": `f.yaml:5:5: unknown field "aa"` + "\n",
		"log: {x: 1, y: 2}\nz: 3\n" + goodPool:                `f.yaml:1:7: unknown field "x"` + "\n",
		"frontend: [tcp://*:1]\nbackend: [tcp://*:2]\n":       `f.yaml:1:1: unknown field "frontend" (it belongs to a pool, under pools:)` + "\n",
		"workers: []\n": `f.yaml:1:1: unknown field "workers" (it belongs to a pool, under pools:)` + "\n",
	} {
		for range 20 {
			if err := planned(text); err == nil || !strings.HasPrefix(err.Error(), says) {
				t.Fatalf("got %v\nwant %s", err, says)
			}
		}
	}
}

package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestRequirementsAreShown holds docs/requirements.md: every requirement and every scenario has a row, none is left out in
// between, and each row names tests, or targets of make, that are there.
func TestRequirementsAreShown(t *testing.T) {
	text, err := os.ReadFile("../docs/requirements.md")
	must(t, err)
	makefile, err := os.ReadFile("../Makefile")
	must(t, err)
	sources := strings.Join(testSources(t), "\n")
	next := map[string]int{"R": 1, "S": 1}
	for _, row := range regexp.MustCompile(`(?m)^\| ([RS])(\d+) \| [^|]+ \| (.+) \|$`).FindAllStringSubmatch(string(text), -1) {
		kind, number, shown := row[1], row[2], row[3]
		if n, err := strconv.Atoi(number); err != nil || n != next[kind] {
			t.Errorf("%s%s follows %s%d", kind, number, kind, next[kind]-1)
		}
		next[kind]++
		names := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(shown, -1)
		if len(names) == 0 && !strings.Contains(shown, "](#") {
			t.Errorf("nothing shows %s%s", kind, number)
		}
		for _, n := range names {
			if !isTest(n[1], sources) && !isTarget(n[1], string(makefile)) && !strings.HasPrefix(n[1], "go test -bench") && !isPackage(n[1]) {
				t.Errorf("%s%s: there is no %s", kind, number, n[1])
			}
		}
	}
	if next["R"] <= 25 || next["S"] <= 6 {
		t.Errorf("the last rows are R%d and S%d", next["R"]-1, next["S"]-1)
	}
	_, shows, _ := strings.Cut(string(text), "\n## How it shows itself\n")
	rows := regexp.MustCompile("(?m)^\\| ([^|-][^|]+) \\| ([^|]*`[^|]*) \\|$").FindAllStringSubmatch(shows, -1)
	if len(rows) < 20 {
		t.Errorf("%d rows say how it shows itself", len(rows))
	}
	for _, row := range rows {
		for _, n := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[2], -1) {
			if !isTest(n[1], sources) && !isTarget(n[1], string(makefile)) {
				t.Errorf("%s: there is no %s", row[1], n[1])
			}
		}
	}
}

// isTest is a test by its name, or by that and a subtest's.
func isTest(name, sources string) bool {
	test, _, _ := strings.Cut(name, "/")
	return strings.HasPrefix(test, "Test") && strings.Contains(sources, "func "+test+"(t *testing.T)")
}

func isTarget(name, makefile string) bool {
	target, found := strings.CutPrefix(name, "make ")
	return found && strings.Contains(makefile, "\n"+target+":")
}

// isPackage is a directory of the tree that a row says its tests are in, or a step of the checks.
func isPackage(name string) bool {
	_, err := os.Stat(filepath.Join("..", name))
	return err == nil
}

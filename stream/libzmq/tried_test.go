package libzmq

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// The versions that were tried are those of the table that `make matrix` writes.
func TestTriedIsTheMatrix(t *testing.T) {
	text, err := os.ReadFile("../../docs/matrix.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, m := range regexp.MustCompile(`(?m)^\| (4\.\d+\.\d+) \(`).FindAllSubmatch(text, -1) {
		rows = append(rows, string(m[1]))
	}
	slices.Sort(rows)
	if rows = slices.Compact(rows); !slices.Equal(rows, Tried()) {
		t.Errorf("docs/matrix.md has %v, the program says %v", rows, Tried())
	}
}

package document

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	page := func(table string) string { return "before\n" + Made("make it", table) + "after\n" }
	if err := os.WriteFile(file, []byte(page("old\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Put(file, "make it", "new\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != page("new\n") {
		t.Errorf("%q %v", got, err)
	}
	if err := Put(file, "make another", "x\n"); err == nil {
		t.Error("a document without a place for it takes it")
	}
}

package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every configuration that a document shows as a whole is one.
func TestConfigurationsOfDocuments(t *testing.T) {
	t.Parallel()
	var text []byte
	for _, file := range []string{"deploy/README.md", "docs/field.md"} {
		one, err := os.ReadFile(filepath.Join("../../../..", file))
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, one...)
	}
	n := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(block[1], "frontend:") {
			continue
		}
		n++
		s, err := parse("README.md", []byte(block[1]))
		if err == nil {
			_, err = s.Plan(testCPUs)
		}
		if err != nil {
			t.Errorf("%v\nin\n%s", err, block[1])
		}
	}
	if n < 2 {
		t.Errorf("%d are shown", n)
	}
}

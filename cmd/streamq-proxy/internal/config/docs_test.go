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
	for _, pattern := range []string{"README.md", "deploy/README.md", "docs/*.md", "docs/*/*.md"} {
		files, err := filepath.Glob(filepath.Join("../../../..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			one, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, one...)
		}
	}
	n := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(block[1], "frontend:") {
			continue
		}
		n++
		s, err := parse("document", []byte(block[1]))
		if err == nil {
			_, err = s.Plan(testCPUs)
		}
		if err != nil {
			t.Errorf("%v\nin\n%s", err, block[1])
		}
	}
	if n < 5 {
		t.Errorf("%d are shown", n)
	}
}

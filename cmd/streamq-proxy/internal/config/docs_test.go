package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every configuration that deploy shows as a whole is one.
func TestConfigurationsOfDeploy(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../../deploy/README.md")
	if err != nil {
		t.Fatal(err)
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
	if n == 0 {
		t.Error("none is shown")
	}
}

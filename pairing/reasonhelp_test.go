package pairing

import (
	"strings"
	"testing"
)

// Every reason has a cause and a cure, in whole sentences.
func TestReasonsAreExplained(t *testing.T) {
	for _, r := range append(Reasons(), reasonCount) {
		for _, text := range []string{r.Cause(), r.Cure()} {
			if r == reasonCount {
				if text != "" {
					t.Errorf("no reason is explained by %q", text)
				}
			} else if !strings.HasSuffix(text, ".") {
				t.Errorf("%v is explained by %q", r, text)
			}
		}
	}
}

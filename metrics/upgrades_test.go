package metrics

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestUpgrades: each process goes on with what the one before it has counted; the success is counted by who has taken over.
func TestUpgrades(t *testing.T) {
	t.Parallel()
	want := func(u *Upgrades, failed, succeeded int) {
		t.Helper()
		exposition := fmt.Sprintf(`
# HELP streamq_upgrades_total Times that another process was to go on in this one's place; counted on from process to process.
# TYPE streamq_upgrades_total counter
streamq_upgrades_total{result="failure"} %d
streamq_upgrades_total{result="success"} %d
`, failed, succeeded)
		if err := testutil.CollectAndCompare(u, strings.NewReader(exposition)); err != nil {
			t.Error(err)
		}
	}
	u := NewUpgrades()
	want(u, 0, 0)
	u.Done(errors.New("a mistake"))
	want(u, 1, 0)
	for n := 1; n <= 2; n++ {
		u.Done(nil)
		want(u, 1, n-1)
		next := NewUpgrades()
		next.Succeeded(u.Counts())
		want(next, 1, n)
		u = next
	}
}

package stream

import (
	"fmt"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

const (
	// failedEvery is between two lines of the log that sum up who has failed.
	failedEvery = time.Minute
	// failedWorst is how many addresses such a line names.
	failedWorst = 3
)

// sumUpFailed writes one, if anybody has failed since the last.
func (l *loop) sumUpFailed() {
	if l.clock < l.failedAt {
		return
	}
	l.failedAt = l.clock + failedEvery
	l.someFailed = false
	sum := l.table.FailedSince(l.clock, failedWorst)
	if sum.Count == 0 {
		return
	}
	var reasons, worst []string
	for why, n := range sum.Reasons {
		if n > 0 {
			reasons = append(reasons, fmt.Sprintf("%v=%d", pairing.Reason(why), n))
		}
	}
	for _, f := range sum.Worst {
		worst = append(worst, fmt.Sprintf("%s=%d", f.Address, f.Count))
	}
	l.cfg.Log.Info("clients were not served", "pool", l.fixed.Name, "clients", sum.Count, "reasons", strings.Join(reasons, " "),
		"addresses", sum.Addresses, "worst", strings.Join(worst, " "))
}

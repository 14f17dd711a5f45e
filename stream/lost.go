package stream

import (
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// lostPause is how long at least it is until another hint that was lost is logged.
const lostPause = time.Minute

// lostHints is what was logged of hints whose connection did not come.
type lostHints struct {
	last pairing.LostHint // that was not logged yet
	some bool             // there is one
	told uint64           // of how many the log knows
	next time.Duration    // may be told again
}

// tellLostHint logs the last hint that was lost, and how many there were since one
// was logged.
func (l *loop) tellLostHint() {
	k := &l.lost
	if h, is := l.table.LostHint(); is {
		k.last, k.some = h, true
	}
	if !k.some || l.clock < k.next {
		return
	}
	all := l.table.Stats(l.clock).HintsExpired
	about := []any{"pool", l.cfg.Name, "identity", k.last.Identity}
	if k.last.Endpoint != "" {
		about = append(about, "endpoint", k.last.Endpoint)
	} else {
		about = append(about, "address", k.last.Address)
	}
	came := "nobody without a name"
	if len(k.last.Came) > 0 {
		came = strings.Join(k.last.Came, " ")
	}
	about = append(about, "came", came, "hints", all-k.told)
	l.cfg.Log.Warn("the connection that HELLO or HINT spoke of did not come (behind NAT the proxy sees another far end)", about...)
	k.told, k.some, k.next = all, false, l.clock+lostPause
}

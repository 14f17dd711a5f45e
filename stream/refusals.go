package stream

import (
	"fmt"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// A crowd that is refused again and again would be a line each time. Few are told one
// by one; of more there is a line a second at most.
const (
	refusalsTold  = 10 // a second, one by one
	refusalsEvery = time.Second
)

// refusals are the clients that were refused in this second.
type refusals struct {
	begun time.Duration
	count int
	quiet [pairing.NumReasons]int // that the log has not been told of
	many  bool                    // there are such
}

// refused takes in a refusal and says whether it is one too many to be told by itself.
func (l *loop) refused(why pairing.Reason) (quiet bool) {
	r := &l.refusals
	if l.clock-r.begun >= refusalsEvery {
		l.sumUpRefusals()
		r.begun, r.count = l.clock, 0
	}
	if r.count++; r.count <= refusalsTold {
		return false
	}
	r.quiet[why]++
	r.many = true
	return true
}

// next is when there is a line to be written.
func (r *refusals) next() (at time.Duration, ok bool) { return r.begun + refusalsEvery, r.many }

// sumUpRefusals writes it.
func (l *loop) sumUpRefusals() {
	r := &l.refusals
	if !r.many {
		return
	}
	var by []string
	sum := 0
	for why, n := range r.quiet {
		if n > 0 {
			by = append(by, fmt.Sprintf("%v=%d", pairing.Reason(why), n))
			sum += n
		}
	}
	l.cfg.Log.Info("more clients were refused", "pool", l.fixed.Name, "clients", sum, "reasons", strings.Join(by, " "), "held", len(l.held.heap))
	r.quiet, r.many = [pairing.NumReasons]int{}, false
}

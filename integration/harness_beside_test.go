package integration

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// beModest has the callers and the ends of the pair, which are goroutines of this process, keep out of each other's way:
// the kernel and not Go's scheduler shares out the CPU between them, and garbage is collected seldom.
func beModest(t *testing.T) {
	threads, percent := runtime.GOMAXPROCS(16), debug.SetGCPercent(1000)
	t.Cleanup(func() { runtime.GOMAXPROCS(threads); debug.SetGCPercent(percent) })
}

// What is measured of round trips beside a load.
const (
	loadSlice = time.Second
	loadPairs = 4 // each has a round trip every two milliseconds
)

// sideLoad is what somebody does to a proxy beside its pairs.
type sideLoad interface {
	refresh(t testing.TB)                  // before each slice
	run(t testing.TB, slice time.Duration) // it returns when the slice is over
	said(t *testing.T) string              // how much it was
}

// loadBench is some pairs of one proxy and what is measured of them.
type loadBench struct {
	pairs              []*steady
	alone, there, here *loadCase
}

// loadCase is what goes on beside the pairs, and their round trips in each round.
type loadCase struct {
	name   string
	slice  time.Duration
	load   sideLoad // nil for none
	rounds [][]time.Duration
}

// newLoadBench has pairs at work at a frontend; there is the load on another proxy, here the same on theirs.
func newLoadBench(t *testing.T, ctx *zmq.Context, sec security, frontend string, slice time.Duration, there, here sideLoad) *loadBench {
	t.Helper()
	b := &loadBench{
		alone: &loadCase{name: "alone", slice: slice},
		there: &loadCase{name: "load on another proxy", slice: slice, load: there},
		here:  &loadCase{name: "load on this proxy", slice: slice, load: here},
	}
	for i := range loadPairs {
		b.pairs = append(b.pairs, startSteady(t, ctx, sec, frontend, strconv.Itoa(i)))
	}
	return b
}

// measure is some rounds, and tells what they were like.
func (b *loadBench) measure(t *testing.T, rounds int) {
	t.Helper()
	for i := range rounds {
		b.round(t, i%2 == 1)
	}
	b.report(t)
}

// round measures each case: the two loads in the order there, here, here, there, or the other way round.
func (b *loadBench) round(t *testing.T, swap bool) {
	t.Helper()
	first, second := b.there, b.here
	if swap {
		first, second = second, first
	}
	times := map[*loadCase][]time.Duration{}
	for _, c := range [...]*loadCase{b.alone, first, second, second, first} {
		if c.load != nil {
			c.load.refresh(t)
		}
		times[c] = append(times[c], b.during(t, c)...)
	}
	for c, all := range times {
		c.rounds = append(c.rounds, all)
	}
}

// during are the round trips of a slice.
func (b *loadBench) during(t *testing.T, c *loadCase) []time.Duration {
	t.Helper()
	times := make([][]time.Duration, len(b.pairs))
	for i, p := range b.pairs {
		p.want(&times[i])
	}
	if c.load == nil {
		time.Sleep(c.slice)
	} else {
		c.load.run(t, c.slice)
	}
	for _, p := range b.pairs {
		p.expectAnswers(t, 1)
		p.want(nil)
	}
	return slices.Concat(times...)
}

func (b *loadBench) report(t *testing.T) {
	t.Helper()
	t.Logf("%-24s %10s %10s %12s  %s", "a round trip", "p50", "p99", "round trips", "beside")
	for _, c := range [...]*loadCase{b.alone, b.there, b.here} {
		said := ""
		if c.load != nil {
			said = c.load.said(t)
		}
		all := slices.Concat(c.rounds...)
		t.Logf("%-24s %10v %10v %12d  %s", c.name, quantile(all, 0.5).Round(time.Microsecond), quantile(all, 0.99).Round(time.Microsecond), len(all), said)
	}
	for _, q := range [...]float64{0.5, 0.99} {
		t.Logf("this proxy to another, p%v: %s", 100*q, compare(b.here.rounds, b.there.rounds, q))
	}
}

// compare tells the ratio of two cases' quantiles and, by drawing rounds anew, where it lies with 95% certainty; and
// the median and the middle half of what the rounds say each for itself.
func compare(ours, theirs [][]time.Duration, q float64) string {
	ratio := func(rounds []int) float64 {
		var a, b []time.Duration
		for _, i := range rounds {
			a, b = append(a, ours[i]...), append(b, theirs[i]...)
		}
		return float64(quantile(a, q)) / float64(quantile(b, q))
	}
	const draws = 400
	n := len(ours)
	all, each, drawn := make([]int, n), make([]float64, n), make([]float64, draws)
	for i := range all {
		all[i], each[i] = i, ratio([]int{i})
	}
	for i := range drawn {
		again := make([]int, n)
		for k := range again {
			again[k] = rand.IntN(n)
		}
		drawn[i] = ratio(again)
	}
	return fmt.Sprintf("x %.3f (95%% interval %.3f..%.3f); of %d rounds the median is %.3f, the quartiles %.3f and %.3f", ratio(all),
		quantile(drawn, 0.025), quantile(drawn, 0.975), n, quantile(each, 0.5), quantile(each, 0.25), quantile(each, 0.75))
}

// quantile lies between the two values next to it.
func quantile[T float64 | time.Duration](values []T, q float64) T {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + T((at-float64(low))*float64(sorted[high]-sorted[low]))
}

package main

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{7}, 7},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 100}, 3.5},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.values, got, c.want)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of nothing = %v", got)
	}
}

func TestSummariseKeepsTheOrderOfRounds(t *testing.T) {
	want := summary{Median: 3, Min: 1, Max: 8, Rounds: []float64{8, 1, 3}}
	if diff := cmp.Diff(want, summarise([]float64{8, 1, 3})); diff != "" {
		t.Error(diff)
	}
}

// A slow round is slow for both, and does not count against either.
func TestPairwiseTakesRoundsTogether(t *testing.T) {
	ours := map[int]float64{0: 10, 1: 100, 2: 30, 4: 5}
	theirs := map[int]float64{0: 20, 1: 200, 3: 1, 4: 0}
	if diff := cmp.Diff([]float64{0.5, 0.5}, pairwise(ours, theirs)); diff != "" {
		t.Error(diff)
	}
}

// played makes a case out of each row's figures of one metric in its rounds.
func played(name string, k kind, m metric, rows map[string][]float64) caseResult {
	c := newCaseResult(benchCase{name: name, kind: k, mechanism: curve, size: 64, count: 1})
	for row, values := range rows {
		for round, v := range values {
			c.add(row, round, figures{m.name: v})
		}
	}
	c.sum()
	return c
}

func TestRatioIsToTheBetterPeer(t *testing.T) {
	c := played("c-64B", throughput, rateMessages, map[string][]float64{
		"splice":  {90, 50, 80},
		"haproxy": {100, 50, 100}, // 0.9, 1, 0.8
		"nginx":   {200, 10, 90},  // 0.45, 5, 0.89: lucky in one round
		"direct":  {100, 100, 100},
	})
	var got []ratio
	for _, r := range ratiosOf(result{}.questions(), []caseResult{c}) {
		if r.Metric == rateMessages.name {
			got = append(got, r)
		}
	}
	want := []ratio{
		{
			Case: "c-64B", Metric: rateMessages.name, Row: "splice", To: "nginx", Goal: 1, More: true,
			Value: summary{Median: 80.0 / 90, Min: 0.45, Max: 5, Rounds: []float64{0.45, 5, 80.0 / 90}},
		},
		{
			Case: "c-64B", Metric: rateMessages.name, Row: "splice", To: "direct", Goal: 0.9, More: true,
			Value: summary{Median: 0.8, Min: 0.5, Max: 0.9, Rounds: []float64{0.9, 0.5, 0.8}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRatioOfWhatShouldBeSmall(t *testing.T) {
	c := played("c-64B", throughput, cpuBytes, map[string][]float64{
		"splice": {2}, "haproxy": {4}, "haproxy-splice": {2.5}, "nginx": {8}, "stream": {6},
	})
	got := ratiosOf(result{}.questions(), []caseResult{c})
	if len(got) != 2 {
		t.Fatalf("%d ratios: %+v", len(got), got)
	}
	if r := got[0]; r.To != "haproxy-splice" || r.Value.Median != 0.8 || !r.Met {
		t.Errorf("splice: %+v", r)
	}
	if r := got[1]; r.Row != "stream" || r.To != "splice" || r.Value.Median != 3 || r.Met {
		t.Errorf("stream: %+v", r)
	}
}

func TestGoalsOfMechanismsStandBesideEachOther(t *testing.T) {
	l := readmeLine{}
	for _, w := range []string{">= 1", "", ">= 1", ">= 0.9"} {
		l.want(w)
	}
	if l.wanted != ">= 1 / >= 0.9" {
		t.Error(l.wanted)
	}
}

func TestAgentIsComparedWithTwoProxies(t *testing.T) {
	c := played("c", oneShot, rateOneShots, map[string][]float64{"agent": {9}, "splice": {12}, "haproxy-twice": {6}})
	got := ratiosOf(result{Agent: true}.questions(), []caseResult{c})
	if len(got) != 2 || got[0].To != "splice" || got[0].Met || got[1].To != "haproxy-twice" || got[1].Value.Median != 1.5 {
		t.Errorf("%+v", got)
	}
	if got := ratiosOf(result{}.questions(), []caseResult{c}); len(got) != 0 {
		t.Errorf("the proxy's run answers %+v", got)
	}
}

func TestSecondBuildIsComparedWithTheFirst(t *testing.T) {
	c := played("c", idle, memory, map[string][]float64{"splice": {10}, "splice-2": {5}})
	got := ratiosOf(result{}.questions(), []caseResult{c})
	if len(got) != 1 || got[0].Row != "splice-2" || got[0].To != "splice" || got[0].Value.Median != 0.5 {
		t.Errorf("%+v", got)
	}
}

func TestRotated(t *testing.T) {
	rows := []row{{name: "a"}, {name: "b"}, {name: "c"}}
	for by, want := range []string{"abc", "bca", "cab", "abc"} {
		got := ""
		for _, r := range rotated(rows, by) {
			got += r.name
		}
		if got != want {
			t.Errorf("rotated by %d: %s, want %s", by, got, want)
		}
	}
}

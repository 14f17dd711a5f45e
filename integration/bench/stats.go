package main

import (
	"maps"
	"math"
	"slices"
)

// summary is what several rounds say of one figure.
type summary struct {
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Rounds []float64 `json:"rounds"`
}

// summarise keeps the values in the order of their rounds. There is at least one.
func summarise(values []float64) summary {
	return summary{Median: median(values), Min: slices.Min(values), Max: slices.Max(values), Rounds: values}
}

// median is the mean of the two in the middle when the number of values is even, and NaN when there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// pairwise divides what one row had in each round by what another had in the same round; a round that either of them
// missed is left out.
func pairwise(ours, theirs map[int]float64) []float64 {
	var ratios []float64
	for _, round := range slices.Sorted(maps.Keys(ours)) {
		if their, ok := theirs[round]; ok && their > 0 {
			ratios = append(ratios, ours[round]/their)
		}
	}
	return ratios
}

// inOrder are the values by round.
func inOrder(values map[int]float64) []float64 {
	var ordered []float64
	for _, round := range slices.Sorted(maps.Keys(values)) {
		ordered = append(ordered, values[round])
	}
	return ordered
}

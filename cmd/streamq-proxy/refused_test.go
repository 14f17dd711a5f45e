package main

import (
	"testing"
	"time"
)

// What is refused is told at once, then once a minute with all that came between.
func TestRefusedIsToldSeldom(t *testing.T) {
	start := time.Unix(1e9, 0)
	r := refused{told: 7} // of another server in the process
	for _, step := range []struct {
		after time.Duration
		count uint64
		want  uint64
	}{{0, 7, 0}, {1, 9, 2}, {2, 500, 0}, {59, 1000, 0}, {61, 1000, 991}, {62, 1001, 0}, {1000, 1001, 1}, {2000, 1001, 0}} {
		if got := r.news(step.count, start.Add(step.after*time.Second)); got != step.want {
			t.Errorf("after %d s, of %d: %d are told, want %d", step.after, step.count, got, step.want)
		}
	}
}

//go:build linux && cgo

package main

import (
	"log/slog"
	"slices"

	"github.com/streamq/streamq-proxy/stream"
)

// standardMechanisms are those of ZMTP (RFCs 23 to 27) and of libzmq.
var standardMechanisms = []string{"NULL", "PLAIN", "CURVE", "GSSAPI"}

// doubtMechanisms warns of names that no standard mechanism has: peers may have
// their own, but one that is misspelt lets nobody in.
func doubtMechanisms(log *slog.Logger, pools []stream.Config) {
	for i := range pools {
		for _, name := range pools[i].Mechanisms {
			if slices.Contains(standardMechanisms, name) {
				continue
			}
			text := "no standard mechanism has this name"
			if meant := nearMechanism(name); meant != "" {
				text += ", did you mean " + meant + "?"
			}
			log.Warn(text, "pool", pools[i].Name, "mechanism", name)
		}
	}
}

// nearMechanism is the standard mechanism that name may be a slip of, or "".
func nearMechanism(name string) string {
	const slips = 2 // two letters that have changed places are two
	for _, m := range standardMechanisms {
		if distance(name, m) <= slips {
			return m
		}
	}
	return ""
}

// distance is how many letters must be put in, left out or replaced to make one
// word of the other (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // from what a has so far to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

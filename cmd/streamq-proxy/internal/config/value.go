package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxDuration is a year: with the longest that Go knows, sums of times would wrap.
const maxDuration = 365 * 24 * time.Hour

// duration reads a duration of Go's spelling: 250ms, 25s, 1m30s. 0 needs no unit.
func duration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil { // or it is longer than Go's longest
		return 0, fmt.Errorf("%q is no duration of at most %.0fh (such as 250ms, 25s or 1m30s)", s, maxDuration.Hours())
	}
	return d, nil
}

// size reads a number of bytes: 4194304, 4096KiB, 4MiB, 1GiB.
func size(s string) (int, error) {
	number, unit := s, 1
	for _, u := range []struct {
		suffix string
		bytes  int
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}} {
		if rest, found := strings.CutSuffix(s, u.suffix); found {
			number, unit = strings.TrimSpace(rest), u.bytes
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt/int64(unit) {
		return 0, fmt.Errorf("%q is no size (such as 4194304, 512KiB or 4MiB)", s)
	}
	return int(n) * unit, nil
}

// oneOf says which of the names s is; one of them must be.
func oneOf[T ~string](s string, names ...T) error {
	for _, n := range names {
		if s == string(n) {
			return nil
		}
	}
	return fmt.Errorf("%q is unknown, want %s", s, Choice(names))
}

// Choice lists names for a person: "a, b or c".
func Choice[T ~string](names []T) string {
	var list string
	for i, n := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			list += " or "
		default:
			list += ", "
		}
		list += string(n)
	}
	return list
}

// printable says why s cannot name a pool or a worker: names are labels of
// metrics and words of log lines.
func printable(s string) error {
	for _, r := range s {
		if !strconv.IsPrint(r) || r == '\uFFFD' {
			return fmt.Errorf("%q is no name: it has a character that cannot be printed", s)
		}
	}
	return nil
}

// ParseWorker reads a worker as flags spell it:
// [NAME=]ENDPOINT[,weight=N][,max=N][,max-handshakes=N][,source=IP]...[,resolve=a|srv][,interval=D].
// What the endpoint is worth is found by [Settings.Plan].
func ParseWorker(s string) (Worker, error) {
	var w Worker
	rest := s
	if name, after, found := strings.Cut(s, "="); found && !strings.Contains(name, "://") {
		if name == "" {
			return w, fmt.Errorf("the name before = is empty")
		}
		w.Name, rest = name, after
	}
	options := strings.Split(rest, ",")
	w.Endpoint = options[0]
	for _, o := range options[1:] {
		switch key, value, _ := strings.Cut(o, "="); key {
		case "weight":
			w.Weight = value
		case "max":
			w.Max = value
		case "max-handshakes":
			w.MaxHandshakes = value
		case "source": // of several addresses each has one
			w.Source = append(w.Source, value)
		case "resolve":
			w.Resolve = value
		case "interval":
			w.Interval = value
		default:
			return w, fmt.Errorf("option %q is unknown, want weight=N, max=N, max-handshakes=N, source=IP, resolve=a|srv or interval=D", o)
		}
	}
	return w, nil
}

package pairing

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is said of an identity, by whichever way it comes: the control socket, a file, or other
// processes.
const (
	MaxName   = 255     // bytes of an identity, a worker's or a pool's name
	MaxPrefer = 16      // workers that an identity prefers or is pinned to
	MaxList   = 1 << 10 // bytes of the list of these, with commas between them
)

// CheckName says why s cannot be the name of something, an identity or a worker: names
// are words of lines and of lists, of 1 to [MaxName] bytes in UTF-8.
func CheckName(what, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("an empty %s", what)
	case len(s) > MaxName:
		return fmt.Errorf("the %s has %d bytes, more than %d", what, len(s), MaxName)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == ',' }):
		return fmt.Errorf("%s %q has a comma or a character that cannot be printed", what, s)
	}
	return nil
}

// CheckPrefer says why workers cannot be those that an identity prefers.
func CheckPrefer(workers []string) error {
	if len(workers) > MaxPrefer {
		return fmt.Errorf("the list names %d workers, more than %d", len(workers), MaxPrefer)
	}
	size := max(0, len(workers)-1)
	for _, w := range workers {
		size += len(w)
	}
	if size > MaxList {
		return fmt.Errorf("the list of workers has %d bytes, more than %d", size, MaxList)
	}
	for _, w := range workers {
		if err := CheckName("worker", w); err != nil {
			return err
		}
	}
	return nil
}

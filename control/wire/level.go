package wire

import (
	"fmt"
	"slices"
	"strings"
)

// Level is what a caller may do.
type Level uint8

// The levels; each may do what those before it may.
const (
	Peer     Level = iota // speak for its own connections
	Operator              // everything
	levelCount
)

var levelNames = [levelCount]string{"peer", "operator"}

// LevelNames are the names of all levels.
func LevelNames() []string { return slices.Clone(levelNames[:]) }

// String is the level in lower case.
func (l Level) String() string {
	if l < levelCount {
		return levelNames[l]
	}
	return fmt.Sprintf("level(%d)", uint8(l))
}

// MarshalText is String.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText is [ParseLevel].
func (l *Level) UnmarshalText(text []byte) (err error) {
	*l, err = ParseLevel(string(text))
	return err
}

// ParseLevel is the inverse of [Level.String].
func ParseLevel(s string) (Level, error) {
	for i, name := range levelNames {
		if name == s {
			return Level(i), nil
		}
	}
	return 0, fmt.Errorf("level %q is unknown: %s", s, strings.Join(LevelNames(), " or "))
}

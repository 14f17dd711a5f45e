package wire

import (
	"fmt"
	"strings"
	"unicode"
)

// CheckName says why s cannot be the name of something, an identity or a worker: names
// are words of lines and of lists, of 1 to [MaxName] bytes.
func CheckName(what, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("an empty %s", what)
	case len(s) > MaxName:
		return fmt.Errorf("the %s has %d bytes, more than %d", what, len(s), MaxName)
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == ',' }):
		return fmt.Errorf("%s %q has a comma or a character that cannot be printed", what, s)
	}
	return nil
}

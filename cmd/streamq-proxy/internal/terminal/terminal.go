package terminal

import (
	"io"
	"unicode"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// Size is that of the terminal which out writes to, in characters, 0 where it does
// not tell. Is says whether out is a terminal: something with a descriptor that is one.
func Size(out io.Writer) (columns, rows int, is bool) {
	f, hasDescriptor := out.(interface{ Fd() uintptr })
	if !hasDescriptor || !term.IsTerminal(int(f.Fd())) {
		return 0, 0, false
	}
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0, true
	}
	return columns, rows, true
}

// Clip is the beginning of a line that fits into so many columns.
func Clip(line string, columns int) string {
	used := 0
	for i, r := range line {
		if used += cells(r); used > columns {
			return line[:i]
		}
	}
	return line
}

// cells are the columns that a terminal gives a character.
func cells(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) { // drawn over the one before
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxLine bounds what is shown of one line, in characters.
const maxLine = 200

// around is how many lines are shown before the place, and after it.
const around = 3

// excerpt shows a place of a file, line and column from 1, with a caret below.
// Long lines are cut on both sides of the caret, and nothing is shown that a
// terminal would obey. (The YAML library's own printer takes a time and memory
// that grow with the square of the file.)
func excerpt(text []byte, line, column int) string {
	lines := strings.Split(strings.TrimRight(string(text), "\n "), "\n")
	from := 0
	if column > maxLine*3/4 {
		from = column - maxLine/2
	}
	var b strings.Builder
	for n := max(1, line-around); n <= min(line+around, len(lines)); n++ {
		marker := " "
		if n == line {
			marker = ">"
		}
		runes := []rune(hidePasswords(strings.TrimSuffix(lines[n-1], "\r")))
		margin := fmt.Sprintf("%s %2d | ", marker, n)
		to := min(from+maxLine, len(runes))
		b.WriteString(margin + escape(string(runes[min(from, to):to])))
		if to < len(runes) {
			b.WriteString("...")
		}
		b.WriteByte('\n')
		if n == line {
			before := escape(string(runes[min(from, len(runes)):min(column-1, len(runes))]))
			b.WriteString(strings.Repeat(" ", len(margin)+utf8.RuneCountInString(before)) + "^\n")
		}
	}
	return strings.TrimRight(b.String(), "\n ")
}

// password is what stands between a user's name and the host of a URL.
var password = regexp.MustCompile(`(://[^\s:@/]*:)([^\s]*)@`)

// hidePasswords has nobody read them who reads what was wrong near by. A place after one stays where it is.
func hidePasswords(line string) string {
	return password.ReplaceAllStringFunc(line, func(s string) string {
		parts := password.FindStringSubmatch(s)
		return parts[1] + strings.Repeat("*", utf8.RuneCountInString(parts[2])) + "@"
	})
}

// brief is a message on one line, cut like a line of the file.
func brief(text string) string {
	runes := []rune(hidePasswords(text))
	if len(runes) > maxLine {
		return escape(string(runes[:maxLine])) + "..."
	}
	return escape(text)
}

// escape spells out what cannot be printed, as Go does.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

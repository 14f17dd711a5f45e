package demo

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/terminal"
)

// Screen is where the demo is seen: a person's terminal, or a plain stream of
// lines (a file, a pipe, a CI log).
type Screen struct {
	out    io.Writer
	live   bool       // a line can be redrawn, and letters beyond ASCII are shown
	colour bool       // live, and nobody asked for none
	width  func() int // columns
	failed error      // the first failure to write
}

// Write passes on what is drawn, and notes whether that failed.
func (s *Screen) Write(b []byte) (int, error) {
	n, err := s.out.Write(b)
	if s.failed == nil {
		s.failed = err
	}
	return n, err
}

// NewScreen finds out what out can show. It is a terminal when its descriptor
// is one and TERM is not dumb; it has colours unless NO_COLOR is set to anything
// (no-color.org). getenv is os.Getenv.
func NewScreen(out io.Writer, getenv func(string) string) *Screen {
	s := &Screen{out: out, width: func() int { return 80 }}
	if _, _, is := terminal.Size(out); !is || getenv("TERM") == "dumb" {
		return s
	}
	s.live = true
	s.colour = getenv("NO_COLOR") == ""
	s.width = func() int {
		if w, _, _ := terminal.Size(out); w > 0 {
			return w
		}
		return 80
	}
	return s
}

// ink is a colour, as the parameter of an SGR sequence (ECMA-48).
type ink string

const (
	bold  ink = "1"
	dim   ink = "2"
	red   ink = "1;31"
	green ink = "1;32"
	cyan  ink = "36"
)

// paint colours text, where there are colours.
func (s *Screen) paint(c ink, text string) string {
	if !s.colour || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// print writes one line.
func (s *Screen) print(format string, args ...any) {
	fmt.Fprintf(s, format+"\n", args...)
}

// pick is the first on a terminal and the second, ASCII, elsewhere.
func (s *Screen) pick(terminal, plain string) string {
	if s.live {
		return terminal
	}
	return plain
}

// redraw replaces the live line. One write, so that it does not flicker.
func (s *Screen) redraw(line string) {
	fmt.Fprint(s, "\r"+s.fit(line)+"\x1b[K")
}

// hideCursor keeps the cursor from jumping about behind the live line; what it
// returns undoes that, and takes the line away.
func (s *Screen) hideCursor() (restore func()) {
	fmt.Fprint(s, "\x1b[?25l")
	return func() { fmt.Fprint(s, "\r\x1b[K\x1b[?25h") }
}

// fit cuts a line to the terminal's width: a longer one would wrap, and could
// not be redrawn. Colour sequences take no room.
func (s *Screen) fit(line string) string {
	room := s.width() - 1
	var b strings.Builder
	for i := 0; i < len(line); {
		if n := sgr(line[i:]); n > 0 {
			b.WriteString(line[i : i+n])
			i += n
			continue
		}
		_, n := utf8.DecodeRuneInString(line[i:])
		if room > 0 {
			b.WriteString(line[i : i+n])
			room--
		}
		i += n
	}
	return b.String()
}

// sgr is the length of the colour sequence that text begins with, 0 for none.
func sgr(text string) int {
	if !strings.HasPrefix(text, "\x1b[") {
		return 0
	}
	return strings.IndexByte(text, 'm') + 1
}

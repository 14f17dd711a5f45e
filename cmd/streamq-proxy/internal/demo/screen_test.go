package demo

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/terminal/terminaltest"
)

func TestScreenFindsOutWhereItIs(t *testing.T) {
	terminal, _ := terminaltest.Open(t, 100, 24)
	for _, c := range []struct {
		name         string
		env          map[string]string
		live, colour bool
	}{
		{"terminal", map[string]string{"TERM": "xterm"}, true, true},
		{"NO_COLOR", map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, true, false},
		{"dumb", map[string]string{"TERM": "dumb"}, false, false},
	} {
		s := NewScreen(terminal, func(name string) string { return c.env[name] })
		if s.live != c.live || s.colour != c.colour {
			t.Errorf("%s: live %v, colour %v; want %v, %v", c.name, s.live, s.colour, c.live, c.colour)
		}
		if c.live && s.width() != 100 {
			t.Errorf("%s: %d columns, want 100", c.name, s.width())
		}
	}
	if s := NewScreen(&bytes.Buffer{}, func(string) string { return "" }); s.live || s.colour {
		t.Error("a buffer is taken for a terminal")
	}
}

func TestScreenFitsTheLiveLine(t *testing.T) {
	p := progress{total: 10 * time.Second}
	p.next(p.started.Add(5*time.Second), seen{replies: 12345}, 8)
	for _, columns := range []int{1, 20, 40, 300} {
		for _, colour := range []bool{false, true} {
			s := &Screen{live: true, colour: colour, width: func() int { return columns }}
			line := s.fit(s.liveLine(&p))
			bare := withoutColours(line)
			if runes(bare) >= columns {
				t.Errorf("%d columns: the line has %d: %q", columns, runes(bare), bare)
			}
			if columns == 300 && !strings.Contains(bare, "12,345 replies") {
				t.Errorf("the line lacks the replies: %q", bare)
			}
			if colour && strings.Count(line, "\x1b[")%2 != 0 {
				t.Errorf("%d columns: a colour is left on: %q", columns, line)
			}
		}
	}
}

func withoutColours(line string) string {
	var b strings.Builder
	for i := 0; i < len(line); {
		if n := sgr(line[i:]); n > 0 {
			i += n
			continue
		}
		b.WriteByte(line[i])
		i++
	}
	return b.String()
}

// On a terminal the cursor comes back and the live line goes away.
func TestScreenLeavesNothingBehind(t *testing.T) {
	out := newOutput()
	s := &Screen{out: out, live: true, colour: true, width: func() int { return 120 }}
	end := startDemo(t, s)
	out.await(t, " replies")
	if err := end(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := out.String()
	hidden, shown := strings.LastIndex(text, "\x1b[?25l"), strings.LastIndex(text, "\r\x1b[K\x1b[?25h")
	if hidden < 0 || shown < hidden {
		t.Errorf("the cursor stays hidden: %q", text)
	}
	if table := text[max(0, shown):]; !strings.Contains(table, "█") || !strings.Contains(table, "lost: 0") {
		t.Errorf("no table behind the live line: %q", table)
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		count(0):                               "0",
		count(999):                             "999",
		count(1000):                            "1,000",
		count(1234567):                         "1,234,567",
		millis(182 * time.Microsecond):         "0.182 ms",
		millis(12345 * time.Microsecond):       "12.3 ms",
		millis(2 * time.Second):                "2000 ms",
		volume(2500):                           "2.5 kB",
		volume(12_300_000):                     "12.3 MB",
		volume(4_560_000_000):                  "4.6 GB",
		several(1, "slot"):                     "1 slot",
		several(2, "slot"):                     "2 slots",
		fmt.Sprint(rate(10, 2*time.Second)):    "5",
		fmt.Sprint(rate(10, 0)):                "0",
		loopback("tcp://[::ffff:127.0.0.1]:5"): "tcp://127.0.0.1:5",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

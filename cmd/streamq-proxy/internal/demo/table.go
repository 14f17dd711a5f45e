package demo

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// table is the last word: who replied how often and how fast, and whether
// anything is missing.
func (s *Screen) table(st *stage, o Options, t *tally, end finish) {
	all := t.seen()
	if !s.live {
		s.print("") // the live line has made room by going away
	}
	s.print("%s", s.paint(bold, row("worker", "mode", "socket", "replies", "p50", "p99")))
	var visitors uint64
	for _, w := range st.workers {
		replies, times := t.of(w.name)
		visitors += w.visitors.Load()
		p50, p99 := millis(times.p50), millis(times.p99)
		if replies == 0 {
			p50, p99 = "-", "-"
		}
		s.print("%s%s", row(w.name, w.mode(), fmt.Sprint(w.kind), count(replies), p50, p99),
			s.paint(cyan, s.bar(replies, all.replies)))
	}
	s.print("%s", s.paint(bold, row("total", "", "", count(all.replies), millis(all.times.p50), millis(all.times.p99))))
	s.print("")
	s.print("%s on %s, each with one worker for as long as it lasted",
		several(uint64(o.Clients), "client"), several(all.connections, "connection"))
	s.print("connect, pairing, CURVE handshake and first reply: p50 %s, p99 %s", millis(all.firsts.p50), millis(all.firsts.p99))
	s.print("%.1f s, %s replies/s, %s through the proxy, still encrypted",
		end.took.Seconds(), count(rate(all.replies, end.took)), volume(end.snapshot.BytesIn+end.snapshot.BytesOut))
	if visitors > 0 {
		s.print("%s from outside answered too", several(visitors, "request"))
	}
	s.print("")
	s.print("requests: %s   replies: %s   %s", count(all.requests), count(all.replies), s.lost(all))
}

func (s *Screen) lost(all seen) string {
	text := "lost: " + count(all.lost)
	if all.lost > 0 {
		return s.paint(red, text)
	}
	return s.paint(green, text)
}

func row(worker, mode, socket, replies, p50, p99 string) string {
	return fmt.Sprintf("%-6s  %-8s  %-6s  %10s  %10s  %10s", worker, mode, socket, replies, p50, p99)
}

// bar shows a share of the whole, on a terminal.
func (s *Screen) bar(part, whole uint64) string {
	if whole == 0 || !s.live {
		return ""
	}
	return "  " + strings.Repeat("█", int(part*barWidth/whole))
}

// runes are the columns of a text without colours.
func runes(text string) int { return utf8.RuneCountInString(text) }

// padded fills a text without colours up to width.
func padded(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-runes(text)))
}

package demo

import (
	"fmt"
	"strings"
)

// shown is how many workers the picture has room for.
const shown = 9

// picture draws what has been started.
func (s *Screen) picture(st *stage, o Options) {
	s.print("%s: CURVE from end to end, and the proxy holds no key", s.paint(bold, "streamq-proxy demo"))
	s.print("")
	_, front := cutPort(st.frontend)
	_, back := cutPort(st.backend)
	top, side, bottom := s.box(16)
	left := several(uint64(o.Clients), "client")
	gap := strings.Repeat(" ", runes(left)+7)
	arrow, dials, slots := s.arrows(o.slots())

	s.print("  %s%s", gap, top)
	rows := st.workers[:min(shown, len(st.workers))]
	for i, w := range rows {
		in, port := gap, ""
		if i == 0 {
			in, port = s.paint(bold, left)+"  "+arrow+" ", "frontend "+front
		}
		way := dials
		if w.dialsIn {
			way = slots
		}
		if w.dialsIn && !rows[max(0, i-1)].dialsIn {
			port = "backend  " + back
		}
		s.print("  %s%s %-14s %s %s  %s", in, side, port, side, way, s.describe(w))
	}
	s.print("  %s%s", gap, bottom)
	if more := len(st.workers) - len(rows); more > 0 {
		s.print("  %s and %s", gap, several(uint64(more), "more worker"))
	}
	s.print("")
}

func (s *Screen) describe(w *worker) string {
	at := strings.TrimPrefix(w.endpoint, "tcp://")
	if w.dialsIn {
		at = "from " + at
	}
	return fmt.Sprintf("%s %-8s  %-6v  %s", s.paint(cyan, fmt.Sprintf("%-3s", w.name)), w.mode(), w.kind, s.paint(dim, at))
}

// box is the outline of the proxy, round that many columns.
func (s *Screen) box(width int) (top, side, bottom string) {
	line := strings.Repeat(s.pick("─", "-"), width)
	top = s.pick("╭", "+") + line + s.pick("╮", "+")
	bottom = s.pick("╰", "+") + line + s.pick("╯", "+")
	return s.paint(dim, top), s.paint(dim, s.pick("│", "|")), s.paint(dim, bottom)
}

// arrows from the clients to the proxy, and between the proxy and a worker of
// either kind.
func (s *Screen) arrows(slots int) (in, dials, dialled string) {
	n := several(uint64(slots), "slot")
	pad := strings.Repeat(s.pick("─", "-"), max(2, 10-len(n)))
	in = s.pick("───▶", "--->")
	dials = s.pick("── dials ──▶", "--- dials -->")
	dialled = s.pick("◀─ "+n+" "+pad, "<-- "+n+" "+pad)
	width := max(runes(dials), runes(dialled))
	return s.paint(dim, in), s.paint(dim, padded(dials, width)), s.paint(dim, padded(dialled, width))
}

// glass prints where one can look at it, and what there is to see.
func (s *Screen) glass(st *stage, o Options) {
	s.print("See it in a browser: %s", s.paint(bold, st.glass.url()))
	if !o.Held {
		s.print("(it goes on until Ctrl-C, with a slow reader, a failing worker, a wrong key and drains, by: streamq-proxy demo --hold)")
		s.print("")
		return
	}
	s.print("and in a shell:      streamq-proxy ctl --control %s workers", st.glass.control.Bound()[0])
	s.print("")
	for _, one := range [][2]string{
		{failingWorker, "a worker at whose port nobody listens: set aside (Workers; ctl workers)"},
		{wrongKey, "a client with another server's key: refused-by-worker (Ends, Handshakes; ctl failing)"},
		{slowReader, "a client that reads less than it asks for, and delays no other (Pairs; ctl explain " + slowReader + ")"},
		{drained, fmt.Sprintf("is drained now and then, every %v (Workers; ctl events); drain another by its button", o.drainEvery)},
	} {
		s.print("  %-12s %s", one[0], one[1])
	}
	s.print("")
}

// invitation prints what joins from outside, to be pasted as it is.
func (s *Screen) invitation(st *stage) {
	s.print("Join in while it runs: paste this into python3 (pyzmq, Debian's python3-zmq)")
	s.print("")
	s.print("import zmq; s = zmq.Context().socket(zmq.REQ); s.curve_publickey, s.curve_secretkey = zmq.curve_keypair()")
	s.print("s.curve_serverkey = b%q; s.connect(%q)", st.server.public, st.frontend)
	s.print("s.send(b%q); print(s.recv_multipart())", "hello")
	s.print("")
}

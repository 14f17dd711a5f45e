package shared

import (
	"bytes"
	"errors"
	"net"
	"sync/atomic"
)

// The client library allocates what a header says, and ends the process at an answer that nobody
// has asked for. Both may come from whatever else listens where a store was thought to be. So all
// that is read goes by this guard, which looks at the frames (RESP, versions 2 and 3), and ends the
// connection before the library sees one that a store does not send.

const (
	// frameMax bounds a text, in bytes: the description of a large cluster is the longest.
	frameMax = 1 << 20
	// itemsMax bounds what an answer consists of.
	itemsMax = 1 << 16
	// textMax bounds the texts of a message together, in bytes.
	textMax = 4 << 20
	// headMax bounds a line.
	headMax = 16 << 10
)

// errFrame is of a connection to what is no store.
var errFrame = errors.New("what answers is no Redis and no Valkey")

// guarded is a connection to a store.
type guarded struct {
	net.Conn
	asked      atomic.Int64 // commands that were written
	out, in    frames
	subscribes bool
	broken     error
}

// guard looks at what is read from a connection. One to a Sentinel may be told what it has
// subscribed to.
func guard(c net.Conn, subscribes bool) net.Conn { return &guarded{Conn: c, subscribes: subscribes} }

// Write counts commands: before they are written, since the answer may be there before Write returns.
func (g *guarded) Write(p []byte) (int, error) {
	n, _ := g.out.feed(p, nil) // the library's own
	g.asked.Add(int64(n))
	return g.Conn.Write(p)
}

func (g *guarded) Read(p []byte) (int, error) {
	if g.broken != nil {
		return 0, g.broken
	}
	n, err := g.Conn.Read(p)
	answers, bad := g.in.feed(p[:n], g.fit)
	if bad == nil && g.asked.Add(-int64(answers)) < 0 {
		bad = errFrame
	}
	if bad != nil {
		g.broken = bad
		return 0, bad
	}
	return n, err
}

// fit says whether something may be told that nobody has asked for.
func (g *guarded) fit(push []byte) bool {
	return g.subscribes || bytes.Equal(push, []byte("invalidate"))
}

// frames finds where messages begin and end in a stream of bytes.
type frames struct {
	head  []byte  // of a line that is not whole yet
	skip  int     // bytes of a text, its end of line included, that are still to come
	open  []int   // items that are still to come of each list that is open, the outermost first
	items int     // of the message
	text  int     // of the message, in bytes
	kind  byte    // of the message: its first byte
	word  []byte  // the first text of a push
	first textual // whether that is being read
}

type textual uint8

const (
	noText textual = iota
	awaited
	reading
)

// feed takes in what has come, and says how many messages have ended that are not pushes. fit,
// unless it is nil, says by its first word whether a push may come.
func (f *frames) feed(p []byte, fit func(push []byte) bool) (ended int, err error) {
	for len(p) > 0 {
		if f.skip > 0 {
			n := min(f.skip, len(p))
			if f.first == reading {
				f.word = append(f.word, p[:n]...)
			}
			f.skip -= n
			p = p[n:]
			if f.skip == 0 {
				if f.first == reading {
					f.first = noText
					if word := bytes.TrimSuffix(f.word, []byte("\r\n")); fit != nil && !fit(word) {
						return ended, errFrame
					}
				}
				ended += f.item()
			}
			continue
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			if f.head = append(f.head, p...); len(f.head) > headMax {
				return ended, errFrame
			}
			return ended, nil
		}
		line := p[:end+1]
		if len(f.head) > 0 {
			f.head = append(f.head, line...)
			line = f.head
		}
		p = p[end+1:]
		n, err := f.line(line)
		f.head = f.head[:0]
		if ended += n; err != nil {
			return ended, err
		}
	}
	return ended, nil
}

// line takes in a line, which ends by "\n".
func (f *frames) line(line []byte) (ended int, err error) {
	if len(line) < 3 || len(line) > headMax || line[len(line)-2] != '\r' {
		return 0, errFrame
	}
	kind, rest := line[0], line[1:len(line)-2]
	if len(f.open) == 0 {
		f.kind, f.items, f.text, f.first, f.word = kind, 0, 0, noText, f.word[:0]
		if kind == '>' {
			f.first = awaited
		}
	} else if kind == '>' || kind == '|' { // which the library takes where messages begin only
		return 0, errFrame
	}
	if f.items++; f.items > itemsMax {
		return 0, errFrame
	}
	switch kind {
	case '+', '-', ':', ',', '(', '#', '_':
		if f.first == awaited && kind != '>' {
			return 0, errFrame
		}
		return f.item(), nil
	case '$', '!', '=':
		n, ok := number(rest)
		if !ok || n > frameMax {
			return 0, errFrame
		}
		if n < 0 {
			return f.item(), nil
		}
		if f.text += n; f.text > textMax {
			return 0, errFrame
		}
		if f.skip = n + 2; f.first == awaited {
			if n > headMax {
				return 0, errFrame
			}
			f.first = reading
		}
		return 0, nil
	case '*', '~', '>', '%', '|':
		n, ok := number(rest)
		if kind == '%' || kind == '|' {
			n *= 2
		}
		if !ok || n > itemsMax || len(f.open) > 16 || kind == '>' && n < 1 {
			return 0, errFrame
		}
		if n <= 0 {
			return f.item(), nil
		}
		f.open = append(f.open, n)
		return 0, nil
	}
	return 0, errFrame
}

// item notes the end of one, and of the lists that end with it; 1 where a message that is an answer ends.
func (f *frames) item() int {
	for len(f.open) > 0 {
		last := len(f.open) - 1
		if f.open[last]--; f.open[last] > 0 {
			return 0
		}
		f.open = f.open[:last]
	}
	if f.kind == '>' || f.kind == '|' {
		return 0
	}
	return 1
}

// number is a length: -1 for none, or up to nine digits.
func number(digits []byte) (n int, ok bool) {
	if string(digits) == "-1" {
		return -1, true
	}
	if len(digits) == 0 || len(digits) > 9 {
		return 0, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = 10*n + int(d-'0')
	}
	return n, true
}

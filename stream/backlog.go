package stream

// backlog holds bytes in order, joined together, until somebody takes them.
type backlog struct {
	buf  []byte
	head int // buf[:head] has been taken
}

// keepBacklog is the capacity that an empty backlog may keep, in bytes.
const keepBacklog = 16 << 10

func (b *backlog) size() int { return len(b.buf) - b.head }

func (b *backlog) empty() bool { return b.head == len(b.buf) }

func (b *backlog) append(data []byte) {
	// Growing while a good part has been taken would double the memory for nothing.
	if len(b.buf)+len(data) > cap(b.buf) && b.head >= len(b.buf)/4 {
		n := copy(b.buf, b.buf[b.head:])
		b.buf, b.head = b.buf[:n], 0
	}
	b.buf = append(b.buf, data...)
}

// front is the oldest bytes, at most limit of them. It is valid until append.
func (b *backlog) front(limit int) []byte {
	return b.buf[b.head:min(len(b.buf), b.head+limit)]
}

// take drops the n oldest bytes.
func (b *backlog) take(n int) {
	b.head += n
	if b.empty() {
		b.reset()
	}
}

func (b *backlog) reset() {
	if cap(b.buf) > keepBacklog {
		b.buf = nil
	}
	b.buf, b.head = b.buf[:0], 0
}

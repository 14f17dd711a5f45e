package stream

// backlog holds bytes in order until somebody takes them. They are kept in
// blocks that a loop uses over and over, so that a peer that is a little slow
// all the time costs neither allocations nor copies of what is kept already.
type backlog struct {
	blocks [][]byte // the first has lost its head, the others are whole
	head   int      // blocks[0][:head] has been taken
	length int
	spare  *spareBlocks // nil: blocks are not used again
}

const (
	blockSize = 64 << 10
	// maxSpareBlocks is what a loop may keep for the next backlog, 2 MiB.
	maxSpareBlocks = 32
)

// spareBlocks are blocks that nobody uses.
type spareBlocks struct{ blocks [][]byte }

func (s *spareBlocks) get() []byte {
	if s == nil || len(s.blocks) == 0 {
		return make([]byte, 0, blockSize)
	}
	last := len(s.blocks) - 1
	block := s.blocks[last]
	s.blocks = s.blocks[:last]
	return block
}

func (s *spareBlocks) put(block []byte) {
	if s != nil && len(s.blocks) < maxSpareBlocks {
		s.blocks = append(s.blocks, block[:0])
	}
}

// A backlog that is nil is empty.

func (b *backlog) size() int {
	if b == nil {
		return 0
	}
	return b.length
}

func (b *backlog) empty() bool { return b.size() == 0 }

func (b *backlog) append(data []byte) {
	b.length += len(data)
	for len(data) > 0 {
		last := len(b.blocks) - 1
		if last < 0 || len(b.blocks[last]) == cap(b.blocks[last]) {
			b.blocks = append(b.blocks, b.spare.get())
			last++
		}
		block := b.blocks[last]
		n := min(len(data), cap(block)-len(block))
		b.blocks[last] = append(block, data[:n]...)
		data = data[n:]
	}
}

// front is the oldest bytes, as many as lie together. They are valid until take.
func (b *backlog) front() []byte { return b.blocks[0][b.head:] }

// take drops the n oldest bytes, at most those of front.
func (b *backlog) take(n int) {
	b.head += n
	b.length -= n
	if b.head < len(b.blocks[0]) {
		return
	}
	b.head = 0
	b.spare.put(b.blocks[0])
	last := copy(b.blocks, b.blocks[1:])
	b.blocks[last] = nil
	b.blocks = b.blocks[:last]
}

// all is a copy of everything, nil for nothing.
func (b *backlog) all() []byte {
	if b.empty() {
		return nil
	}
	data := make([]byte, 0, b.length)
	for i, block := range b.blocks {
		if i == 0 {
			block = block[b.head:]
		}
		data = append(data, block...)
	}
	return data
}

// reset drops everything.
func (b *backlog) reset() {
	if b == nil {
		return
	}
	for _, block := range b.blocks {
		b.spare.put(block)
	}
	b.blocks, b.head, b.length = nil, 0, 0
}

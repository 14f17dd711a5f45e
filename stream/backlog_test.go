package stream

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// A backlog gives back what was put in, in order, whatever is put and taken when.
func TestBacklogKeepsOrder(t *testing.T) {
	src := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 4<<20)
	for i := range data {
		data[i] = byte(src.Uint32())
	}
	var spare spareBlocks
	b := backlog{spare: &spare}
	var got []byte
	for in := 0; in < len(data) || !b.empty(); {
		n := min(src.IntN(3*blockSize), len(data)-in)
		b.append(data[in : in+n])
		in += n
		for range src.IntN(6) {
			if b.empty() {
				break
			}
			front := b.front()
			n := src.IntN(len(front)) + 1
			got = append(got, front[:n]...)
			b.take(n)
		}
		if b.size() != in-len(got) {
			t.Fatalf("size is %d, want %d", b.size(), in-len(got))
		}
	}
	if !bytes.Equal(got, data) {
		t.Error("the bytes are not the same")
	}
	if n := len(spare.blocks); n == 0 || n > maxSpareBlocks {
		t.Errorf("%d blocks are spare", n)
	}
}

func TestBacklogAllocatesNothing(t *testing.T) {
	var spare spareBlocks
	b, data := backlog{spare: &spare}, make([]byte, 3*blockSize)
	n := testing.AllocsPerRun(100, func() {
		b.append(data)
		for !b.empty() {
			b.take(len(b.front()))
		}
	})
	if n >= 1 {
		t.Errorf("%v allocations", n)
	}
	b.append(data)
	if b.reset(); !b.empty() || b.size() != 0 || len(spare.blocks) != 3 {
		t.Errorf("after a reset %d bytes, %d spare blocks", b.size(), len(spare.blocks))
	}
}

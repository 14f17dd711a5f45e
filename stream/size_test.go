package stream

import (
	"testing"
	"unsafe"
)

// What a pair costs for its life is mostly these; an idle one has two connections of each. A
// larger figure is the next size that Go allocates (runtime/sizeclasses.go), which costs every pair as much.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		what       string
		size, most uintptr
	}{
		{"conn", unsafe.Sizeof(conn{}), 96},
		{"ownLink", unsafe.Sizeof(ownLink{}), 32},
		{"flow", unsafe.Sizeof(flow{}), 176},
	} {
		if c.size > c.most {
			t.Errorf("%s takes %d bytes, want %d at most", c.what, c.size, c.most)
		}
	}
}

package pairing

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// FuzzTable makes events of bytes. After each the table must be as its naive
// twin has it, and every invariant must hold.
func FuzzTable(f *testing.F) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 0))
		b := make([]byte, 500)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		next := func(n int) int {
			if len(b) == 0 {
				return 0
			}
			v := int(b[0])
			b = b[1:]
			return v % n
		}
		m := newMachine(next)
		for len(b) > 0 && len(m.log) < 2000 {
			if err := m.event(); err != nil {
				t.Fatalf("%v\n%s", err, strings.Join(m.log, "\n"))
			}
		}
	})
}

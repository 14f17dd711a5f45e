package shared

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

// TestEncodeLoads: all workers are told of, or of more than there is room for those that have most pairs.
func TestEncodeLoads(t *testing.T) {
	for _, is := range []struct{ workers, size, least, most int }{{0, 50, 0, 0}, {10_000, 40, 10_000, 10_000}, {10_000, 255, 1900, 2000}} {
		loads := map[string]int{}
		for i := range is.workers {
			name := fmt.Sprint(i, "-é<\"")
			loads[name+strings.Repeat("x", is.size-len(name))] = i + 1
		}
		was := maps.Clone(loads)
		text, untold := encodeLoads(loads)
		if len(text) > loadsMax || !maps.Equal(was, loads) {
			t.Fatalf("%+v: %d bytes are told, of %d workers now", is, len(text), len(loads))
		}
		told, err := decodeLoads(text)
		if err != nil {
			t.Fatalf("%+v: %v", is, err)
		}
		if len(told) != is.workers-untold || len(told) < is.least || len(told) > is.most {
			t.Errorf("%+v: of %d is told, and of %d not", is, len(told), untold)
		}
		for worker, n := range told {
			if n != loads[worker] || n <= untold {
				t.Errorf("%+v: %q has %d", is, worker, n)
			}
		}
	}
	text, untold := encodeLoads(map[string]int{"w1": 1, "": 2, "a\nb": 3, strings.Repeat("x", maxWorker+1): 4})
	if text != `1 {"w1":1}` || untold != 3 {
		t.Errorf("without what nobody believes it is %q, and of %d is not told", text, untold)
	}
}

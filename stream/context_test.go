package stream

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// When too few descriptors may be open the error names a number that is enough,
// and the least that is.
func TestFewestDescriptors(t *testing.T) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	})
	for _, threads := range []int{1, 2, MaxRelayThreads} {
		enough := fewest(threads)
		for _, n := range []int{100, 260, enough - 1, enough} {
			if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(n), Max: before.Max}); err != nil {
				t.Fatal(err)
			}
			ctx, err := NewContext(1, threads)
			if err == nil {
				err = ctx.Close()
			}
			if want := fmt.Sprintf("at least %d are", enough); n >= enough && err != nil || n < enough && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("with %d descriptors and %d threads: %v", n, threads, err)
			}
		}
	}
}

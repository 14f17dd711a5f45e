package main

import (
	"testing"
	"time"
)

// TestSizesTable has a package's fields be read, as dpkg-deb and apt-cache write them, and the middle of its starts be shown.
func TestSizesTable(t *testing.T) {
	c := &candidate{name: "one", times: []time.Duration{3e6, 1e6, 2e6}, memory: []int64{5 << 20, 4 << 20, 6 << 20}}
	for _, said := range []string{"Package: one\nVersion: 1:2.6.12-1+deb12u2\nInstalled-Size: 1024\nSize: 524288\n", " Package: part\n Version: 9\n Installed-Size: 1024\n"} {
		if err := c.describe(t.Context(), "printf", "%s", said); err != nil {
			t.Fatal(err)
		}
	}
	const want = "| one 2.6.12 | 0.5 MiB | 2.0 MiB | 2 ms (1..3) | 5.0 MiB (4.0 MiB..6.0 MiB) |\n"
	if got := sizesTable([]*candidate{c}, 0); got[len(got)-len(want):] != want {
		t.Errorf("%s, want %s", got, want)
	}
	if c.describe(t.Context(), "printf", "Package: one") == nil {
		t.Error("a package without a version is one")
	}
}

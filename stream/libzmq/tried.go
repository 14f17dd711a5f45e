package libzmq

import "slices"

// Tried are the versions that `make matrix` has run all its cells on, oldest first.
// docs/matrix.md has the table, and a test holds the two together.
func Tried() []string { return []string{"4.3.4", "4.3.5"} }

// IsTried says whether the libzmq that is loaded is one of [Tried]. Others work, too,
// as far as libzmq keeps what it promises (see package seam for what is asked of it
// beyond that).
func IsTried() bool { return slices.Contains(Tried(), Version()) }

//go:build linux && cgo

package main

import "io"

// output is stdout, and remembers the first failure to write to it, which some
// of those who write (cobra's help for one) do not look at.
type output struct {
	to     io.Writer
	failed error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.to.Write(b)
	if o.failed == nil {
		o.failed = err
	}
	return n, err
}

// Fd is the descriptor below, one that cannot be where there is none: then what
// is asked of it (whether it is a terminal) has its answer.
func (o *output) Fd() uintptr {
	if f, is := o.to.(interface{ Fd() uintptr }); is {
		return f.Fd()
	}
	return ^uintptr(0)
}

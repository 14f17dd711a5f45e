//go:build !linux || !cgo

package main

import (
	"fmt"
	"os"
	"runtime"
)

// main is the whole program where there is no proxy: it says so, in one line.
func main() {
	why := "it runs on Linux only, and this is " + runtime.GOOS + ": it needs epoll(7), and that libzmq finds the program's own functions before libc's; " +
		"run it in a container or a virtual machine of Linux (docs/platforms.md)"
	if runtime.GOOS == "linux" {
		why = "it was built without cgo, and so without libzmq: build it with CGO_ENABLED=1, a C compiler and libzmq's headers (docs/platforms.md)"
	}
	fmt.Fprintln(os.Stderr, "streamq-proxy: "+why)
	os.Exit(1)
}

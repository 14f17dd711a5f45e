//go:build linux && cgo

package main

import (
	"os"
	"syscall"
)

/*
#include <fcntl.h>

static int closed;

__attribute__((constructor)) static void look(void) { closed = fcntl(1, F_GETFD) == -1; }

static int stdoutWasClosed(void) { return closed; }
*/
import "C"

// stdoutClosed says whether the process was started without a stdout. Only C can
// look: before Go begins, its runtime opens /dev/null in the place of what is
// missing, so that no file gets the number.
func stdoutClosed() bool { return C.stdoutWasClosed() != 0 }

// closedStdout fails as write(2) would have.
type closedStdout struct{}

func (closedStdout) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: os.Stdout.Name(), Err: syscall.EBADF}
}

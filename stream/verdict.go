package stream

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// wants are the errors of a dial that are our want, not the worker's fault.
// ENOSPC is the poller's (epoll_ctl(2)). EADDRNOTAVAIL is not among them: no port is
// free for another connection to that worker, and another worker can be reached.
var wants = []error{errTooManyDials, unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ENOSPC}

// noPort: this machine has no port for one more connection to the worker.
func noPort(err error) bool { return errors.Is(err, unix.EADDRNOTAVAIL) }

func isWant(err error) bool {
	return slices.ContainsFunc(wants, func(want error) bool { return errors.Is(err, want) })
}

// verdict is what a dial has failed by after one more failure: of all its failures
// the one that tells most of the worker, the first of equals, so that a want of
// ours decides only when nothing was learnt of the worker.
func verdict(soFar, failure error) error {
	if soFar == nil || tells(failure) > tells(soFar) {
		return failure
	}
	return soFar
}

// tells is how much is learnt of the worker by a failure: of a want of ours, or of the client's, nothing, of a
// unix listener without room that it may be there, of all others that it cannot be reached.
func tells(failure error) int {
	switch {
	case isWant(failure), errors.Is(failure, errNoClientAddress):
		return 0
	case errors.Is(failure, unix.EAGAIN), noPort(failure):
		return 1
	}
	return 2
}

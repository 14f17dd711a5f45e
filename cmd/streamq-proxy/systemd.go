//go:build linux && cgo

package main

import (
	"os"
	"strconv"

	"github.com/coreos/go-systemd/v22/daemon"
)

// tellSystemd says something to the service manager (sd_notify(3)), if there is one that listens.
func tellSystemd(what string) {
	_, _ = daemon.SdNotify(false, what) // it is its loss
}

// endsWithSystemd: this is the main process of a service (systemd.exec(5), SYSTEMD_EXEC_PID)
// that has no way to say that another one is.
func endsWithSystemd() bool {
	return os.Getenv("SYSTEMD_EXEC_PID") == strconv.Itoa(os.Getpid()) && os.Getenv("NOTIFY_SOCKET") == ""
}

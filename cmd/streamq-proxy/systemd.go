//go:build linux && cgo

package main

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/given"
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

// givenBySystemd are the listeners that the service manager has made or kept. It keeps those of ours that it is told of
// when $FDSTORE says how many it would (systemd.exec(5); before systemd 254 only the unit can say that).
func givenBySystemd() (*given.Listeners, error) {
	n, _ := strconv.Atoi(os.Getenv("FDSTORE")) // 0 without it
	return given.Of(activation.Files(true), n > 0 && os.Getenv("NOTIFY_SOCKET") != "")
}

// httpGiven is the service manager's listener at an address, nil for none.
func httpGiven(all *given.Listeners, address string) *os.File {
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil // who binds says what is wrong
	}
	fd, found := all.TCP(at.AddrPort())
	if !found {
		return nil
	}
	return os.NewFile(uintptr(fd), address)
}

// storeListeners has the service manager keep the pools' listeners, so that who connects is not refused while the proxy
// is restarted, or has crashed. Those that it has already it does not keep twice.
func (s *server) storeListeners() {
	if !s.given.Stores() {
		return
	}
	for _, p := range s.pools {
		for _, l := range p.Listeners().All() {
			if err := storeWithSystemd(l.FD); err != nil {
				s.log.Warn("the service manager cannot keep a listener", "endpoint", l.Endpoint, "error", err)
			}
		}
	}
}

// storeWithSystemd hands a descriptor to the service manager (sd_pid_notify_with_fds(3)).
func storeWithSystemd(fd int) error {
	to := &net.UnixAddr{Name: os.Getenv("NOTIFY_SOCKET"), Net: "unixgram"}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram"})
	if err != nil {
		return err
	}
	defer func() { _ = socket.Close() }()
	_, _, err = socket.WriteMsgUnix([]byte("FDSTORE=1\nFDNAME=listener"), unix.UnixRights(fd), to)
	return err
}

// watchdog tells the service manager that all is well as often as it wants to hear that (WatchdogSec= of
// systemd.service(5)), for as long as every pool's loop answers: whose loop is stuck is restarted.
func (s *server) watchdog(ctx context.Context) {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.log.Warn("the service manager's watchdog", "error", err)
	}
	if within <= 0 {
		return
	}
	often := time.NewTicker(within / 2)
	defer often.Stop()
	for {
		if silent := s.silentPool(ctx, within/2); silent == "" {
			tellSystemd(daemon.SdNotifyWatchdog)
		} else if ctx.Err() == nil {
			s.log.Error("a loop does not answer: the service manager is not told that all is well", "pool", silent)
		}
		select {
		case <-ctx.Done():
			return
		case <-often.C:
		}
	}
}

// silentPool is the name of a pool whose loop has not answered in time, "" for none.
func (s *server) silentPool(ctx context.Context, within time.Duration) string {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for _, p := range s.pools {
		if err := p.Answers(ctx); err != nil && !errors.Is(err, stream.ErrStopped) {
			return p.Name()
		}
	}
	return ""
}

// leftBySystemd warns of listeners that are at no frontend, backend or http.
func (s *server) leftBySystemd() {
	for _, endpoint := range s.given.Close() {
		s.log.Warn("the service manager's listener is nobody's", "endpoint", endpoint)
	}
}

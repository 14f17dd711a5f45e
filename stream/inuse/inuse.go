package inuse

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
)

const (
	// listening is the state of a TCP socket that listens (include/net/tcp_states.h).
	listening = 10
	// unixListens is the flag of a unix socket that does (__SO_ACCEPTCON, include/linux/net.h).
	unixListens = 1 << 16
	// longest is how long the last words of a program that cannot start may take.
	longest = time.Minute
)

// TCP is the error of an address HOST:PORT that cannot be bound to. It wraps
// [syscall.EADDRINUSE].
func TCP(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return syscall.EADDRINUSE
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return syscall.EADDRINUSE
	}
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return syscall.EADDRINUSE
	}
	return say(tcpHolder(fs, net.ParseIP(host), uint16(n)))
}

// Unix is that of a unix socket's path, or of "@name" in the abstract namespace.
func Unix(path string) error {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return syscall.EADDRINUSE
	}
	all, err := fs.NetUNIX()
	if err != nil {
		return syscall.EADDRINUSE
	}
	for _, s := range all.Rows {
		if s.Path == path && s.Flags&unixListens != 0 { // what was accepted there has the same path
			return say(processOf(fs, s.Inode))
		}
	}
	return syscall.EADDRINUSE
}

// say is the error with the holder's name, if it is known.
func say(holder string) error {
	if holder == "" {
		return syscall.EADDRINUSE
	}
	return fmt.Errorf("%w by %s", syscall.EADDRINUSE, holder)
}

// tcpHolder is who listens at a port of host, nil for every address. Who only has a
// connection from there keeps it, too.
func tcpHolder(fs procfs.FS, host net.IP, port uint16) string {
	holder := ""
	for _, s := range tcpSockets() {
		if s.port != port || s.inode == 0 || !meet(host, s.address) {
			continue // a socket that waits for its end has no inode, and no process
		}
		who := processOf(fs, s.inode)
		if who == "" {
			who = "a process of user " + s.user
		}
		if s.state == listening {
			return who
		}
		holder = who + ", for a connection that it has opened from there"
	}
	return holder
}

// meet says whether two addresses cannot have the same port.
func meet(a, b net.IP) bool {
	return a == nil || a.IsUnspecified() || b.IsUnspecified() || a.Equal(b)
}

// processOf is the process that has a socket, "" if it cannot be seen.
func processOf(fs procfs.FS, inode uint64) string {
	name, pid := process(fs, inode, time.Now().Add(longest))
	switch {
	case pid == 0:
		return ""
	case pid == os.Getpid():
		return "this process"
	case name == "":
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("%s (process %d)", name, pid)
}

// Process is the name and number of the process that has the socket of an inode. The number is 0 when this process
// may not see that, or when it takes longer than patience to look through /proc.
func Process(inode uint64, patience time.Duration) (name string, pid int) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return "", 0
	}
	return process(fs, inode, time.Now().Add(patience))
}

func process(fs procfs.FS, inode uint64, until time.Time) (name string, pid int) {
	all, err := fs.AllProcs()
	if err != nil {
		return "", 0
	}
	want := fmt.Sprintf("socket:[%d]", inode)
	for _, p := range all {
		fds, err := p.FileDescriptorTargets() // of some other user's process it fails
		if time.Now().After(until) {
			return "", 0
		}
		if err == nil && slices.Contains(fds, want) {
			name, _ = p.Comm() // it may have ended
			return name, p.PID
		}
	}
	return "", 0
}

package agent

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/streamq/streamq-proxy/stream/sockdiag"
)

// listener is the socket that a worker on this machine listens with, as the kernel
// shows it.
type listener struct {
	at    netip.AddrPort
	inode uint64                               // 0 when it cannot be seen: elsewhere, or in another network namespace
	look  func(netip.AddrPort) (uint64, error) // by which it was found
}

// listenerOf is that of the far end of a connection.
func listenerOf(conn net.Conn) listener {
	at, ok := onThisMachine(conn)
	if !ok {
		return listener{}
	}
	// Of a kernel without sock_diag there are the tables, which were a third of what an agent costs that
	// looks five times a second.
	for _, look := range []func(netip.AddrPort) (uint64, error){sockdiag.Listener, listensAt} {
		if inode, err := look(at); err == nil && inode != 0 {
			return listener{at, inode, look}
		}
	}
	return listener{}
}

// gone: it is certain that this socket listens no more.
func (l listener) gone() bool {
	inode, err := l.look(l.at)
	return err == nil && inode != l.inode
}

// listensAt is the inode of the socket that listens at an address, or at every
// address with its port, 0 for none, by the kernel's tables (proc_net_tcp of its documents). Of several with SO_REUSEPORT it is the oldest that the
// kernel still shows first or last, always the same one.
func listensAt(at netip.AddrPort) (inode uint64, err error) {
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		found, err := search(table, at)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // there may be no IPv6
			return 0, err
		}
		if found != 0 && (inode == 0 || found < inode) {
			inode = found
		}
	}
	return inode, nil
}

// search looks through one table. Listeners come first in it, so that a machine
// with many connections costs no more.
func search(table string, at netip.AddrPort) (inode uint64, err error) {
	f, err := os.Open(table)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // it was only read
	const address, state, inodeAt, listening = 1, 3, 9, "0A"
	lines := bufio.NewScanner(f)
	lines.Scan() // the heading
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) <= inodeAt || fields[state] != listening {
			break
		}
		own, ok := parseHex(fields[address])
		if !ok || own.Port() != at.Port() || own.Addr() != at.Addr() && !own.Addr().IsUnspecified() {
			continue
		}
		n, err := strconv.ParseUint(fields[inodeAt], 10, 64)
		if err == nil && (inode == 0 || n < inode) {
			inode = n
		}
	}
	return inode, lines.Err()
}

// parseHex reads an address of the tables: words of 32 bits in the machine's own order.
func parseHex(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.BigEndian.PutUint32(b[i:], binary.NativeEndian.Uint32(b[i:]))
	}
	ip, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), ok
}

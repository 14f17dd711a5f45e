package inuse

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"os"
	"strconv"
	"strings"
)

// tcpSocket is a line of /proc/net/tcp or tcp6 (proc(5)).
type tcpSocket struct {
	address net.IP
	port    uint16
	state   uint64
	user    string
	inode   uint64
}

// tcpSockets are all of this network namespace, as far as they can be read.
func tcpSockets() (all []tcpSocket) {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if s, ok := parseTCP(strings.Fields(line)); ok {
				all = append(all, s)
			}
		}
	}
	return all
}

// parseTCP reads a line's fields: sl local_address rem_address st queues timer
// retransmits uid timeout inode, and more. The first line is of their names.
func parseTCP(fields []string) (s tcpSocket, ok bool) {
	if len(fields) < 10 {
		return s, false
	}
	address, port, _ := strings.Cut(fields[1], ":")
	raw, err := hex.DecodeString(address)
	if err != nil || len(raw) != net.IPv4len && len(raw) != net.IPv6len {
		return s, false
	}
	for i := 0; i < len(raw); i += 4 { // each 32 bits in the machine's own order
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	numbers := [3]uint64{}
	for i, of := range []struct {
		text string
		base int
	}{{port, 16}, {fields[3], 16}, {fields[9], 10}} {
		if numbers[i], err = strconv.ParseUint(of.text, of.base, 64); err != nil {
			return s, false
		}
	}
	return tcpSocket{address: raw, port: uint16(numbers[0]), state: numbers[1], user: fields[7], inode: numbers[2]}, true
}

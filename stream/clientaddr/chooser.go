package clientaddr

import (
	"encoding/binary"
	"net/netip"
	"time"
)

const (
	// Rest is how long an address is not given to another client after its last pair has
	// ended: so long may a worker, a log or the kernel (TIME_WAIT) still mean the last one by it.
	Rest = time.Minute
	// Remembered is how many addresses are remembered in any case.
	Remembered = 1 << 16
	// MaxAddresses is how many addresses of a larger prefix are used: as many as
	// 127.64.0.0/10 has.
	MaxAddresses = 1 << 22
)

// Chooser gives addresses to clients. Time is the caller's own, and never goes back.
type Chooser interface {
	// Take is an address for one more pair of a client, which is named by its own
	// address. ok is false when there is none that is free and has rested.
	Take(now time.Duration, client string) (address netip.Addr, ok bool)
	// Keep has an address that another chooser of the same setting gave to a client be taken
	// once more. It says whether it is one that can be.
	Keep(address netip.Addr, client string) bool
	// Release gives back an address, once for each time that it was taken.
	Release(now time.Duration, address netip.Addr)
	// Usage says how many addresses are in use or rest, and how many there are.
	Usage(now time.Duration) (taken, all int)
}

// span is the addresses of a prefix that are used, by number from 0: all but its first
// and its last, which some systems take for a network and for a broadcast.
type span struct {
	prefix netip.Prefix
	count  uint32
}

func spanOf(prefix netip.Prefix) span {
	s := span{prefix, MaxAddresses}
	if bits := prefix.Addr().BitLen() - prefix.Bits(); bits < 32 {
		s.count = min(MaxAddresses, uint32(1)<<bits-2)
	}
	return s
}

// address is the one of that number. Its last four bytes are enough to count in: a prefix
// with more addresses has zeros there.
func (s span) address(number uint32) netip.Addr {
	bytes := s.prefix.Addr().AsSlice()
	low := bytes[len(bytes)-4:]
	binary.BigEndian.PutUint32(low, binary.BigEndian.Uint32(low)+1+number)
	a, _ := netip.AddrFromSlice(bytes)
	return a
}

// has says whether an address is one of the span's.
func (s span) has(a netip.Addr) bool { return s.prefix.Contains(a) && s.number(a) < s.count }

// number is that of an address of the span.
func (s span) number(a netip.Addr) uint32 {
	bytes, first := a.AsSlice(), s.prefix.Addr().AsSlice()
	return binary.BigEndian.Uint32(bytes[len(bytes)-4:]) - binary.BigEndian.Uint32(first[len(first)-4:]) - 1
}

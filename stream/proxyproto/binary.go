package proxyproto

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	upstream "github.com/pires/go-proxyproto"
)

// addresses are the octets of both addresses and ports, by the values of
// octet 14 that the protocol defines.
func addresses(family byte) (octets int, known bool) {
	switch upstream.AddressFamilyAndProtocol(family) {
	case upstream.UNSPEC:
		return 0, true
	case upstream.TCPv4, upstream.UDPv4:
		return 2 * (4 + 2), true
	case upstream.TCPv6, upstream.UDPv6:
		return 2 * (16 + 2), true
	case upstream.UnixStream, upstream.UnixDatagram:
		return 2 * 108, true
	}
	return 0, false
}

// parseBinary looks at version 2. The sender has to write it at once but TCP
// may still split it.
func parseBinary(b []byte) (Header, error) {
	if err := checkBinary(b); err != nil || len(b) < fixed2 {
		return Header{}, err
	}
	length := fixed2 + int(binary.BigEndian.Uint16(b[14:]))
	if length > MaxLength {
		return Header{}, fmt.Errorf("%w: %d octets, at most %d are taken", ErrTooLong, length, MaxLength)
	}
	if len(b) < length {
		return Header{}, nil
	}
	return readBinary(b[:length])
}

// checkBinary refuses version, command and family as soon as they are there.
func checkBinary(b []byte) error {
	if len(b) > 12 {
		switch command := b[12]; {
		case command>>4 != 2:
			return fmt.Errorf("%w: version %d", ErrMalformed, command>>4)
		case command&0xF > 1:
			return fmt.Errorf("%w: command %d", ErrMalformed, command&0xF)
		}
	}
	if len(b) > 13 {
		if _, known := addresses(b[13]); !known {
			return fmt.Errorf("%w: family and protocol %02x", ErrMalformed, b[13])
		}
	}
	return nil
}

// readBinary reads a whole header of version 2, of which octets 13 and 14 are sound.
func readBinary(b []byte) (Header, error) {
	h := Header{Version: 2, Length: len(b)}
	octets, _ := addresses(b[13])
	if err := checkChecksum(b, fixed2+octets); err != nil {
		return Header{}, err
	}
	if upstream.ProtocolVersionAndCommand(b[12]).IsLocal() {
		h.Local = true
		return h, nil // whatever block comes with it has to be ignored
	}
	if len(b) < fixed2+octets {
		return Header{}, fmt.Errorf("%w: a length of %d octets, of which %d are addresses", ErrMalformed, len(b)-fixed2, octets)
	}
	// The library takes no header above 4096 octets. So it is given the addresses
	// alone, and the TLVs by themselves.
	head := bytes.Clone(b[:fixed2+octets])
	binary.BigEndian.PutUint16(head[14:], uint16(octets))
	if octets == 0 {
		h.Local = true
		// The protocol leaves it to the receiver whether PROXY without
		// addresses is taken. It is here; the library refuses it, but reads
		// the same as LOCAL.
		head[12] = byte(upstream.LOCAL)
	}
	read, err := upstream.Read(bufio.NewReaderSize(bytes.NewReader(head), len(head)))
	if err != nil {
		return Header{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if source, destination, ok := read.IPs(); ok {
		from, to, _ := read.Ports()
		h.Source, h.Destination = addrPort(source, from), addrPort(destination, to)
	}
	tlvs, err := upstream.SplitTLVs(b[fixed2+octets:])
	if err != nil {
		return Header{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := h.take(tlvs); err != nil {
		return Header{}, err
	}
	return h, nil
}

func addrPort(ip net.IP, port int) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a.Unmap(), uint16(port))
}

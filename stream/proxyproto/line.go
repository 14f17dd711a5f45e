package proxyproto

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// parseLine looks at version 1, one line of ASCII:
//
//	PROXY TCP4 192.0.2.1 198.51.100.1 56324 5555 CR LF
//	PROXY TCP6 2001:db8::1 2001:db8::2 56324 5555 CR LF
//	PROXY UNKNOWN anything CR LF
func parseLine(b []byte) (Header, error) {
	end := bytes.IndexByte(b[:min(len(b), MaxLine)], '\n')
	if end < 0 {
		return Header{}, checkLine(b)
	}
	if end == 0 || b[end-1] != '\r' {
		return Header{}, fmt.Errorf("%w: the line ends without CR", ErrMalformed)
	}
	h := Header{Version: 1, Length: end + 1}
	fields := strings.Split(string(b[:end-1]), " ")
	if fields[1] == "UNKNOWN" {
		h.Local = true
		return h, nil // the rest must be ignored
	}
	if len(fields) != 6 || fields[1] != "TCP4" && fields[1] != "TCP6" {
		return Header{}, fmt.Errorf("%w: %q", ErrMalformed, b[:end-1])
	}
	var err error
	if h.Source, err = endpoint(fields[2], fields[4]); err == nil {
		h.Destination, err = endpoint(fields[3], fields[5])
	}
	if err != nil {
		return Header{}, err
	}
	return h, nil
}

// checkLine refuses a line that has not ended when it cannot become a header.
func checkLine(b []byte) error {
	if len(b) >= MaxLine {
		return fmt.Errorf("%w: no line within %d octets", ErrTooLong, MaxLine)
	}
	if at := bytes.IndexByte(b, '\r'); at >= 0 && at < len(b)-1 {
		return fmt.Errorf("%w: CR within the line", ErrMalformed)
	}
	return nil
}

// endpoint reads an address of either family, whatever the line calls itself:
// nginx names it after the client's address and writes that of its own listener
// as it is, which differs where another balancer before it changed the family.
func endpoint(address, port string) (netip.AddrPort, error) {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("%w: address %q", ErrMalformed, address)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, fmt.Errorf("%w: port %q", ErrMalformed, port)
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), nil
}

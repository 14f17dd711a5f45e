package clientaddr

import (
	"fmt"
	"net/netip"
	"strings"
)

// The words of a setting.
const (
	transparent = "transparent"
	stable      = "stable"
)

// Setting says what workers are to see of clients. The zero value is nothing: they see
// the proxy's address.
type Setting struct {
	Prefix      netip.Prefix // from which clients have their addresses; the zero value for none
	Stable      bool         // all pairs of a client's address have the same one of these
	Transparent bool         // clients are seen by their own addresses, in place of a prefix
}

// Parse reads PREFIX, PREFIX,stable or transparent; "" is none. A prefix has at least two
// addresses besides its first and its last, which are not used.
func Parse(s string) (Setting, error) {
	switch s {
	case "":
		return Setting{}, nil
	case transparent:
		return Setting{Transparent: true}, nil
	}
	text, option, hasOption := strings.Cut(s, ",")
	if text == transparent && option == stable {
		return Setting{}, fmt.Errorf("%q: a client's own address is stable already, want %s alone", s, transparent)
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || hasOption && option != stable {
		return Setting{}, fmt.Errorf("%q is neither a prefix (such as 127.64.0.0/10 or 2001:db8:1::/64), nor one with ,%s behind it, nor %s", s, stable, transparent)
	}
	switch first := prefix.Masked(); {
	case prefix.Addr().Is4In6():
		return Setting{}, fmt.Errorf("%q: write an IPv4 prefix as such", s)
	case first != prefix:
		return Setting{}, fmt.Errorf("%q has bits behind the prefix, want %v", s, first)
	case prefix.Addr().BitLen()-prefix.Bits() < 2:
		return Setting{}, fmt.Errorf("%q has no address besides its first and its last", s)
	case prefix.Contains(netip.AddrFrom4([4]byte{127, 0, 0, 1})), prefix.Contains(netip.IPv6Loopback()):
		return Setting{}, fmt.Errorf("%q has this machine's own loopback address in it", s)
	case prefix.Addr().IsMulticast(), prefix.Addr().IsUnspecified(), prefix.Addr().IsLinkLocalUnicast():
		return Setting{}, fmt.Errorf("%q is of addresses that nobody can connect from", s)
	}
	return Setting{Prefix: prefix, Stable: hasOption}, nil
}

// Some says whether workers are to see something of clients.
func (s Setting) Some() bool { return s.Transparent || s.Prefix.IsValid() }

// String is the setting in the form that [Parse] reads.
func (s Setting) String() string {
	switch {
	case s.Transparent:
		return transparent
	case !s.Prefix.IsValid():
		return ""
	case s.Stable:
		return s.Prefix.String() + "," + stable
	}
	return s.Prefix.String()
}

// Chooser chooses from the prefix; nil where there is none.
func (s Setting) Chooser() Chooser {
	switch {
	case !s.Prefix.IsValid():
		return nil
	case s.Stable:
		return newStable(spanOf(s.Prefix))
	}
	return newEach(spanOf(s.Prefix))
}

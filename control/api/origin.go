package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// foreign says whether another machine asks, or a page of another site. Identities and addresses
// of clients are for this machine only, and for who is a user by a password, from wherever; who
// comes through a tunnel that ends on it comes from it.
//
// That a page of another site asks a browser says itself (Sec-Fetch-Site; Fetch Metadata Request
// Headers, W3C), unless the site has given a name of its own this machine's loopback address (DNS
// rebinding): so a request must be for a loopback address, or for localhost.
//
// A proxy on this machine comes from a loopback address whoever asks it. One that says so in a
// header is believed; one that says nothing and changes Host, too, cannot be told.
func foreign(r *http.Request, user bool) bool {
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
		return true
	}
	if user {
		return false
	}
	for _, forwarded := range [...]string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(forwarded) != "" {
			return true
		}
	}
	return !Loopback(r.RemoteAddr) || !Loopback(r.Host)
}

// Loopback says whether this is a name, or an address, that a machine has for itself; a port may follow.
func Loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

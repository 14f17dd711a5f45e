package control

import (
	"net/netip"
	"strings"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/wire"
)

// zapEndpoint is where libzmq looks for its authenticator (RFC 27).
const zapEndpoint = "inproc://zeromq.zap.01"

// authenticate answers one request of libzmq for a connection's right to be.
// The user that it tells comes with every message of that connection: the level,
// the domain, and who it is.
func (s *Server) authenticate() error {
	m, err := s.zap.RecvMessage(zmq4.DONTWAIT)
	if err != nil {
		return err
	}
	if len(m) < 6 {
		_, err = s.zap.SendMessage("1.0", "", "500", "not ZAP", "", "")
		return err
	}
	id, at, address, mechanism := m[1], domain(m[2]), m[3], m[5]
	code, text, user := "400", "no access", ""
	if level, who, ok := s.judge(at, mechanism, m[6:]); ok {
		code, text, user = "200", "OK", level.String()+" "+strings.TrimSuffix(string(at), eventsSuffix)+" "+who
	} else {
		s.refused(RefusedKey, unmapped(address), time.Now(), "mechanism", mechanism, "endpoint", string(at))
	}
	_, err = s.zap.SendMessage("1.0", id, code, text, user, "")
	return err
}

// unmapped writes an IPv4 address as one, which libzmq tells as IPv6.
func unmapped(address string) string {
	if ip, err := netip.ParseAddr(address); err == nil {
		return ip.Unmap().String()
	}
	return address
}

// judge says what whoever connects with these credentials may do.
func (s *Server) judge(at domain, mechanism string, credentials []string) (level wire.Level, who string, ok bool) {
	requests := domain(strings.TrimSuffix(string(at), eventsSuffix))
	switch {
	case requests == domainFile && mechanism == "NULL":
		level, ok = wire.Operator, true
	case requests == domainNULL && mechanism == "NULL":
		level, ok = s.cfg.LoopbackLevel, true
	case requests == domainCURVE && mechanism == "CURVE" && len(credentials) == 1 && len(credentials[0]) == 32:
		if err := s.keys.refresh(); err != nil {
			if unlogged, due := s.limiter.due("certificates", time.Now()); due {
				s.log.Warn("control: certificates", "error", err, "unlogged", unlogged)
			}
		}
		var c wire.Cert
		c, ok = s.keys.certs[zmq4.Z85encode(credentials[0])]
		level, who = c.Level, c.Name
	}
	return level, who, ok && (requests == at || level == wire.Operator)
}

// userOf is the inverse of what authenticate tells.
func userOf(user string) (level wire.Level, at domain, who string, ok bool) {
	words := strings.SplitN(user, " ", 3)
	if len(words) != 3 {
		return 0, "", "", false
	}
	level, err := wire.ParseLevel(words[0])
	return level, domain(words[1]), words[2], err == nil
}

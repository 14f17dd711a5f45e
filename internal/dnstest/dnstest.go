package dnstest

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Mode is how the server behaves.
type Mode int32

// The modes.
const (
	Good   Mode = iota
	Silent      // it answers nothing, as one that is dead
	Broken      // it answers SERVFAIL
	Empty       // it knows no name: NXDOMAIN
)

// Service is an SRV record.
type Service struct {
	Priority, Weight, Port uint16
	Target                 string
}

// Server is a DNS server. Its methods may be called from any goroutine.
type Server struct {
	address string
	mode    atomic.Int32
	delay   atomic.Int64
	asked   atomic.Int64
	byTCP   atomic.Int64

	mutex     sync.Mutex
	ttl       uint32
	cut       bool
	addresses map[string][]netip.Addr
	services  map[string][]Service
}

// Start serves until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{ttl: 1, addresses: map[string][]netip.Addr{}, services: map[string][]Service{}}
	udp, tcp := listen(t)
	s.address = udp.LocalAddr().String()
	for _, one := range []*dns.Server{{PacketConn: udp, Handler: s}, {Listener: tcp, Handler: s}} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = one.ActivateAndServe() // it ends when the test does
		}()
		t.Cleanup(func() {
			_ = udp.Close()
			_ = tcp.Close()
			<-done
		})
	}
	return s
}

// listen finds a port that is free for both.
func listen(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 100 {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		tcp, err := net.Listen("tcp", udp.LocalAddr().String())
		if err == nil {
			return udp, tcp
		}
		_ = udp.Close()
	}
	t.Fatal("no port is free")
	return nil, nil
}

// Address is IP:PORT.
func (s *Server) Address() string { return s.address }

// SetMode changes how it behaves.
func (s *Server) SetMode(m Mode) { s.mode.Store(int32(m)) }

// SetDelay has every answer wait for so long.
func (s *Server) SetDelay(d time.Duration) { s.delay.Store(int64(d)) }

// SetTTL is for how long answers hold, in seconds.
func (s *Server) SetTTL(seconds uint32) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.ttl = seconds
}

// Cut has every answer over UDP be cut off, so that it is asked for by TCP.
func (s *Server) Cut(on bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.cut = on
}

// Asked is how many questions it was asked, and how many of them by TCP.
func (s *Server) Asked() (all, byTCP int) { return int(s.asked.Load()), int(s.byTCP.Load()) }

// SetAddresses says which addresses a name has.
func (s *Server) SetAddresses(name string, addresses ...string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var all []netip.Addr
	for _, a := range addresses {
		all = append(all, netip.MustParseAddr(a))
	}
	s.addresses[dns.Fqdn(name)] = all
}

// SetServices says which SRV records a name has.
func (s *Server) SetServices(name string, services ...Service) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.services[dns.Fqdn(name)] = services
}

// ServeDNS implements [dns.Handler].
func (s *Server) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	s.asked.Add(1)
	_, byTCP := w.RemoteAddr().(*net.TCPAddr)
	if byTCP {
		s.byTCP.Add(1)
	}
	time.Sleep(time.Duration(s.delay.Load()))
	m := new(dns.Msg).SetReply(question)
	m.RecursionAvailable = true // or an empty answer would be taken for a referral
	switch Mode(s.mode.Load()) {
	case Silent:
		return
	case Broken:
		m.Rcode = dns.RcodeServerFailure
	case Empty:
		m.Rcode = dns.RcodeNameError
	case Good:
		s.answer(m, byTCP)
	}
	_ = w.WriteMsg(m) // the client may have gone
}

func (s *Server) answer(m *dns.Msg, byTCP bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	q := m.Question[0]
	addresses, services := s.addresses[q.Name], s.services[q.Name]
	if len(addresses)+len(services) == 0 {
		m.Rcode = dns.RcodeNameError
		return
	}
	if s.cut && !byTCP {
		m.Truncated = true
		return
	}
	header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: s.ttl}
	for _, a := range addresses {
		switch {
		case q.Qtype == dns.TypeA && a.Is4():
			m.Answer = append(m.Answer, &dns.A{Hdr: header, A: a.AsSlice()})
		case q.Qtype == dns.TypeAAAA && a.Is6():
			m.Answer = append(m.Answer, &dns.AAAA{Hdr: header, AAAA: a.AsSlice()})
		}
	}
	for _, one := range services {
		if q.Qtype == dns.TypeSRV {
			m.Answer = append(m.Answer, &dns.SRV{Hdr: header, Priority: one.Priority, Weight: one.Weight, Port: one.Port, Target: dns.Fqdn(one.Target)})
		}
	}
}

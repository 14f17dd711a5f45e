package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/streamq/streamq-proxy/internal/dnstest"
	"github.com/streamq/streamq-proxy/internal/leaks"
	"github.com/streamq/streamq-proxy/pairing"
)

func TestMain(m *testing.M) { leaks.Main(m) }

func TestAddressesAreWorkers(t *testing.T) {
	t.Parallel()
	s := dnstest.Start(t)
	r := &resolver{servers: []string{s.Address()}}
	spec := Spec{Kind: Addresses, Name: "orders", Host: "orders.streamq.test", Port: 6000, Weight: 3, MaxPairs: 7, MaxHandshakes: 2, Source: "127.0.0.9"}
	look := r.addresses(spec)
	expect := func(ttl time.Duration, addresses ...string) {
		t.Helper()
		want := answer{ttl: ttl}
		for _, a := range addresses {
			ip := netip.MustParseAddr(a)
			want.workers = append(want.workers, pairing.WorkerConfig{
				Name: "orders-" + a, Endpoint: "tcp://" + netip.AddrPortFrom(ip, 6000).String(), Weight: 3, MaxPairs: 7, MaxHandshakes: 2, Source: "127.0.0.9",
			})
		}
		got, err := look(t.Context())
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(answer{})); diff != "" || err != nil {
			t.Errorf("%v; -want +got\n%s", err, diff)
		}
	}
	s.SetTTL(5)
	s.SetAddresses("orders.streamq.test", "10.0.0.3", "10.0.0.1", "10.0.0.3")
	expect(5*time.Second, "10.0.0.1", "10.0.0.3")
	s.SetTTL(0)
	s.SetAddresses("orders.streamq.test", "fd00::1", "10.0.0.1") // a machine with both is one worker
	expect(time.Millisecond, "10.0.0.1")
	s.SetAddresses("orders.streamq.test", "fd00::2", "fd00::1")
	expect(time.Millisecond, "fd00::1", "fd00::2")

	var many []string
	for i := range 200 {
		many = append(many, fmt.Sprintf("10.0.1.%d", 20+i))
	}
	s.SetTTL(60)
	s.SetAddresses("orders.streamq.test", many...)
	s.Cut(true)
	got, err := look(t.Context())
	if _, byTCP := s.Asked(); len(got.workers) != 200 || err != nil || byTCP == 0 || got.ttl != time.Minute {
		t.Errorf("%d workers for %v, %v; %d questions by TCP", len(got.workers), got.ttl, err, byTCP)
	}
}

func TestServicesAreWorkers(t *testing.T) {
	t.Parallel()
	s := dnstest.Start(t)
	r := &resolver{servers: []string{s.Address()}}
	look := r.services(Spec{Kind: Services, Name: "orders", Host: "_zmtp._tcp.streamq.test", MaxPairs: 7})
	s.SetTTL(9)
	s.SetAddresses("a.streamq.test", "10.0.0.1")
	s.SetAddresses("b.streamq.test", "10.0.0.2", "10.0.0.3")
	s.SetServices("_zmtp._tcp.streamq.test",
		dnstest.Service{Priority: 1, Weight: 30, Port: 6000, Target: "a.streamq.test"},
		dnstest.Service{Priority: 1, Weight: 30, Port: 6001, Target: "a.streamq.test"},
		dnstest.Service{Priority: 1, Weight: 0, Port: 6000, Target: "b.streamq.test"},
		dnstest.Service{Priority: 1, Weight: 10, Port: 6000, Target: "gone.streamq.test"},
		dnstest.Service{Priority: 2, Weight: 10, Port: 6000, Target: "reserve.streamq.test"})
	got, err := look(t.Context())
	want := answer{ttl: 9 * time.Second}
	for _, one := range []struct {
		at     string
		weight int
	}{{"10.0.0.1:6000", 30}, {"10.0.0.1:6001", 30}, {"10.0.0.2:6000", 1}, {"10.0.0.3:6000", 1}} {
		want.workers = append(want.workers, pairing.WorkerConfig{Name: "orders-" + one.at, Endpoint: "tcp://" + one.at, Weight: one.weight, MaxPairs: 7})
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(answer{})); diff != "" || err != nil {
		t.Errorf("%v; -want +got\n%s", err, diff)
	}

	for name, services := range map[string][]dnstest.Service{
		"no target has an address": {{Target: "gone.streamq.test", Port: 1}},
		"a service that is not":    {{Target: "."}},
	} {
		s.SetServices("_zmtp._tcp.streamq.test", services...)
		if a, err := look(t.Context()); !errors.Is(err, errNothing) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

func TestWeightsOfServices(t *testing.T) {
	for _, c := range []struct {
		w, most uint16
		want    int
	}{{0, 0, 1}, {0, 100, 1}, {33, 100, 33}, {256, 256, 256}, {65535, 65535, 256}, {32768, 65535, 128}, {1, 65535, 1}} {
		if got := weight(c.w, c.most); got != c.want {
			t.Errorf("%d of %d is %d", c.w, c.most, got)
		}
	}
}

// What is dead, broken or empty is an error, never an answer with fewer workers.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	s := dnstest.Start(t)
	r := &resolver{servers: []string{s.Address()}}
	s.SetAddresses("orders.streamq.test", "10.0.0.1")
	s.SetServices("orders.streamq.test", dnstest.Service{Target: "orders.streamq.test", Port: 6000})
	for name, look := range map[string]lookup{
		"a":   r.addresses(Spec{Host: "orders.streamq.test", Port: 6000, Weight: 1}),
		"srv": r.services(Spec{Host: "orders.streamq.test"}),
	} {
		for mode, want := range map[dnstest.Mode]string{
			dnstest.Silent: "timeout", dnstest.Broken: "server misbehaving", dnstest.Empty: errNothing.Error(),
		} {
			s.SetMode(mode)
			limit := 20 * time.Second // in which also a busy machine answers
			if mode == dnstest.Silent {
				limit = 200 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			a, err := look(ctx)
			cancel()
			if err == nil || !strings.Contains(err.Error(), want) || len(a.workers) > 0 {
				t.Errorf("%s, mode %d: %v, %+v", name, mode, err, a)
			}
		}
		s.SetMode(dnstest.Good)
		if a, err := look(t.Context()); err != nil || len(a.workers) != 1 {
			t.Errorf("%s: %v, %+v", name, err, a)
		}
	}
}

// Neither is one with an address that no worker can have, beside others that one can.
func TestAnswersOfNobody(t *testing.T) {
	t.Parallel()
	s := dnstest.Start(t)
	r := &resolver{servers: []string{s.Address()}}
	looks := map[string]lookup{
		"a":   r.addresses(Spec{Host: "orders.streamq.test", Port: 6000, Weight: 1}),
		"srv": r.services(Spec{Host: "orders.streamq.test"}),
	}
	port := uint16(6000)
	expect := func(wrong string, addresses ...string) {
		t.Helper()
		s.SetAddresses("orders.streamq.test", addresses...)
		s.SetServices("orders.streamq.test", dnstest.Service{Target: "orders.streamq.test", Port: port})
		for name, look := range looks {
			if a, err := look(t.Context()); err == nil || !strings.Contains(err.Error(), wrong) || len(a.workers) > 0 {
				t.Errorf("%s, %s: %+v, %v", name, wrong, a, err)
			}
		}
	}
	expect("0.0.0.0:6000", "0.0.0.0")
	expect("224.0.0.1:6000", "10.0.0.1", "224.0.0.1")
	expect("255.255.255.255:6000", "10.0.0.1", "255.255.255.255")
	expect("[::]:6000", "::")
	expect("[ff02::1]:6000", "fd00::1", "ff02::1")
	delete(looks, "a")
	port = 0
	expect("10.0.0.1:0", "10.0.0.1")
}

// A nameserver that is dead, or answers SERVFAIL, is left for the next.
func TestNextNameserver(t *testing.T) {
	t.Parallel()
	good, bad := dnstest.Start(t), dnstest.Start(t)
	good.SetAddresses("orders.streamq.test", "10.0.0.1")
	bad.SetMode(dnstest.Broken)
	r := &resolver{servers: []string{bad.Address(), good.Address()}}
	look := r.addresses(Spec{Host: "orders.streamq.test", Port: 6000, Weight: 1})
	for i := range 5 {
		a, err := look(t.Context())
		if i > 0 && (err != nil || len(a.workers) != 1) {
			t.Errorf("%v, %+v", err, a)
		}
	}
	if n, _ := bad.Asked(); n != 1 {
		t.Errorf("the bad one was asked %d times", n)
	}
}

// The hosts file counts, as for any program, and knows no TTL.
func TestHostsFile(t *testing.T) {
	t.Parallel()
	a, err := (&resolver{}).addresses(Spec{Name: "l", Host: "localhost", Port: 6000, Weight: 1})(t.Context())
	want := answer{workers: []pairing.WorkerConfig{{Name: "l-127.0.0.1", Endpoint: "tcp://127.0.0.1:6000", Weight: 1}}}
	if diff := cmp.Diff(want, a, cmp.AllowUnexported(answer{})); diff != "" || err != nil {
		t.Errorf("%v; -want +got\n%s", err, diff)
	}
}

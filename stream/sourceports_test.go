package stream

import (
	"net"
	"testing"
)

func TestReservedPorts(t *testing.T) {
	for list, want := range map[string]int{
		"": 0, "8080": 0, "33000": 1, "33000,33002-33005,61000-62000": 5, "1-40000": 40000 - 32768 + 1, "60000-61000": 1000,
	} {
		if got := portsOf(list, 32768, 60999); got != want {
			t.Errorf("%q: %d, not %d", list, got, want)
		}
	}
	if n, err := SourcePorts(); n < 1 || n > 65535 || err != nil {
		t.Errorf("%d ports, %v", n, err)
	}
}

// Each connection has a port, also for a minute after this side has ended it; those to
// other addresses have ports of their own.
func TestPortsInUse(t *testing.T) {
	listen := func(address string) (endpoint string, dial func() (near, far net.Conn)) {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return "tcp://" + l.Addr().String(), func() (near, far net.Conn) {
			if near, err = net.Dial("tcp", l.Addr().String()); err == nil {
				far, err = l.Accept()
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { near.Close(); far.Close() })
			return near, far
		}
	}
	expect := func(want int, endpoints ...string) {
		t.Helper()
		each, err := PortsInUse(endpoints)
		most := 0
		for _, n := range each {
			most = max(most, n)
		}
		if most != want || err != nil {
			t.Errorf("%v: %v ports are in use, not %d of the one with the most: %v", endpoints, each, want, err)
		}
	}
	a, dialA := listen("127.0.0.81:0")
	b, dialB := listen("[::1]:0")
	expect(0, a, b, "ipc:///run/worker")
	for range 5 {
		dialA()
		near, far := dialB()
		near.Close()
		far.Close()
	}
	near, far := dialA()
	expect(6, a, b)
	expect(5, b)
	near.Close() // first, so that the port is kept from others for a minute
	far.Close()
	expect(6, a)
	_, port, _ := net.SplitHostPort(a[len("tcp://"):])
	expect(6, "tcp://some.name:"+port)
	expect(0, "tcp://127.0.0.82:"+port)
	many := []string{a}
	for range fewPorts {
		e, _ := listen("127.0.0.81:0")
		many = append(many, e)
	}
	expect(6, many...)
}

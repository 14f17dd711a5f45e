package stream

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/clientaddr"
)

func clientAddresses(t *testing.T, s string) clientaddr.Setting {
	t.Helper()
	setting, err := clientaddr.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return setting
}

// newShownRig is a pool whose workers see clients so; skipped where that takes a right that this process has not.
func newShownRig(t *testing.T, setting, worker string, changes ...func(*Config)) *rig {
	t.Helper()
	s := clientAddresses(t, setting)
	if err := TryClientAddresses(s); err != nil && os.Geteuid() != 0 {
		t.Skip(err)
	}
	return newRig(t, append(changes, withWorker(worker), func(c *Config) { c.ClientAddresses = s })...)
}

// clientFrom connects from an address, greets, and is accepted at the worker.
func (r *rig) clientFrom(from string, accept func() net.Conn) (client, worker net.Conn) {
	r.t.Helper()
	front, _ := r.pool.Bound()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	client, err := d.Dial("tcp", strings.TrimPrefix(front[0], "tcp://"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = client.Close() })
	send(r.t, client, signature)
	return client, accept()
}

// seenAs is the address that a worker sees of a client.
func seenAs(worker net.Conn) netip.Addr {
	return netip.MustParseAddrPort(worker.RemoteAddr().String()).Addr()
}

func (r *rig) whois(a netip.Addr) *Whois {
	r.t.Helper()
	k, err := r.pool.WhoisAddress(context.Background(), a, func(string) bool { return true })
	if err != nil {
		r.t.Fatal(err)
	}
	return k
}

// Each pair has an address of its own, which leads to its client as long as it lives.
func TestClientAddresses(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		endpoint, accept := listeningWorker(t)
		r := newShownRig(t, "127.64.0.0/10", endpoint, relay)
		seen := map[netip.Addr]bool{}
		for i := range 4 {
			client, worker := r.clientFrom("127.0.0.1", accept)
			a := seenAs(worker)
			k := r.whois(a)
			switch {
			case seen[a] || !r.cfg.ClientAddresses.Prefix.Contains(a):
				t.Fatalf("client %d is seen as %v, after %v", i, a, seen)
			case k == nil || k.Client.Origin.Endpoint != client.LocalAddr().String() || k.Connections != 1 || k.Host != "127.0.0.1":
				t.Fatalf("whois %v: %+v", a, k)
			}
			seen[a] = true
			if i%2 == 0 {
				_ = client.Close()
				expectEnd(t, worker)
				_ = worker.Close()
				eventually(t, "it is forgotten", func() bool { return r.whois(a) == nil })
			}
		}
		if s := r.snapshot(); s.ClientAddressesTaken != 4 || s.ClientAddresses != clientaddr.MaxAddresses-2 {
			t.Errorf("%d of %d are taken", s.ClientAddressesTaken, s.ClientAddresses)
		}
	})
}

// Clients of one address are one at the worker, too, and of several connections is told what all have.
func TestStableClientAddresses(t *testing.T) {
	endpoint, accept := listeningWorker(t)
	r := newShownRig(t, "127.64.0.0/10,stable", endpoint)
	_, one := r.clientFrom("127.0.0.2", accept)
	_, same := r.clientFrom("127.0.0.2", accept)
	other, third := r.clientFrom("127.0.0.3", accept)
	if seenAs(one) != seenAs(same) || seenAs(one) == seenAs(third) {
		t.Errorf("seen are %v and %v, and %v", seenAs(one), seenAs(same), seenAs(third))
	}
	if k := r.whois(seenAs(one)); k.Connections != 2 || k.Client.Origin.Address != "127.0.0.2" || k.Client.Origin.Endpoint != "" {
		t.Errorf("%+v", k)
	}
	_ = other.Close()
	expectEnd(t, third)
	_ = third.Close()
	if _, again := r.clientFrom("127.0.0.3", accept); seenAs(again) != seenAs(third) {
		t.Errorf("back, it is seen as %v in place of %v", seenAs(again), seenAs(third))
	}
}

// Who asks is told of connections to its own host only.
func TestWhoisAddressOfOwnHost(t *testing.T) {
	endpoint, accept := listeningWorker(t)
	r := newShownRig(t, "127.64.0.0/10,stable", endpoint)
	_, worker := r.clientFrom("127.0.0.2", accept)
	_, _ = r.clientFrom("127.0.0.2", accept)
	k, err := r.pool.WhoisAddress(context.Background(), seenAs(worker), func(host string) bool { return host == "192.0.2.1" })
	if err != nil || k == nil || k.Host != "127.0.0.1" || k.Connections != 1 {
		t.Errorf("%+v, %v", k, err) // whose host is another's, and so is refused by package control
	}
}

// The worker sees the client's own address.
func TestTransparent(t *testing.T) {
	endpoint, accept := listeningWorker(t)
	r := newShownRig(t, "transparent", endpoint)
	client, worker := r.clientFrom("127.0.0.7", accept)
	if a := seenAs(worker); a.String() != "127.0.0.7" {
		t.Fatalf("seen as %v", a)
	}
	if k := r.whois(netip.MustParseAddr("127.0.0.7")); k == nil || k.Client.Origin.Endpoint != client.LocalAddr().String() {
		t.Errorf("%+v", k)
	}
}

// Without an address that it could be shown by a client is refused, alone, and no worker is to blame.
func TestNoClientAddress(t *testing.T) {
	for name, tc := range map[string]struct {
		setting string
		served  int
		from    func(t *testing.T, r *rig)
	}{
		"none is left": {"127.64.0.0/30", 2, func(t *testing.T, r *rig) {
			send(t, r.client(), signature)
		}},
		"of another family": {"transparent", 1, func(t *testing.T, r *rig) {
			front, _ := r.pool.Bound()
			c := dialPeer(t, front[1])
			send(t, c, signature)
		}},
		"that nobody can have": {"transparent", 1, func(t *testing.T, r *rig) {
			front, _ := r.pool.Bound()
			c := dialPeer(t, front[2])
			send(t, c, append([]byte("PROXY TCP4 224.0.0.1 127.0.0.1 7 7\r\n"), signature...))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint, accept := listeningWorker(t)
			socket := fmt.Sprintf("ipc://@streamq-test-%d-%d", os.Getpid(), time.Now().UnixNano())
			r := newShownRig(t, tc.setting, endpoint, func(c *Config) {
				c.Frontend = append(c.Frontend, "tcp://[::1]:0", socket)
				c.ProxySenders.IPC = true
			})
			for range tc.served {
				r.clientFrom("127.0.0.1", accept)
			}
			tc.from(t, r)
			r.expectReasons(1, pairing.NoSourcePort)
			if w := r.snapshot().Workers[0]; w.State != pairing.Ready || w.Failures > 0 || w.Pairs != tc.served {
				t.Errorf("%+v", w)
			}
		})
	}
}

// ledger is a chooser that counts.
type ledger struct {
	clientaddr.Chooser
	taken, released int
}

func (l *ledger) Take(now time.Duration, client string) (netip.Addr, bool) {
	l.taken++
	return l.Chooser.Take(now, client)
}

func (l *ledger) Release(now time.Duration, a netip.Addr) {
	l.released++
	l.Chooser.Release(now, a)
}

// What was taken for a dial is given back once, however that ends.
func TestClientAddressesComeBack(t *testing.T) {
	hole, refused := blackHoleTCP(t), refusing(t, "127.0.0.1")
	for name, endpoint := range map[string]string{"refused": "tcp://" + refused.String(), "no answer": "tcp://" + hole.String(), "served": ""} {
		t.Run(name, func(t *testing.T) {
			var accept func() net.Conn
			if endpoint == "" {
				endpoint, accept = listeningWorker(t)
			}
			r := newShownRig(t, "127.64.0.0/10", endpoint, func(c *Config) { c.ConnectTimeout = 100 * time.Millisecond })
			count := &ledger{}
			r.onLoop(func(l *loop) { count.Chooser, l.shown.chooser = l.shown.chooser, count })
			var conns []net.Conn
			for range 8 {
				c := r.client()
				send(t, c, signature)
				conns = append(conns, c)
				if accept != nil {
					conns = append(conns, accept())
				}
			}
			eventually(t, "they were dialled for", func() (dialled bool) {
				r.onLoop(func(*loop) { dialled = count.taken > 0 })
				return dialled
			})
			for _, c := range conns {
				_ = c.Close()
			}
			eventually(t, "all is given back", func() (all bool) {
				r.onLoop(func(l *loop) {
					all = len(l.shown.conns) == 0 && len(l.dialler.dials) == 0 && count.released == count.taken
				})
				return all
			})
		})
	}
}

// What is missing is one line that says what to do.
func TestTryClientAddresses(t *testing.T) {
	if err := TryClientAddresses(clientAddresses(t, "127.64.0.0/10")); err != nil {
		t.Error(err)
	}
	for _, prefix := range []string{"198.51.100.0/24", "2001:db8:7::/64"} {
		err := TryClientAddresses(clientAddresses(t, prefix))
		if want := "ip route add local " + prefix + " dev lo"; err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", prefix, err)
		}
	}
}

package stream

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// narrowEnv is set in a process of a network of its own, which has 64 ports to dial from.
const narrowEnv = "STREAMQ_TEST_NARROW"

// narrow runs a test again in such a process, and says whether this is it.
func narrow(t *testing.T) bool {
	if os.Getenv(narrowEnv) != "" {
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("20000 20063"), 0o644); err != nil {
			t.Fatal(err)
		}
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("a network of its own takes root")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), narrowEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	return false
}

// acceptAll is a worker that accepts and says nothing.
func acceptAll(t *testing.T, address string) pairing.WorkerConfig {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return pairing.WorkerConfig{Name: address, Endpoint: "tcp://" + address}
}

// A worker that no port is left to dial from is not set aside and stays usable; another one is
// dialled, or another address is dialled from, or its clients wait.
func TestNoSourcePort(t *testing.T) {
	if !narrow(t) {
		return
	}
	one, other := "127.0.0.1:9000", "127.0.0.1:9001"
	for name, tc := range map[string]struct {
		workers        []string
		sources        []string
		own            []string // sources of the workers themselves
		clients, pairs int
	}{
		"one worker":                      {[]string{one}, nil, nil, 80, 64},
		"two workers":                     {[]string{one, other}, nil, nil, 110, 110},
		"two addresses":                   {[]string{one}, []string{"127.0.0.1", "127.0.0.2"}, nil, 80, 80},
		"two addresses of its own":        {[]string{one}, nil, []string{"127.0.0.1,127.0.0.2"}, 80, 80},
		"one of its own, in place of two": {[]string{one}, []string{"127.0.0.1", "127.0.0.2"}, []string{"127.0.0.3"}, 80, 64},
		"one worker with, one without":    {[]string{one, other}, nil, []string{"127.0.0.1,127.0.0.2"}, 200, 192},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *Config) {
				c.Frontend, c.Backend = []string{"ipc://" + filepath.Join(t.TempDir(), "f")}, nil
				for i, address := range tc.workers {
					w := acceptAll(t, address)
					w.Weight = 1 + 3*(1-i)
					if i < len(tc.own) {
						w.Source = tc.own[i]
					}
					c.Workers = append(c.Workers, w)
				}
				for _, s := range tc.sources {
					c.Sources = append(c.Sources, netip.MustParseAddr(s))
				}
				c.Pairing.QueueTimeout = 5 * time.Second // in which also a busy machine has all of them come
			})
			for range tc.clients {
				send(t, r.client(), signature)
			}
			eventually(t, "everybody has a worker, or there is no port", func() bool {
				s := r.snapshot()
				return s.Stats.Clients[pairing.PeerPaired] == tc.pairs && s.Stats.Waiting == tc.clients-tc.pairs
			})
			s := r.snapshot()
			for _, w := range s.Workers {
				if w.State != pairing.Ready || w.Failures > 0 {
					t.Errorf("worker %s is %v and has failed %d times", w.Name, w.State, w.Failures)
				}
			}
			if !s.Usable || (s.Stats.NoSourcePort == 0) != (tc.pairs == tc.clients && len(tc.workers) == 1) {
				t.Errorf("usable: %v; %d dials found no port", s.Usable, s.Stats.NoSourcePort)
			}
			all, bad := SourcePorts()
			if bad != nil || all != 64 || s.SourceAddresses != len(tc.sources) {
				t.Errorf("%d ports from %d addresses: %v", all, s.SourceAddresses, bad)
			}
			for _, w := range s.Workers {
				each, err := PortsInUse([]string{w.Endpoint})
				if used := each[w.Endpoint]; err != nil || used < w.Pairs || used > all*max(1, len(tc.sources), strings.Count(w.Source, ",")+1) {
					t.Errorf("%d of %d ports to %s, which has %d pairs: %v", used, all, w.Name, w.Pairs, err)
				}
			}
			if left := tc.clients - tc.pairs; left > 0 {
				r.expectReasons(left, pairing.NoSourcePort)
			}
		})
	}
}

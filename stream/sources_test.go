package stream

import (
	"errors"
	"net"
	"testing"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/clientaddr"
)

// A worker is dialled from its own sources, and where it has none from the pool's: when it
// was listed, reloaded, added while the pool runs, and when they have changed.
func TestSourceOfAWorker(t *testing.T) {
	t.Parallel()
	own, acceptOwn := listeningWorker(t)
	other, acceptOther := listeningWorker(t)
	r := newRig(t, func(c *Config) {
		c.Backend = nil
		c.Sources, _ = ParseSources("127.0.0.41")
		c.Workers = []pairing.WorkerConfig{{Name: "own", Endpoint: own, Source: "127.0.0.42"}, {Name: "other", Endpoint: other}}
	})
	// comes has a client come, while only one worker takes any.
	comes := func(worker string, accept func() net.Conn, from string) {
		t.Helper()
		for _, w := range r.snapshot().Workers {
			state := pairing.Draining
			if w.Name == worker {
				state = pairing.Ready
			}
			if err := r.pool.SetWorkerState(t.Context(), w.Name, state); err != nil {
				t.Fatal(err)
			}
		}
		client := r.client()
		send(t, client, signature)
		served := accept()
		expect(t, served, signature)
		if got := served.RemoteAddr().(*net.TCPAddr).IP.String(); got != from {
			t.Errorf("%s sees a dial from %s, want %s", worker, got, from)
		}
		_ = client.Close()
		expectEnd(t, served)
	}
	comes("own", acceptOwn, "127.0.0.42")
	comes("other", acceptOther, "127.0.0.41")

	cfg := r.cfg
	cfg.Workers = []pairing.WorkerConfig{{Name: "own", Endpoint: own}, {Name: "other", Endpoint: other, Source: "127.0.0.43"}}
	if err := r.pool.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	comes("own", acceptOwn, "127.0.0.41")
	comes("other", acceptOther, "127.0.0.43")

	third, acceptThird := listeningWorker(t)
	if err := r.pool.AddWorker(t.Context(), pairing.WorkerConfig{Name: "third", Endpoint: third, Source: "127.0.0.44"}); err != nil {
		t.Fatal(err)
	}
	comes("third", acceptThird, "127.0.0.44")
	if err := r.pool.SetSource(t.Context(), "third", ""); err != nil {
		t.Fatal(err)
	}
	comes("third", acceptThird, "127.0.0.41")
	for _, bad := range []string{"here", "0.0.0.0", "127.0.0.1,"} {
		if err := r.pool.SetSource(t.Context(), "third", bad); !errors.Is(err, pairing.ErrWorkerConfig) {
			t.Errorf("source %q: %v", bad, err)
		}
		if err := r.pool.AddWorker(t.Context(), pairing.WorkerConfig{Name: "fourth", Endpoint: third, Source: bad}); !errors.Is(err, pairing.ErrWorkerConfig) {
			t.Errorf("source %q: %v", bad, err)
		}
	}
}

// A worker cannot have sources where it sees clients' addresses.
func TestSourceBesideClientAddresses(t *testing.T) {
	t.Parallel()
	endpoint, _ := listeningWorker(t)
	shown, err := clientaddr.Parse("127.64.0.0/10")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, withWorker(endpoint), func(c *Config) { c.ClientAddresses = shown })
	w := pairing.WorkerConfig{Name: "other", Endpoint: endpoint, Source: "127.0.0.42"}
	if err := r.pool.AddWorker(t.Context(), w); !errors.Is(err, errShown) {
		t.Errorf("a worker was added: %v", err)
	}
	cfg := r.cfg
	cfg.Workers = append(cfg.Workers, w)
	if err := cfg.Validate(); !errors.Is(err, errShown) {
		t.Errorf("a worker may be listed: %v", err)
	}
}

func TestCheckSources(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		endpoint, source string
		right            bool
	}{
		{"tcp://127.0.0.1:1", "", true},
		{"tcp://127.0.0.1:1", "127.0.0.2", true},
		{"tcp://127.0.0.1:1", "::ffff:127.0.0.2", true},
		{"tcp://127.0.0.1:1", "::1,127.0.0.2", true},
		{"tcp://worker.example:1", "127.0.0.2", true},
		{"tcp://127.0.0.1:1", "::1", false},
		{"tcp://[::1]:1", "127.0.0.2", false},
		{"ipc:///run/worker", "127.0.0.2", false},
		{"tcp://127.0.0.1:1", "::", false},
	} {
		if err := CheckSources(pairing.WorkerConfig{Name: "w", Endpoint: tc.endpoint, Source: tc.source}); (err == nil) != tc.right {
			t.Errorf("%s from %q: %v", tc.endpoint, tc.source, err)
		}
	}
}

// An address that no connection can come from is a mistake, although bind(2) takes it.
func TestSourcesAreAddresses(t *testing.T) {
	for _, wrong := range []string{"0.0.0.0", "::", "224.0.0.7", "::ffff:224.0.0.7", "ff02::1", "255.255.255.255", "127.0.0.1,", "host", "127.0.0.1,127.0.0.1", "127.0.0.1,::1,::ffff:127.0.0.1"} {
		if all, err := ParseSources(wrong); err == nil {
			t.Errorf("%s is read as %v", wrong, all)
		}
	}
	if all, err := ParseSources("127.0.0.41,::ffff:127.0.0.42,::1"); err != nil || len(all) != 3 || !all[1].Is4() {
		t.Errorf("%v %v", all, err)
	}
}

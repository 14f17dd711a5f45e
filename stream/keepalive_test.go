package stream

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
)

// kept is what the kernel says of one connection's options, in its own units.
type kept struct{ on, idle, interval, count, userTimeout int }

// kept reads the options back from every connection of the pool.
func (r *rig) kept() (all []kept) {
	r.t.Helper()
	err := r.pool.answer(r.t.Context(), func() error {
		r.pool.loop.table.EachPeer(func(p *pairing.Peer) bool {
			fd := p.Conn.(*conn).link.descriptor()
			get := func(level, option int) int {
				v, err := unix.GetsockoptInt(fd, level, option)
				if err != nil {
					r.t.Errorf("option %d of %v: %v", option, p.Origin(), err)
				}
				return v
			}
			all = append(all, kept{
				get(unix.SOL_SOCKET, unix.SO_KEEPALIVE),
				get(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE),
				get(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL),
				get(unix.IPPROTO_TCP, unix.TCP_KEEPCNT),
				get(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT),
			})
			return true
		})
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

// Every connection has the keepalive and the user timeout that the configuration
// names: clients, workers that dialled in, and workers that were dialled.
func TestKeepAliveIsSet(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   kept
	}{
		{"by default", func(*Config) {}, kept{1, 60, 10, 6, 0}},
		{"as configured", func(c *Config) {
			c.KeepAlive, c.UserTimeout = KeepAlive{5 * time.Second, 2 * time.Second, 3}, 1500*time.Millisecond
		}, kept{1, 5, 2, 3, 1500}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onBothRelays(t, func(t *testing.T, relay func(*Config)) {
				endpoint, accept := listeningWorker(t)
				dialledIn := newRig(t, relay, tc.change)
				dialledIn.pair()
				dialled := newRig(t, relay, tc.change, withWorker(endpoint))
				dialled.dialledPair(accept)
				for where, r := range map[string]*rig{"dialled in": dialledIn, "dialled": dialled} {
					// A dialled one has its options when its pair has lived for a moment.
					eventually(t, where+": both have what is wanted", func() bool {
						return slices.Equal(r.kept(), []kept{tc.want, tc.want})
					})
				}
			})
		})
	}
}

// TestUserTimeoutEndsAPausedReader shows why there is none by default: Linux counts the time in
// which a living peer's window is closed, although that peer answers each probe of it.
func TestUserTimeoutEndsAPausedReader(t *testing.T) {
	for name, limit := range map[string]time.Duration{"with": 500 * time.Millisecond, "without": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(c *Config) { c.UserTimeout = limit })
			_, worker := r.pair() // whose client reads nothing
			go func() {
				for { // until the pair ends
					if _, err := worker.Write(make([]byte, 1<<16)); err != nil {
						return
					}
				}
			}()
			if limit > 0 {
				r.expectReasons(1, pairing.ClientReset)
				return
			}
			time.Sleep(2 * time.Second) // in which the other has long ended
			if all := r.reasons(); len(all) > 0 {
				t.Errorf("it ended: %v", all)
			}
		})
	}
}

func TestKeepAliveOff(t *testing.T) {
	endpoint, accept := listeningWorker(t)
	off := func(c *Config) { c.KeepAlive = KeepAlive{} }
	dialledIn := newRig(t, off)
	dialledIn.pair()
	dialled := newRig(t, off, withWorker(endpoint))
	dialled.dialledPair(accept)
	for _, got := range append(dialledIn.kept(), dialled.kept()...) {
		if got.on != 0 {
			t.Errorf("%+v", got)
		}
	}
}

func TestKeepAliveIsValidated(t *testing.T) {
	for _, tc := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.KeepAlive.Idle = time.Millisecond }, "keepalive-idle: 1ms is not in whole seconds from 1s to 9h6m7s, or 0 for no probes"},
		{func(c *Config) { c.KeepAlive.Interval = MaxKeepAlive + time.Second }, "keepalive-interval: 9h6m8s is not in whole seconds from 1s to 9h6m7s"},
		{func(c *Config) { c.KeepAlive.Count = 0 }, "keepalive-count: 0 is not from 1 to 127"},
		{func(c *Config) { c.UserTimeout = -time.Second }, "user-timeout: -1s is not in whole milliseconds from 0s to 596h31m23.647s"},
		{func(c *Config) { c.UserTimeout = time.Microsecond }, "user-timeout: 1µs is not in whole milliseconds from 0s to 596h31m23.647s"},
	} {
		c := DefaultConfig()
		c.Frontend, c.Backend = []string{"tcp://127.0.0.1:0"}, []string{"tcp://127.0.0.1:0"}
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		tc.change(&c)
		if err := c.Validate(); err == nil || err.Error() != tc.want {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
	// What the kernel takes is what is allowed.
	r := newRig(t, func(c *Config) {
		c.KeepAlive, c.UserTimeout = KeepAlive{MaxKeepAlive, MaxKeepAlive, MaxKeepAliveCount}, MaxUserTimeout
	})
	r.pair()
	for _, got := range r.kept() {
		if want := (kept{1, 32767, 32767, 127, 1<<31 - 1}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// libzmq's listeners keep the options that they were bound with, so a reload
// that would change them for some connections only is refused.
func TestKeepAliveIsFixed(t *testing.T) {
	r := newRig(t)
	for _, change := range []func(*Config){
		func(c *Config) { c.KeepAlive.Idle = 0 },
		func(c *Config) { c.UserTimeout = time.Second },
	} {
		cfg := r.cfg
		change(&cfg)
		if err := r.pool.Reload(t.Context(), cfg); err == nil {
			t.Errorf("%+v %v was taken", cfg.KeepAlive, cfg.UserTimeout)
		}
	}
}

// The times are those of the kernel's tcp_keepalive_timer.
func TestKeepAliveFound(t *testing.T) {
	k := KeepAlive{5 * time.Second, 2 * time.Second, 3}
	for userTimeout, want := range map[time.Duration]time.Duration{
		0:                       11 * time.Second,
		time.Millisecond:        7 * time.Second,
		7 * time.Second:         7 * time.Second,
		7001 * time.Millisecond: 9 * time.Second,
		20 * time.Second:        21 * time.Second,
		MaxUserTimeout:          596*time.Hour + 31*time.Minute + 25*time.Second,
	} {
		if got := k.Found(userTimeout); got != want {
			t.Errorf("with a user timeout of %v: %v, want %v", userTimeout, got, want)
		}
	}
	if got := (KeepAlive{}).Found(time.Second); got != 0 {
		t.Errorf("without probes: %v", got)
	}
}

package integration

import (
	"strings"
	"testing"
	"time"
)

// vanishing is a peer that the kernel is to find, without any lease.
type vanishing struct {
	blackHole
	silent bool // nothing is under way to it, so that keepalive finds it; else the user timeout has to
}

func (v vanishing) String() string {
	way := map[bool]string{true: "listening", false: "dialling"}[v.listens]
	by := map[bool]string{true: "keepalive", false: "user timeout"}[v.silent]
	return strings.Join([]string{by, v.side, way, v.relay}, "/")
}

// flags turn on the one and turn off the other, and are after how long that finds a peer that is gone.
func (v vanishing) flags() (flags []string, after time.Duration) {
	if v.silent {
		return []string{"--keepalive-idle", "1s", "--keepalive-interval", "1s", "--keepalive-count", "2"}, 3 * time.Second
	}
	return []string{"--keepalive-idle", "0", "--user-timeout", "2s"}, 2 * time.Second
}

// TestKernelFindsVanishedPeer cuts the cable of a client, and of a worker, that nothing is sent to, and of one that bytes are
// under way to: keepalive alone, and the user timeout alone, end the pair in their time, as if by a reset, and the partner is
// told by a closed connection.
func TestKernelFindsVanishedPeer(t *testing.T) {
	t.Parallel()
	for _, v := range []vanishing{
		{blackHole{side: "client", relay: "auto"}, true},
		{blackHole{side: "worker", relay: "stream"}, true},
		{blackHole{side: "worker", relay: "auto", listens: true}, true},
		{blackHole{side: "client", relay: "stream"}, false},
		{blackHole{side: "worker", relay: "auto"}, false},
		{blackHole{side: "worker", relay: "stream", listens: true}, false},
	} {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			v.strategy = "none"
			flags, after := v.flags()
			s := newScene(t, v.blackHole, flags...)
			s.fallByTheKernel(t, v.silent, after)
		})
	}
}

func (s *scene) fallByTheKernel(t *testing.T, silent bool, after time.Duration) {
	clientFlags, workerFlags := []string{"--every", "1000"}, []string(nil)
	switch {
	case silent:
	case s.side == "worker":
		clientFlags = []string{"--every", "0.1"} // of which one stays without an answer
	default:
		workerFlags = []string{"--push", "0.1"}
	}
	s.join(t, clientFlags, workerFlags)
	s.client.expectInAll(t, "answer", 1)
	victim, partner := s.client, s.worker
	if s.side == "worker" {
		victim, partner = s.worker, s.client
	}
	if s.side == "client" && !silent {
		victim.expectInAll(t, "pushed", 1)
	}
	if silent { // keepalive does not ask while an acknowledgement is awaited, be it of an answer that has arrived
		s.lost.settled(t)
	}
	if n, _ := partner.count("closed"); n > 0 {
		t.Fatal("the partner was told before anything had happened")
	}
	cut := time.Now()
	s.fall(t, victim)
	partner.expectInAll(t, "closed", 1)
	s.expectAccount(t, s.side+"-reset")
	took := s.endedAt(t).Sub(cut)
	// The last packet may have passed a moment before, and the kernel's timers add up to a second. The rest is for a
	// machine that is busy with something else: no other time limit of the proxy or the kernel is as short.
	if took > after+6*time.Second {
		t.Errorf("found after %v, want %v", took, after)
	}
	t.Logf("found %v after the cut, by a limit of %v", took, after)
	s.beside.expectUntouched(t, s.operated)
}

package integration

import (
	"strings"
	"testing"
	"time"
)

// vanishing is a peer that the kernel is to find, without any lease.
type vanishing struct {
	blackHole
	by string // what finds it
}

// What finds a peer to which nothing is under way: keepalive, or the user timeout in the place of its count. And what
// finds one to which bytes are under way.
const (
	byKeepAlive   = "keepalive"
	byBoth        = "keepalive and user timeout"
	byUserTimeout = "user timeout"
)

func (v vanishing) String() string {
	way := map[bool]string{true: "listening", false: "dialling"}[v.listens]
	return strings.Join([]string{v.by, v.side, way, v.relay}, "/")
}

// flags have nothing else find a peer that is gone, and after is how long that takes.
func (v vanishing) flags() (flags []string, after time.Duration) {
	switch v.by {
	case byKeepAlive:
		return []string{"--keepalive-idle", "1s", "--keepalive-interval", "1s", "--keepalive-count", "2"}, 3 * time.Second
	case byBoth:
		return []string{"--keepalive-idle", "1s", "--keepalive-interval", "1s", "--keepalive-count", "60", "--user-timeout", "1500ms"}, 2 * time.Second
	}
	return []string{"--keepalive-idle", "0", "--user-timeout", "2s"}, 2 * time.Second
}

// TestKernelFindsVanishedPeer cuts the cable of a client, and of a worker, that nothing is sent to, and of one that bytes are
// under way to: keepalive alone, and the user timeout alone, end the pair in their time, as if by a reset, and the partner is
// told by a closed connection. With both the user timeout decides.
func TestKernelFindsVanishedPeer(t *testing.T) {
	t.Parallel()
	for _, v := range []vanishing{
		{blackHole{side: "client", relay: "auto"}, byKeepAlive},
		{blackHole{side: "worker", relay: "stream"}, byKeepAlive},
		{blackHole{side: "worker", relay: "auto", listens: true}, byKeepAlive},
		{blackHole{side: "client", relay: "stream"}, byBoth},
		{blackHole{side: "client", relay: "stream"}, byUserTimeout},
		{blackHole{side: "worker", relay: "auto"}, byUserTimeout},
		{blackHole{side: "worker", relay: "stream", listens: true}, byUserTimeout},
	} {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			v.strategy = "none"
			flags, after := v.flags()
			s := newScene(t, v.blackHole, flags...)
			s.fallByTheKernel(t, v.by != byUserTimeout, after)
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

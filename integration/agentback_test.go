package integration

import (
	"path/filepath"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/client"
)

// TestAgentSlotsAreBack: two seconds after a restarted proxy listens it has the agent's slots again, however long it was
// away, and by their name where the agent tells it and only named ones count. The time is from the proxy's line that it
// listens until its own list of workers has all of them; on a busy machine it is the least of a few tries.
func TestAgentSlotsAreBack(t *testing.T) {
	t.Parallel()
	const slots, within = 6, 2 * time.Second
	for _, by := range []string{"", "ipc", "tcp"} {
		t.Run("control "+by, func(t *testing.T) {
			t.Parallel()
			told := by != ""
			ctx := newContext(t)
			sec := newSecurity(t, "NULL")
			backend := "tcp://" + freePort(t, "127.0.0.1")
			control := "ipc://" + filepath.Join(shortDir(t), "c")
			served := newWorker(t, ctx, zmq.REP, sec)
			flags := []string{"--frontend", "tcp://127.0.0.1:0", "--backend", backend, "--control", control}
			agentFlags := []string{"--proxy", backend, "--worker", served.listen(t, "tcp://127.0.0.1:0"), "--slots", "6"}
			at := control // of the agent
			if by == "tcp" {
				at = "tcp://" + freePort(t, "127.0.0.1")
				flags = append(flags, "--control", at)
			}
			if told {
				flags = append(flags, "--require-hello=workers")
				agentFlags = append(agentFlags, "--control", at, "--name", "w1")
			}
			served.serve(t, echo)
			p := startProxy(t, flags...)
			runAgent(t, agentFlags...)
			has := func() bool {
				n := 0
				c, err := client.Dial(t.Context(), control, nil)
				must(t, err)
				defer c.Close()
				for w, err := range c.Pool("").Workers(t.Context(), client.Filter{}) {
					must(t, err)
					if !told || w.Worker == "w1" {
						n += w.Slots
					}
				}
				return n >= slots
			}
			eventually(t, "the proxy has the slots", has)
			for _, away := range []time.Duration{0, 100 * time.Millisecond, 700 * time.Millisecond, 3 * time.Second} {
				least := time.Hour
				for try := 0; try < 6 && least > within; try++ {
					p.stop(t)
					time.Sleep(away)
					p = startProxy(t, flags...)
					back := time.Now()
					eventually(t, "the slots are back", has)
					took := time.Since(back)
					t.Logf("away for %v, back after %v", away, took)
					least = min(least, took)
				}
				if least > within {
					t.Errorf("the slots are back after %v", least)
				}
				c := newClient(t, ctx, zmq.REQ, sec, "")
				must(t, c.Connect(p.frontend[0]))
				c.send(t, "hello")
				c.recv(t)
				c.close()
			}
		})
	}
}

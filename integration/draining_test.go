package integration

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// TestDrainingListens has a pool drain beside a pair that lives: who connects is let in by the kernel and closed at once,
// and the help of its metric says so.
func TestDrainingListens(t *testing.T) {
	rw := &rawWorker{}
	p := startOperated(t, "--drain-timeout", "20s", "--frontend", "tcp://127.0.0.1:0", "--worker", rw.listen(t, ""))
	client, served := joinRaw(t, p, rw)
	must(t, p.command.Process.Signal(syscall.SIGTERM))
	p.until(t, "the pool drains", func(s samples) bool { return s.of(t, "pool_draining") == 1 })
	late := dialRaw(t, p.frontend[0]) // fails if nobody listens
	late.expectEnd(t)
	response, err := scraper.Get(p.metrics)
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	const help = "# HELP streamq_pool_draining 1 while the pool drains: it listens, and closes who connects."
	if response.StatusCode != http.StatusOK || !strings.Contains(string(text), help) {
		t.Errorf("the metrics do not say %q", help)
	}
	client.send(t, message("still there?"))
	served.expect(t, message("still there?"))
	client.Close()
	served.awaitEnd(t)
}

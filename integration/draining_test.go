package integration

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// TestDrainingCloses has a pool drain beside a pair that lives: its port is closed, so that libzmq's back-off works, and
// the help of its metric says so.
func TestDrainingCloses(t *testing.T) {
	rw := &rawWorker{}
	p := startOperated(t, "--drain-timeout", "20s", "--frontend", "tcp://127.0.0.1:0", "--worker", rw.listen(t, ""))
	client, served := joinRaw(t, p, rw)
	must(t, p.command.Process.Signal(syscall.SIGTERM))
	p.until(t, "the pool drains", func(s samples) bool { return s.of(t, "pool_draining") == 1 })
	at := strings.TrimPrefix(p.frontend[0], "tcp://")
	if late, err := net.Dial("tcp", at); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a late client was let in: %v", err)
		if err == nil {
			late.Close()
		}
	}
	response, err := scraper.Get(p.metrics)
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	const help = "# HELP streamq_pool_draining 1 while the pool drains: it takes nobody, and its pairs go on."
	if response.StatusCode != http.StatusOK || !strings.Contains(string(text), help) {
		t.Errorf("the metrics do not say %q", help)
	}
	client.send(t, message("still there?"))
	served.expect(t, message("still there?"))
	client.Close()
	served.awaitEnd(t)
}

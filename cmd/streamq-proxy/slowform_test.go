//go:build linux && cgo

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/control/api"
)

// A form that comes too slowly, or is cut off, is answered as any that is wrong, and logged with
// the address that it came from. What steers over HTTP is counted without a control socket, too.
func TestFormsThatDoNotComeToTheirEnd(t *testing.T) {
	t.Parallel()
	log := &loggedText{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"run", "--http", "127.0.0.1:0", "--http-admin", "all", "--frontend", "tcp://127.0.0.1:0", "--worker", "w1=tcp://127.0.0.1:1"}, io.Discard, log)
	}()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	address := log.until(t, `msg="serving HTTP" address=`)
	for name, leave := range map[string]func(*net.TCPConn) error{
		"slow":    func(*net.TCPConn) error { return nil },
		"cut off": (*net.TCPConn).CloseWrite,
	} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, err = fmt.Fprintf(c, "POST %s/drain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\nworker", api.Prefix)
		if err == nil {
			err = leave(c.(*net.TCPConn))
		}
		if err == nil {
			err = c.SetDeadline(time.Now().Add(patience))
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		var problem api.Problem
		head, body, _ := strings.Cut(string(text), "\r\n\r\n")
		if err := json.Unmarshal([]byte(body), &problem); err != nil || !strings.HasPrefix(head, "HTTP/1.1 400 ") || problem.Code != 400 || problem.Error != "the form did not come to its end" {
			t.Errorf("%s: %v %s", name, err, text)
		}
	}
	// Each is logged and counted after it was answered.
	const logged = `msg="steered over HTTP" verb=DRAIN args="" code=400 text="the form did not come to its end" level=operator address=127.0.0.1`
	eventually(t, "both are logged", func() bool { return strings.Count(log.String(), logged) == 2 }, log)
	const counted = `streamq_control_requests_total{code="400",verb="DRAIN"} 2` + "\n"
	eventually(t, "both are counted", func() bool {
		answer, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		return err == nil && strings.Contains(string(text), counted)
	}, log)
}

package main

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/metrics"
)

// Connections beyond the seats wait, and are served when a seat is free.
func TestSeats(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newSeats(inner, 1)
	defer s.Close()
	accepted := make(chan net.Conn)
	ended := make(chan error)
	go func() {
		for {
			c, err := s.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	for range 2 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-accepted
	select {
	case <-accepted:
		t.Fatal("two sit on one seat")
	case <-time.After(20 * time.Millisecond): // nothing can be waited for that must not happen
	}
	first.Close()
	first.Close() // a seat is given back once
	second := <-accepted
	s.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	second.Close()
}

// A request that is too large, or not HTTP, is answered and cut off.
func TestHTTPHoldsAgainstStrangeClients(t *testing.T) {
	t.Parallel()
	s := &server{log: slog.New(slog.DiscardHandler), reloads: metrics.NewReloads(time.Now()), upgrades: metrics.NewUpgrades()}
	h, err := listenHTTP("127.0.0.1:0", nil, newHandler(s), s.log)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.serve() }()
	for request, want := range map[string]int{
		"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 2*httpMaxHeader) + "\r\n\r\n": http.StatusRequestHeaderFieldsTooLarge,
		"\x16\x03\x01\x02\x00\x01\r\n\r\n":                               http.StatusBadRequest,
		"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n": http.StatusMethodNotAllowed,
	} {
		c, err := net.Dial("tcp", h.address())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, request) // it may be cut off before it is whole
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Errorf("%.20q: %v", request, err)
		} else if answer.StatusCode != want {
			t.Errorf("%.20q: %s", request, answer.Status)
		}
		c.Close()
	}
	if h.server.ReadHeaderTimeout <= 0 || h.server.ReadTimeout <= 0 || h.server.WriteTimeout <= 0 {
		t.Error("a slow client may stay for ever")
	}
	h.close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Connections that say nothing, or half a request, do not keep a probe from
// being answered: as many as there are seats for a moment, fewer not at all.
func TestHTTPIsReachableBesideSilentClients(t *testing.T) {
	t.Parallel()
	s := &server{log: slog.New(slog.DiscardHandler), reloads: metrics.NewReloads(time.Now()), upgrades: metrics.NewUpgrades()}
	h, err := listenHTTP("127.0.0.1:0", nil, newHandler(s), s.log)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.serve() }()
	probe := func() (took time.Duration) {
		t.Helper()
		client := http.Client{Timeout: patience, Transport: &http.Transport{}}
		begin := time.Now()
		answer, err := client.Get("http://" + h.address() + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		took = time.Since(begin)
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK || !answer.Close {
			t.Errorf("%s, connection kept: %v", answer.Status, !answer.Close)
		}
		return took
	}
	var silent []net.Conn
	open := func(n int) {
		for range n {
			c, err := net.Dial("tcp", h.address())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(c, []string{"", "GET /healthz HTTP/1.1\r\n"}[len(silent)%2])
			silent = append(silent, c)
		}
	}
	least := time.Duration(math.MaxInt64) // of a few tries, since a busy machine may take its time
	for try := 0; try < 5 && least >= httpHeaderTimeout; try++ {
		open(httpMaxConns / 2)
		least = min(least, probe())
	}
	if least >= httpHeaderTimeout {
		t.Errorf("a probe waits %v, until one of them is cut off", least)
	}
	open(httpMaxConns)
	probe()
	for _, c := range silent {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("a silent client is not cut off")
		}
		c.Close()
	}
	h.close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

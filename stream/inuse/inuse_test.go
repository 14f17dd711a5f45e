package inuse

import (
	"errors"
	"net"
	"path/filepath"
	"syscall"
	"testing"
)

const mine = "address already in use by this process"

func TestTCP(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for address, want := range map[string]string{
		l.Addr().String():      mine,
		"*:" + port:            mine,
		"[::]:" + port:         mine,
		"0.0.0.0:" + port:      mine,
		c.LocalAddr().String(): mine + ", for a connection that it has opened from there",
		"127.0.0.2:" + port:    "address already in use",
		"nonsense":             "address already in use",
	} {
		if got := TCP(address); got.Error() != want || !errors.Is(got, syscall.EADDRINUSE) {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

func TestUnix(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{filepath.Join(t.TempDir(), "s"): mine, "@streamq-inuse": mine} {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if got := Unix(path); got.Error() != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
		l.Close()
		if got := Unix(path); got.Error() != "address already in use" {
			t.Errorf("%s has nobody: %q", path, got)
		}
	}
}

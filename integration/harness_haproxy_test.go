package integration

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// haproxy is a real HAProxy in front of, or beside, the proxy.
type haproxy struct {
	command *exec.Cmd
	stats   string // URL of its figures as CSV
}

// unpackedPeers is where tools/setup.sh bench puts HAProxy and nginx.
const unpackedPeers = "../.build/bench"

// unpacked is a program, by its name in the tree of packages that tools/setup.sh has unpacked, and its environment; "" where it is missing.
func unpacked(t testing.TB, tree, name string) (path string, env []string) {
	t.Helper()
	root, err := filepath.Abs(tree)
	must(t, err)
	if _, err := os.Stat(filepath.Join(root, name)); err != nil {
		return "", nil
	}
	var libraries []string
	for _, where := range []string{"usr/lib/*-linux-gnu*", "lib/*-linux-gnu*"} {
		found, _ := filepath.Glob(filepath.Join(root, where))
		libraries = append(libraries, found...)
	}
	return filepath.Join(root, name), []string{"LD_LIBRARY_PATH=" + strings.Join(libraries, ":")}
}

// findHAProxy is the program and its environment; the test is skipped where it is missing.
func findHAProxy(t testing.TB) (path string, env []string) {
	t.Helper()
	if path, env = unpacked(t, unpackedPeers, "usr/sbin/haproxy"); path != "" {
		return path, env
	}
	for _, name := range []string{"haproxy", "/usr/sbin/haproxy"} { // sbin is not on everybody's path
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	t.Skip("HAProxy is missing, with which the test runs: tools/setup.sh bench fetches it")
	return "", nil
}

// startHAProxy runs HAProxy with these lines among its defaults, and these sections. It is ended with the test.
func startHAProxy(t testing.TB, defaults, sections string) *haproxy {
	t.Helper()
	path, env := findHAProxy(t)
	h := &haproxy{}
	address := freeAddress(t)
	config := filepath.Join(t.TempDir(), "haproxy.cfg")
	must(t, os.WriteFile(config, fmt.Appendf(nil, `defaults
    mode tcp
    timeout connect 10s
    timeout client 1h
    timeout server 1h
    timeout check 10s
    %s
frontend figures
    mode http
    bind %s
    stats enable
    stats uri /
%s`, defaults, address, sections), 0o600))
	h.stats = "http://" + address + "/;csv"
	h.command = exec.Command(path, "-db", "-f", config)
	h.command.Env = append(h.command.Environ(), env...)
	var said bytes.Buffer
	h.command.Stderr = &said
	must(t, h.command.Start())
	t.Cleanup(func() {
		_ = h.command.Process.Kill()
		_ = h.command.Wait() // it was killed, and says so
		if t.Failed() {
			t.Logf("HAProxy said:\n%s", said.String())
		}
	})
	eventually(t, "HAProxy serves", func() bool { // then it listens everywhere, which it begins one section after the other
		response, err := scraper.Get(h.stats)
		return err == nil && response.Body.Close() == nil
	})
	return h
}

// status is what HAProxy thinks of a server: "UP", "DOWN", "UP 1/2" and the like.
func (h *haproxy) status(t testing.TB, backend, server string) string {
	t.Helper()
	response, err := scraper.Get(h.stats)
	must(t, err)
	defer response.Body.Close()
	lines := readLines(t, response.Body)
	column := -1
	for i, name := range strings.Split(strings.TrimPrefix(lines[0], "# "), ",") {
		if name == "status" {
			column = i
		}
	}
	for _, line := range lines[1:] {
		if cells := strings.Split(line, ","); cells[0] == backend && cells[1] == server {
			return cells[column]
		}
	}
	t.Fatalf("HAProxy has no server %s in %s", server, backend)
	return ""
}

// freeAddress is one of loopback that nobody listens on, and nobody else is given.
func freeAddress(t testing.TB) string {
	t.Helper()
	return freePort(t, "127.0.0.1")
}

// answers says whether somebody listens there.
func answers(address string) bool {
	c, err := net.Dial("tcp", address)
	if err == nil {
		c.Close()
	}
	return err == nil
}

package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// findKeepalived is the program and its environment; the test is skipped where it, or what the manual has it run, is missing.
func findKeepalived(t *testing.T) (path string, env []string) {
	t.Helper()
	path, env = unpacked(t, "../.build/keepalived", "usr/sbin/keepalived")
	if path == "" {
		t.Skip("keepalived is missing, with which the test runs: tools/setup.sh keepalived fetches it")
	}
	if _, err := os.Stat("/usr/bin/curl"); err != nil {
		t.Skip("curl is missing, by which keepalived asks whether the proxy is ready: tools/setup.sh keepalived installs it")
	}
	return path, env
}

// keepalived is a command of a host that reads a configuration.
func (h *host) keepalived(t *testing.T, config string, flags ...string) *exec.Cmd {
	t.Helper()
	path, env := findKeepalived(t)
	file := filepath.Join(t.TempDir(), "keepalived.conf")
	must(t, os.WriteFile(file, []byte(config), 0o600))
	c := exec.Command("ip", append([]string{"netns", "exec", h.name, path, "--use-file", file}, flags...)...)
	c.Env = append(c.Environ(), env...)
	return c
}

// mistakes are what keepalived finds in a configuration. How it ends tells nothing: where a script has a user of its own,
// 2.2.7 sends itself SIGTERM (findings/keepalived-config-test-exit.sh).
func (h *host) mistakes(t *testing.T, config string) string {
	t.Helper()
	said, _ := h.keepalived(t, config, "--config-test").CombinedOutput()
	return string(said)
}

// keep runs keepalived on a host, by a configuration in which it finds no mistake, until the test is over.
func (h *host) keep(t *testing.T, config string) {
	t.Helper()
	if said := h.mistakes(t, config); said != "" {
		t.Fatalf("%s\nof\n%s", said, config)
	}
	dir := t.TempDir()
	runs := h.keepalived(t, config, "--dont-fork", "--log-console", "--vrrp", "--pid", filepath.Join(dir, "pid"), "--vrrp_pid", filepath.Join(dir, "vrrp"))
	var said complaint
	runs.Stdout, runs.Stderr = &said, &said
	must(t, runs.Start())
	t.Cleanup(func() {
		_ = runs.Process.Signal(syscall.SIGTERM)
		_ = runs.Wait() // whatever it ends with
		if t.Failed() {
			t.Logf("keepalived said:\n%s", said.String())
		}
	})
}

// TestVIPShown has the manual's keepalived keep one address at two proxies: clients reach the first, the second while the first is a
// lame duck, and the second when the first is cut off.
func TestVIPShown(t *testing.T) {
	t.Parallel()
	findKeepalived(t)
	config := manualBlock(t, "docs/guide/high-availability.md", "TestVIPShown")
	other := strings.Replace(config, "priority 150", "priority 100", 1)
	lan, a, b := newHost(t), newHost(t), newHost(t)
	lan.ip(t, "link", "add", "switch", "type", "bridge")
	lan.ip(t, "addr", "add", "10.0.0.9/24", "dev", "switch")
	lan.ip(t, "link", "set", "switch", "up")
	seen := lan.of(program{name: "seen", worker: []string{"/usr/bin/python3", "peers/py/seen.py", "tcp://10.0.0.9:6000"}})
	startProcess(t, seen, seen.worker).hear(t, "listening") // it replies with the proxy's own address
	sockets := map[*host]string{}
	for h, of := range map[*host]struct{ port, address, config string }{a: {"first", "10.0.0.1", config}, b: {"second", "10.0.0.2", other}} {
		h.ip(t, "link", "add", "eth0", "type", "veth", "peer", "name", of.port, "netns", lan.name)
		h.ip(t, "addr", "add", of.address+"/24", "dev", "eth0")
		h.ip(t, "link", "set", "eth0", "up")
		lan.ip(t, "link", "set", of.port, "master", "switch", "up")
		sockets[h] = "ipc://" + filepath.Join(shortDir(t), "c")
		startProxyOn(t, h, "--frontend", "tcp://*:5555", "--worker", "tcp://10.0.0.9:6000", "--http", "127.0.0.1:9555", "--control", sockets[h])
		h.keep(t, of.config)
	}
	client := lan.of(program{client: []string{"/usr/bin/python3", "-c", `import zmq
s = zmq.Context().socket(zmq.REQ)
s.linger, s.rcvtimeo = 0, 2000
s.connect("tcp://10.0.0.100:5555")
s.send(b"")
print(s.recv().decode(), end="")`}}).client
	serves := func(what, address string) {
		t.Helper()
		begun := time.Now()
		eventually(t, what+": "+address+" serves", func() bool {
			said, err := exec.Command(client[0], client[1:]...).Output()
			return err == nil && strings.TrimPrefix(string(said), "::ffff:") == address
		})
		t.Logf("%s: %s serves after %v", what, address, time.Since(begun))
	}
	if said := a.mistakes(t, strings.Replace(config, "advert_int", "advert_nit", 1)); !strings.Contains(said, "advert_nit") {
		t.Errorf("of a setting that is none it says %q", said)
	}
	operator := dialControl(t, sockets[a])
	serves("both begin", "10.0.0.1")
	say(t, operator, nil, "LAMEDUCK", "on")
	serves("the first is a lame duck", "10.0.0.2")
	say(t, operator, nil, "LAMEDUCK", "off")
	serves("it is none any more", "10.0.0.1")
	lan.ip(t, "link", "set", "first", "down")
	serves("the first is cut off", "10.0.0.2")
}

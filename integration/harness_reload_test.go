package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	zmq "github.com/pebbe/zmq4"
)

// replaceable is a proxy of some kind that can be replaced while it serves.
type replaceable struct {
	name, version string
	frontend      string
	serving       func() []int // the processes that have connections
	replace       func()       // it returns when others serve
}

// master is a program that starts others, and other ones in their place when it gets a signal.
type master struct {
	*exec.Cmd
	said bytes.Buffer
}

// startMaster is ended with the test, and all that it has started.
func startMaster(t testing.TB, env []string, command ...string) *master {
	t.Helper()
	m := &master{Cmd: exec.Command(command[0], command[1:]...)}
	m.Env = append(m.Environ(), env...)
	m.Stdout, m.Stderr = &m.said, &m.said
	must(t, m.Start())
	t.Cleanup(func() {
		all := m.children(t)
		_ = m.Process.Signal(syscall.SIGTERM)
		_ = m.Wait() // it was ended, and may say so
		for _, pid := range all {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", command[0], m.said.String())
		}
	})
	return m
}

// children are the processes that it has started and that are there yet.
func (m *master) children(t testing.TB) (all []int) {
	t.Helper()
	pid := m.Process.Pid
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	must(t, err)
	for one := range strings.FieldsSeq(string(text)) {
		n, err := strconv.Atoi(one)
		must(t, err)
		all = append(all, n)
	}
	return all
}

// reload sends the signal, and waits until there are others.
func (m *master) reload(t testing.TB, signal syscall.Signal) {
	t.Helper()
	before := m.children(t)
	must(t, m.Process.Signal(signal))
	eventually(t, "others have been started", func() bool {
		return slices.ContainsFunc(m.children(t), func(pid int) bool { return !slices.Contains(before, pid) })
	})
}

// reloadableHAProxy is one that gives its listening sockets to its next process.
func reloadableHAProxy(t testing.TB, worker string) replaceable {
	t.Helper()
	path, env := findHAProxy(t)
	at, dir := freeAddress(t), shortDir(t)
	config := filepath.Join(dir, "haproxy.cfg")
	must(t, os.WriteFile(config, fmt.Appendf(nil, `global
    maxconn 8000
    stats socket %s/socket mode 600 level admin expose-fd listeners
defaults
    mode tcp
    timeout connect 10s
    timeout client 1h
    timeout server 1h
frontend clients
    bind %s backlog 4096
    default_backend workers
backend workers
    server w %s
`, dir, at, worker), 0o600))
	m := startMaster(t, env, path, "-W", "-db", "-f", config)
	eventually(t, "HAProxy serves", func() bool { return answers(at) })
	return replaceable{"HAProxy", versionOf(env, path, "-v"), "tcp://" + at, func() []int { return m.children(t) }, func() { m.reload(t, syscall.SIGUSR2) }}
}

func reloadableNginx(t testing.TB, worker string) replaceable {
	t.Helper()
	root, err := filepath.Abs(unpackedPeers)
	must(t, err)
	var env []string
	path := filepath.Join(root, "usr/sbin/nginx")
	if _, err := os.Stat(path); err == nil {
		libraries, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu*"))
		env = []string{"LD_LIBRARY_PATH=" + strings.Join(libraries, ":")}
	} else if path, err = exec.LookPath("nginx"); err != nil {
		path, root = "/usr/sbin/nginx", ""
	} else {
		root = ""
	}
	module := filepath.Join(root, "/usr/lib/nginx/modules/ngx_stream_module.so")
	if _, err := os.Stat(module); err != nil {
		t.Skip("nginx with its stream module is missing: tools/setup.sh bench fetches it")
	}
	at, dir := freeAddress(t), shortDir(t)
	config := filepath.Join(dir, "nginx.conf")
	must(t, os.WriteFile(config, fmt.Appendf(nil, `load_module %s;
daemon off;
user root;
pid %s/pid;
error_log stderr error;
worker_processes auto;
events { worker_connections 12000; }
stream {
    access_log off;
    server { listen %s backlog=4096; proxy_connect_timeout 10s; proxy_timeout 1h; proxy_pass %s; }
}
`, module, dir, at, worker), 0o600))
	m := startMaster(t, env, path, "-p", dir, "-e", "stderr", "-c", config)
	eventually(t, "nginx serves", func() bool { return answers(at) })
	return replaceable{"nginx", versionOf(env, path, "-v"), "tcp://" + at, func() []int { return m.children(t) }, func() { m.reload(t, syscall.SIGHUP) }}
}

// versionOf is the number in what a program says of itself.
func versionOf(env []string, path, flag string) string {
	command := exec.Command(path, flag)
	command.Env = append(command.Environ(), env...)
	said, _ := command.CombinedOutput()
	for field := range strings.FieldsSeq(string(said)) {
		if field = strings.TrimPrefix(field, "nginx/"); field[0] >= '0' && field[0] <= '9' {
			number, _, _ := strings.Cut(field, "-")
			return number
		}
	}
	return "?"
}

func replaceableProxy(t testing.TB, worker string) replaceable {
	t.Helper()
	p := startUpgradable(t, "--frontend", "tcp://127.0.0.1:0", "--worker", "w=tcp://"+worker, "--access-log=false")
	return replaceable{"streamq-proxy", "", p.frontend[0], func() []int { return []int{p.pid()} }, func() { p.upgrade(t) }}
}

// left is what a process has yet: connections over TCP that are established, and memory in bytes; ok is false when it has ended.
func left(t testing.TB, pid int) (connections, memory int, ok bool) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	all, err := os.ReadDir(dir)
	if err != nil || len(all) == 0 {
		return 0, 0, false
	}
	table, err := os.ReadFile("/proc/net/tcp")
	must(t, err)
	established := map[string]bool{}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 9 && f[3] == "01" {
			established["socket:["+f[9]+"]"] = true
		}
	}
	for _, one := range all {
		if to, _ := os.Readlink(filepath.Join(dir, one.Name())); established[to] {
			connections++
		}
	}
	return connections, resident(t, pid), true
}

// echoAt is a worker that listens, and sends back what it gets.
func echoAt(t testing.TB, ctx *zmq.Context, sec security) (address string) {
	t.Helper()
	w := newWorker(t, ctx, zmq.ROUTER, sec)
	endpoint := w.listen(t, "tcp://127.0.0.1:*")
	w.serve(t, echo)
	return strings.TrimPrefix(endpoint, "tcp://")
}

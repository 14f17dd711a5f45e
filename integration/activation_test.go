package integration

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"
)

// manager is what a service manager does for the proxy, as sd_notify(3) and sd_listen_fds(3) have it.
type manager struct {
	socket *net.UnixConn
	kept   []*os.File
}

func newManager(t *testing.T) *manager {
	at := &net.UnixAddr{Name: filepath.Join(shortDir(t), "notify"), Net: "unixgram"}
	socket, err := net.ListenUnixgram("unixgram", at)
	must(t, err)
	m := &manager{socket: socket}
	t.Cleanup(func() {
		_ = socket.Close()
		m.forget()
	})
	t.Setenv("NOTIFY_SOCKET", at.Name)
	return m
}

func (m *manager) forget() {
	for _, f := range m.kept {
		_ = f.Close()
	}
	m.kept = nil
}

// await takes what the proxy says until it is this, and keeps the descriptors that come with it.
func (m *manager) await(t *testing.T, want string) {
	t.Helper()
	text, space := make([]byte, 200), make([]byte, unix.CmsgSpace(4*16))
	for {
		must(t, m.socket.SetReadDeadline(time.Now().Add(patience)))
		n, size, _, _, err := m.socket.ReadMsgUnix(text, space)
		must(t, err)
		control, err := unix.ParseSocketControlMessage(space[:size])
		must(t, err)
		for i := range control {
			fds, err := unix.ParseUnixRights(&control[i])
			must(t, err)
			for _, fd := range fds {
				m.kept = append(m.kept, os.NewFile(uintptr(fd), string(text[:n])))
			}
		}
		if string(text[:n]) == want {
			return
		}
	}
}

// starts runs the proxy as the manager's service, with the sockets that it has.
func (m *manager) starts(t *testing.T, flags ...string) *proxy {
	t.Helper()
	script := fmt.Sprintf(`LISTEN_FDS=%d LISTEN_PID=$$ exec "$0" "$@"`, len(m.kept))
	return startProxyBy(t, []string{"sh", "-c", script, os.Getenv(binaryVariable)}, m.kept, flags...)
}

// listen has a socket unit's socket.
func (m *manager) listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	must(t, err)
	if at, is := l.(*net.UnixListener); is {
		at.SetUnlinkOnClose(false)
	}
	f, err := l.(interface{ File() (*os.File, error) }).File()
	must(t, err)
	must(t, l.Close())
	m.kept = append(m.kept, f)
	return l
}

// TestSocketUnits: the proxy listens on what the service manager has made, tcp and ipc, says what is nobody's, and leaves
// everything as it was when it ends.
func TestSocketUnits(t *testing.T) {
	m, ctx := newManager(t), newContext(t)
	path := filepath.Join(shortDir(t), "frontend")
	tcp, operators, none := m.listen(t, "tcp", "127.0.0.1:0"), m.listen(t, "tcp", "127.0.0.1:0"), m.listen(t, "tcp", "127.0.0.1:0")
	m.listen(t, "unix", path)
	sec := newSecurity(t, "CURVE")
	w := newWorker(t, ctx, zmq.REP, sec)
	frontends := []string{"tcp://" + tcp.Addr().String(), "ipc://" + path}
	flags := []string{"--frontend", frontends[0], "--frontend", frontends[1], "--worker", w.listen(t, "tcp://127.0.0.1:0"), "--http", operators.Addr().String()}
	w.serve(t, echo)
	ask := func() {
		t.Helper()
		for _, at := range frontends {
			c := newClient(t, ctx, zmq.REQ, sec, "")
			must(t, c.Connect(at))
			c.send(t, "hello")
			c.recv(t)
			c.close()
		}
	}
	for range 2 { // all of it is as it was
		p := m.starts(t, flags...)
		ask()
		var all []record
		eventually(t, "what is nobody's is said", func() bool {
			all = p.records("the service manager's listener is nobody's")
			return len(all) > 0
		})
		if len(all) != 1 || all[0].Endpoint != "tcp://"+none.Addr().String() {
			t.Errorf("nobody's are %+v:\n%s", all, p.said())
		}
		answer, err := http.Get("http://" + operators.Addr().String() + "/healthz")
		must(t, err)
		must(t, answer.Body.Close())
		p.stop(t)
		must(t, dials(t, "tcp", tcp.Addr().String()))
		must(t, dials(t, "unix", path))
	}
}

func dials(t *testing.T, network, address string) error {
	t.Helper()
	c, err := net.DialTimeout(network, address, patience)
	if err == nil {
		err = c.Close()
	}
	return err
}

// TestRestartRefusesNobody: with a manager that keeps the listeners no connect is refused while the proxy drains, is away
// because it was killed, or starts; who comes then is served by the next process.
func TestRestartRefusesNobody(t *testing.T) {
	for _, transport := range []string{"tcp", "ipc"} {
		t.Run(transport, func(t *testing.T) {
			m, ctx := newManager(t), newContext(t)
			t.Setenv("FDSTORE", "16")
			at := "ipc://" + filepath.Join(shortDir(t), "frontend")
			if transport == "tcp" {
				at = "tcp://" + freeAddress(t)
			}
			sec := newSecurity(t, "CURVE")
			w := newWorker(t, ctx, zmq.REP, sec)
			flags := []string{"--frontend", at, "--worker", w.listen(t, "tcp://127.0.0.1:0"), "--drain-timeout", "1h"}
			w.serve(t, echo)
			p := startOperated(t, flags...)
			m.await(t, "READY=1")
			if len(m.kept) != 1 {
				t.Fatalf("the manager was given %d listeners", len(m.kept))
			}
			client := func() *socket {
				c := newClient(t, ctx, zmq.REQ, sec, "")
				must(t, c.SetReconnectIvl(-1)) // one connect that is refused is its last
				must(t, c.Connect(at))
				c.send(t, "hello")
				return c
			}
			stays := client()
			stays.recv(t)
			must(t, p.command.Process.Signal(syscall.SIGTERM))
			eventually(t, "it drains", func() bool { return p.scrape(t)[`streamq_pool_draining{pool="default"}`] == 1 })
			early := client()
			p.kill(t)
			late := client()
			m.starts(t, append(flags, "--drain-timeout", "50ms")...)
			early.recv(t)
			late.recv(t)
			m.await(t, "READY=1")
		})
	}
}

// TestWatchdog: the manager hears that all is well, from the successor, too.
func TestWatchdog(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", "100000")
	p := startUpgradable(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0")
	for range 3 {
		m.await(t, "WATCHDOG=1")
	}
	m.await(t, fmt.Sprint("MAINPID=", p.upgrade(t).Process))
	for range 3 {
		m.await(t, "WATCHDOG=1")
	}
}

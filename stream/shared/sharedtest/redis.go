package sharedtest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/streamq/streamq-proxy/stream/shared"
)

// Variable of the environment names another program than redis-server, such as a valkey-server.
const Variable = "STREAMQ_TEST_REDIS_SERVER"

func serverProgram() string { return cmp.Or(os.Getenv(Variable), "redis-server") }

// Redis is a redis-server of a test's own.
type Redis struct {
	t       testing.TB
	url     string // with which proxies connect
	address string
	args    []string // of the command, which is the first of them
	cmd     *exec.Cmd
	said    bytes.Buffer
}

// NewRedis starts a redis-server on a port of its own, with more arguments; it ends with the test, which
// is skipped where there is none.
func NewRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	return NewRedisAt(t, "127.0.0.1", nil, args...)
}

// NewRedisAt is likewise one at an address of another network namespace, where it is started by the words of on.
func NewRedisAt(t testing.TB, host string, on []string, args ...string) *Redis {
	t.Helper()
	r := newRedis(t)
	_, port, _ := net.SplitHostPort(r.address)
	r.address = net.JoinHostPort(host, port)
	r.url = "redis://" + r.address
	r.args = slices.Concat(on, []string{serverProgram(), "--port", port, "--bind", host, "--protected-mode", "no", "--save", "", "--appendonly", "no", "--dir", t.TempDir()}, args)
	r.begin()
	return r
}

// newRedis is one on a free port, which does not run yet.
func newRedis(t testing.TB) *Redis {
	t.Helper()
	if _, err := exec.LookPath(serverProgram()); err != nil {
		t.Skipf("no %s is installed (tools/setup.sh installs redis-server)", serverProgram())
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = free.Close() }()
	return &Redis{t: t, address: free.Addr().String(), url: "redis://" + free.Addr().String()}
}

// NewSentinel starts a Sentinel likewise, by a file that it writes to.
func NewSentinel(t testing.TB, file string) *Redis {
	t.Helper()
	r := newRedis(t)
	_, port, _ := net.SplitHostPort(r.address)
	r.args = []string{serverProgram(), file, "--port", port, "--bind", "127.0.0.1", "--sentinel"}
	r.begin()
	return r
}

func (r *Redis) begin() {
	r.t.Helper()
	r.Start()
	r.t.Cleanup(func() {
		if r.cmd != nil {
			r.Kill()
		}
	})
}

// URL is where it is.
func (r *Redis) URL() string { return r.url }

// Address is its HOST:PORT.
func (r *Redis) Address() string { return r.address }

// Dial implements [Store].
func (r *Redis) Dial() shared.Dial {
	server, err := shared.ParseServer(r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	return shared.Redis(server)
}

// Start implements [Store].
func (r *Redis) Start() {
	r.t.Helper()
	r.said.Reset()
	r.cmd = exec.Command(r.args[0], r.args[1:]...)
	r.cmd.Stdout, r.cmd.Stderr = &r.said, &r.said
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := net.Dial("tcp", r.address)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			r.Kill()
			r.t.Fatalf("redis-server does not listen: %v\n%s", err, r.said.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Kill implements [Store].
func (r *Redis) Kill() {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
	r.cmd = nil
}

// Stop implements [Store].
func (r *Redis) Stop() { r.signal(syscall.SIGSTOP) }

// Go implements [Store].
func (r *Redis) Go() { r.signal(syscall.SIGCONT) }

func (r *Redis) signal(sig os.Signal) {
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Error(err)
	}
}

// Do has it carry a command out.
func (r *Redis) Do(args ...string) rueidis.RedisResult {
	r.t.Helper()
	o, err := rueidis.ParseURL(r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	o.DisableCache, o.ForceSingleClient = true, true
	c, err := rueidis.NewClient(o)
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	return c.Do(context.Background(), c.B().Arbitrary(args...).Build())
}

func (r *Redis) must(args ...string) {
	r.t.Helper()
	if err := r.Do(args...).Error(); err != nil {
		r.t.Fatalf("%v: %v", args, err)
	}
}

// Fill implements [Store]: it uses more memory than it may.
func (r *Redis) Fill() { r.must("CONFIG", "SET", "maxmemory", "1") }

// Free implements [Store].
func (r *Redis) Free() { r.must("CONFIG", "SET", "maxmemory", "0") }

// Put implements [Store].
func (r *Redis) Put(key, text string) { r.must("SET", key, text, "EX", strconv.Itoa(3600)) }

// PutList implements [Store].
func (r *Redis) PutList(key string) { r.must("DEL", key); r.must("RPUSH", key, "x") }

// Get implements [Store].
func (r *Redis) Get(key string) (text string, found bool) {
	r.t.Helper()
	text, err := r.Do("GET", key).ToString()
	if err != nil && !rueidis.IsRedisNil(err) {
		r.t.Fatal(fmt.Errorf("GET %s: %w", key, err))
	}
	return text, err == nil
}

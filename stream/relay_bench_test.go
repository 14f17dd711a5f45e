package stream

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
)

// BenchmarkRelay says what a gigabyte costs this process, which is the proxy and
// nothing else: client and worker are libzmq sockets in a process of their own.
// Rounds are to be interleaved by whoever compares:
//
//	for i in 1 2 3 4 5; do go test -run '^$' -bench '^BenchmarkRelay' ./stream; done
func BenchmarkRelay(b *testing.B) {
	for _, mechanism := range []string{"NULL", "CURVE"} {
		for _, size := range []int{64, 64 << 10} {
			for _, way := range []string{"listening", "dialling"} {
				for _, relay := range []Relay{RelaySplice, RelayStream} {
					b.Run(fmt.Sprintf("%s/%d/%s/%v", mechanism, size, way, relay), func(b *testing.B) {
						benchRelay(b, mechanism, way, size, relay)
					})
				}
			}
		}
	}
}

func benchRelay(b *testing.B, mechanism, way string, size int, relay Relay) {
	l := startLoad(b, mechanism, way, size)
	ctx, err := NewContext(1, 2)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = ctx.Close() }()
	cfg := DefaultConfig()
	cfg.Relay = relay
	cfg.Access = func(a *Access) {
		if a.Reason == pairing.Overflow {
			b.Error("the pair ended by overflow")
			l.end()
		}
	}
	cfg.Frontend = []string{"tcp://127.0.0.1:0"}
	if way == "listening" {
		cfg.Workers = []pairing.WorkerConfig{{Name: "w", Endpoint: l.hear()}}
	} else {
		cfg.Backend = []string{"tcp://127.0.0.1:0"}
	}
	pool, err := Open(ctx, cfg)
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- pool.Run(b.Context()) }()
	frontend, backend := pool.Bound()
	if way == "dialling" {
		l.say(backend[0])
	}
	l.say(frontend[0])
	l.say("1000")
	l.hear()
	before := cpuSeconds(b)
	b.SetBytes(int64(size))
	b.ResetTimer()
	l.say(strconv.Itoa(b.N))
	l.hear()
	b.StopTimer()
	spent := cpuSeconds(b) - before
	b.ReportMetric(spent*1e9/float64(b.N)/float64(size), "cpu-s/GB")
	l.end()
	pool.Drain(0)
	if err := <-done; err != nil {
		b.Error(err)
	}
}

// cpuSeconds is what this process has used of processors so far.
func cpuSeconds(b *testing.B) float64 {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// load is the process with the client and the worker.
type load struct {
	b   *testing.B
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

const loadEnv = "STREAMQ_RELAY_LOAD"

func startLoad(b *testing.B, mechanism, way string, size int) *load {
	b.Helper()
	l := &load{b: b, cmd: exec.Command(os.Args[0])}
	l.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d", loadEnv, mechanism, way, size))
	l.cmd.Stderr = os.Stderr
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if l.in, err = l.cmd.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	if err := l.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	l.out = bufio.NewReader(out)
	return l
}

func (l *load) say(line string) { _, _ = fmt.Fprintln(l.in, line) }

func (l *load) hear() string {
	l.b.Helper()
	line, err := l.out.ReadString('\n')
	if err != nil {
		l.b.Fatal("the load has ended: ", err)
	}
	return strings.TrimSpace(line)
}

func (l *load) end() {
	_ = l.in.Close()
	_ = l.cmd.Process.Kill()
	_, _ = io.Copy(io.Discard, l.out)
	_ = l.cmd.Wait()
}

// beLoad is the process of [load], which is what this binary becomes when loadEnv
// says of which mechanism, way and size.
func beLoad(what string) {
	var mechanism, way string
	var size int
	_, err := fmt.Sscan(what, &mechanism, &way, &size)
	if err == nil {
		err = runLoad(mechanism, way, size)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func runLoad(mechanism, way string, size int) error {
	client, worker, err := loadSockets(mechanism)
	if err != nil {
		return err
	}
	if way == "listening" {
		if err := worker.Bind("tcp://127.0.0.1:*"); err != nil {
			return err
		}
		endpoint, _ := worker.GetLastEndpoint()
		fmt.Println(endpoint)
	} else {
		var backend string
		if _, err := fmt.Scanln(&backend); err != nil {
			return err
		}
		if err := worker.Connect(backend); err != nil {
			return err
		}
	}
	var frontend string
	if _, err := fmt.Scanln(&frontend); err != nil {
		return err
	}
	if err := client.Connect(frontend); err != nil {
		return err
	}
	every := max(1, loadWindow/4/size) // messages that are acknowledged together
	go func() {
		for n := 1; ; n++ {
			if _, err := worker.RecvBytes(0); err != nil {
				panic(err)
			}
			if n%every == 0 {
				_, _ = worker.SendBytes([]byte{1}, 0)
			}
		}
	}()
	// A client that is ahead of its worker by more than the stream relay keeps
	// for a pair would end it.
	payload, sent, acknowledged := make([]byte, size), 0, 0
	for {
		var count int
		if _, err := fmt.Scanln(&count); err != nil {
			return err
		}
		count = (count + every - 1) / every * every
		for count += sent; sent < count; sent++ {
			for sent-acknowledged > loadWindow/size {
				if _, err := client.RecvBytes(0); err != nil {
					return err
				}
				acknowledged += every
			}
			if _, err := client.SendBytes(payload, 0); err != nil {
				return err
			}
		}
		for ; acknowledged < sent; acknowledged += every {
			if _, err := client.RecvBytes(0); err != nil {
				return err
			}
		}
		fmt.Println("done")
	}
}

// loadWindow is how many bytes may be on their way.
const loadWindow = 3 << 19

func loadSockets(mechanism string) (client, worker *zmq4.Socket, err error) {
	var sockets [2]*zmq4.Socket
	for i := range sockets {
		ctx, err := zmq4.NewContext() // an I/O thread each
		if err != nil {
			return nil, nil, err
		}
		if sockets[i], err = ctx.NewSocket(zmq4.DEALER); err != nil {
			return nil, nil, err
		}
		if err := errors.Join(sockets[i].SetSndhwm(0), sockets[i].SetRcvhwm(0)); err != nil {
			return nil, nil, err
		}
	}
	client, worker = sockets[0], sockets[1]
	if mechanism == "CURVE" {
		public, secret, err := zmq4.NewCurveKeypair()
		if err != nil {
			return nil, nil, err
		}
		mine, myself, err := zmq4.NewCurveKeypair()
		if err != nil {
			return nil, nil, err
		}
		err = errors.Join(worker.SetCurveServer(1), worker.SetCurveSecretkey(secret),
			client.SetCurveServerkey(public), client.SetCurvePublickey(mine), client.SetCurveSecretkey(myself))
		if err != nil {
			return nil, nil, err
		}
	}
	return client, worker, nil
}

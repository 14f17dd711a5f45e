package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/streamq/streamq-proxy/internal/freeport"
	"github.com/streamq/streamq-proxy/internal/leaks"
)

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"streamq-proxy": main})
}

// leakChecked fails when goroutines are left after all tests.
type leakChecked struct{ *testing.M }

func (l leakChecked) Run() int {
	code := l.M.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := leaks.Left(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestScripts runs the program itself, as a process of its own, by the scripts
// in testdata/script. Beyond testscript's own words they have
//
//	port NAME...            sets NAME to a port that nothing listens on
//	neighbours NAME         sets NAME to such a port of which the next one is free, too
//	occupy NAME             listens on a port until the script ends, and sets NAME to it
//	get URL CODE [REGEXP]   asks until the answer has that code, and a body that matches
//	await FILE REGEXP       waits until the file's text matches
//	signal NAME             sends a signal (TERM, INT, HUP) to what runs in the background
//	worker ENDPOINT         is a REP worker that echoes; "bind" or "connect" comes first
//	client NAME ENDPOINT    has a REQ client ask once, and stay connected
//	leave NAME              closes that client
//	scan PORT TEXT          sends text that is no ZMTP, and waits to be cut off
func TestScripts(t *testing.T) {
	t.Parallel()
	// Under nohup(1) whom the scripts start would ignore SIGHUP. What is caught here they have as usual.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(caught) })
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"port": port, "neighbours": neighbours, "occupy": occupy, "get": get, "await": await, "signal": sendSignal,
			"worker": worker, "client": newClient, "leave": leave, "scan": scan,
		},
		Setup: func(env *testscript.Env) error {
			zctx, err := zmq4.NewContext()
			if err != nil {
				return err
			}
			env.Setenv("GORACE", "atexit_sleep_ms=0") // the detector would have every process linger for a second
			p := &peers{context: zctx, clients: map[string]*zmq4.Socket{}}
			env.Values["peers"] = p
			env.Defer(p.close)
			return nil
		},
	})
}

// patience bounds every wait of a script.
const patience = time.Minute

func port(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		n, err := freeport.Next(1)
		ts.Check(err)
		ts.Setenv(name, strconv.Itoa(n))
	}
}

func neighbours(ts *testscript.TestScript, _ bool, args []string) {
	n, err := freeport.Next(2)
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(n))
}

func occupy(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], portOf(l))
}

func portOf(l net.Listener) string { return strconv.Itoa(l.Addr().(*net.TCPAddr).Port) }

func get(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(append(args, "")[2])
	var last string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		answer, err := http.Get(args[0])
		if err != nil {
			last = err.Error()
			continue
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err == nil && strconv.Itoa(answer.StatusCode) == args[1] && want.Match(body) {
			return
		}
		last = fmt.Sprintf("%s %s", answer.Status, body)
	}
	ts.Fatalf("%v: the last answer was %s", args, last)
}

func await(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[1])
	var last []byte
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && want.Match(text) {
			return
		}
		last = text
	}
	ts.Fatalf("%s does not match %s:\n%s", args[0], args[1], last)
}

func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP}
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(signals[args[0]]))
	}
}

// peers are the sockets of a script.
type peers struct {
	context *zmq4.Context
	clients map[string]*zmq4.Socket
	workers []chan struct{}
}

func (p *peers) close() {
	for _, c := range p.clients {
		c.Close()
	}
	done := make(chan struct{})
	go func() { // ends the workers, which receive
		p.context.Term()
		close(done)
	}()
	for _, w := range p.workers {
		<-w
	}
	<-done
}

func (p *peers) socket(ts *testscript.TestScript, kind zmq4.Type) *zmq4.Socket {
	s, err := p.context.NewSocket(kind)
	ts.Check(err)
	ts.Check(s.SetLinger(0))
	ts.Check(s.SetRcvtimeo(patience))
	return s
}

func worker(ts *testscript.TestScript, _ bool, args []string) {
	p := ts.Value("peers").(*peers)
	s := p.socket(ts, zmq4.REP)
	ts.Check(s.SetRcvtimeo(-1))
	ts.Check(s.SetImmediate(true)) // a late reply must not reach the next client
	if args[0] == "bind" {
		ts.Check(s.Bind(args[1]))
	} else {
		ts.Check(s.Connect(args[1]))
	}
	done := make(chan struct{})
	p.workers = append(p.workers, done)
	go func() {
		defer close(done)
		defer s.Close()
		for {
			m, err := s.RecvMessageBytes(0)
			if errors.Is(err, zmq4.ETERM) {
				return
			}
			if err == nil {
				_, _ = s.SendMessage(m) // the client may have gone
			}
		}
	}()
}

func newClient(ts *testscript.TestScript, _ bool, args []string) {
	p := ts.Value("peers").(*peers)
	s := p.socket(ts, zmq4.REQ)
	p.clients[args[0]] = s
	ts.Check(s.Connect(args[1]))
	_, err := s.SendMessage("hello")
	ts.Check(err)
	answer, err := s.RecvMessage(0)
	ts.Check(err)
	if len(answer) != 1 || answer[0] != "hello" {
		ts.Fatalf("the answer was %q", answer)
	}
}

func leave(ts *testscript.TestScript, _ bool, args []string) {
	p := ts.Value("peers").(*peers)
	ts.Check(p.clients[args[0]].Close())
	delete(p.clients, args[0])
}

func scan(ts *testscript.TestScript, _ bool, args []string) {
	c, err := net.Dial("tcp", "127.0.0.1:"+args[0])
	ts.Check(err)
	defer c.Close()
	ts.Check(c.SetDeadline(time.Now().Add(patience)))
	_, err = c.Write([]byte(args[1] + "\r\n\r\n"))
	ts.Check(err)
	if _, err = io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		ts.Fatalf("was not cut off")
	}
}

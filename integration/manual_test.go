package integration

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// threeLines are those of docs/control.md.
func threeLines(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("../docs/control.md")
	must(t, err)
	for _, m := range block.FindAllStringSubmatch(string(b), -1) {
		if m[1] == "three-lines" {
			return m[3]
		}
	}
	t.Fatal("the manual has no three lines of Python")
	return ""
}

// TestThreeLinesAsWritten runs the manual's three lines of Python against a proxy that is started by the command above
// them, at the very path that both name where this machine lets the test have it.
func TestThreeLinesAsWritten(t *testing.T) {
	const folder = "/run/streamq-proxy"
	code, path := threeLines(t), folder+"/control.sock"
	if err := os.Mkdir(folder, 0o700); err == nil {
		t.Cleanup(func() { must(t, os.RemoveAll(folder)) })
	} else {
		if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
		path = filepath.Join(shortDir(t), "control.sock")
		t.Logf("%v, so that the three lines name %s instead", err, path)
		code = strings.ReplaceAll(code, folder+"/control.sock", path)
	}
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0", "--control", "ipc://"+path)
	w := newWorker(t, ctx, zmq.REP, sec)
	w.dialIn(t, p.backend[0])
	w.serve(t, echo)
	client := newClient(t, ctx, zmq.REQ, sec, "")
	must(t, client.Connect(p.frontend[0]))
	client.send(t, "hello")
	client.recv(t)
	said, err := exec.Command("/usr/bin/python3", "-c", code).CombinedOutput()
	if want := regexp.MustCompile(`^\[b'200', b'OK', b'\{.*"pairs":1,.*\}'\]\n$`); err != nil || !want.Match(said) {
		t.Errorf("they print %s, %v", said, err)
	}
}

// steer says one of zmq_proxy_steerable's words and returns the reply, which must have so many frames.
func steer(t testing.TB, s *socket, word string, frames int) []string {
	t.Helper()
	kind, err := s.GetType()
	must(t, err)
	var delimiter []string
	if kind == zmq.DEALER { // as a REQ would; without it works, too
		delimiter = []string{""}
	}
	s.send(t, append(delimiter, word)...)
	got := s.recv(t)
	if len(got) != len(delimiter)+frames || !slices.Equal(got[:len(delimiter)], delimiter) {
		t.Fatalf("%v: %s is answered by %q", kind, word, got)
	}
	return got[len(delimiter):]
}

// steerEmpty is steer for a word whose reply is one empty frame.
func steerEmpty(t testing.TB, s *socket, word string) {
	t.Helper()
	if got := steer(t, s, word, 1); got[0] != "" {
		t.Errorf("%s is answered by %q", word, got)
	}
}

// TestSteerableWords steers a real proxy as zmq_proxy_steerable(3) is, from a REQ and from a DEALER: while it is paused
// nothing passes, afterwards everything that was sent meanwhile, it tells its statistics, and it ends.
func TestSteerableWords(t *testing.T) {
	for _, kind := range []zmq.Type{zmq.REQ, zmq.DEALER} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			ctx := newContext(t)
			sec := newSecurity(t, "CURVE")
			ws := newNamed(t, ctx, sec, 1, 1)
			p, operator := startControlled(t, ws)
			client := newClient(t, ctx, zmq.REQ, sec, "")
			must(t, client.Connect(p.frontend[0]))
			ask(t, client)
			s := newSocket(t, ctx, kind)
			must(t, s.Connect(p.controls(t)[0]))

			steerEmpty(t, s, "PAUSE")
			client.send(t, "meanwhile")
			must(t, client.SetRcvtimeo(200*time.Millisecond)) // not for luck: nothing may happen meanwhile
			if m, err := client.RecvMessage(0); !timedOut(err) {
				t.Errorf("a paused proxy lets %q through, %v", m, err)
			}
			must(t, client.SetRcvtimeo(patience))
			steerEmpty(t, s, "RESUME")
			if got := client.recv(t); len(got) != 2 || got[1] != "meanwhile" {
				t.Errorf("after the pause comes %q", got)
			}
			for _, n := range steer(t, s, "STATISTICS", 8) {
				if len(n) != 8 {
					t.Errorf("one of the statistics has %d bytes", len(n))
				}
			}
			var status struct{ Pairs int }
			say(t, operator, &status, "STATUS")
			if status.Pairs != 1 {
				t.Errorf("after all of it there are %d pairs", status.Pairs)
			}
			steerEmpty(t, s, "TERMINATE")
			select {
			case <-p.exited:
			case <-time.After(patience):
				t.Error("TERMINATE does not end the proxy")
			}
		})
	}
}

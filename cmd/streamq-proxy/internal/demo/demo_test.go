package demo

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/internal/leaks"
)

func TestMain(m *testing.M) { leaks.Main(m) }

// output is what a demo has printed so far.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	grown chan struct{}
}

func newOutput() *output { return &output{grown: make(chan struct{}, 1)} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.grown <- struct{}{}:
	default:
	}
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until the output contains text.
func (o *output) await(t *testing.T, text string) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for !strings.Contains(o.String(), text) {
		select {
		case <-o.grown:
		case <-timeout:
			t.Fatalf("%q was not printed:\n%s", text, o)
		}
	}
}

// plain is a screen that is no terminal.
func plain(o *output) *Screen { return NewScreen(o, func(string) string { return "" }) }

// startDemo runs a demo that goes on until the test, which gets what Run
// returned, ends it.
func startDemo(t *testing.T, screen *Screen) (end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	o := DefaultOptions(2)
	o.Duration = time.Hour
	go func() { result <- Run(ctx, o, screen) }()
	var once sync.Once
	var err error
	end = func() error {
		once.Do(func() { cancel(); err = <-result })
		return err
	}
	t.Cleanup(func() { _ = end() })
	return end
}

// A client that goes on dialling cannot meet itself.
func TestPortsAreNotOfConnections(t *testing.T) {
	s, err := newStage(DefaultOptions(2))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	at := []string{s.frontend, s.backend}
	for _, w := range s.workers {
		if !w.dialsIn {
			at = append(at, w.endpoint)
		}
	}
	for _, endpoint := range at {
		_, port := cutPort(endpoint)
		if n, err := strconv.Atoi(port); err != nil || n < 1024 || n >= firstOfConnections() {
			t.Errorf("%s: %v, want a port below %d", endpoint, err, firstOfConnections())
		}
	}
}

func TestDemoLosesNothing(t *testing.T) {
	out := newOutput()
	o := DefaultOptions(2)
	o.Duration = time.Second
	if err := Run(t.Context(), o, plain(out)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := out.String()
	for _, want := range []string{
		`(?m)^worker +mode +socket +replies +p50 +p99$`,
		`(?m)^w1 +listens +ROUTER +[1-9][0-9,]* +[0-9.]+ ms +[0-9.]+ ms$`,
		`(?m)^w2 +listens +REP +[1-9][0-9,]* +[0-9.]+ ms +[0-9.]+ ms$`,
		`(?m)^w3 +dials in +REP +[1-9][0-9,]* +[0-9.]+ ms +[0-9.]+ ms$`,
		`(?m)^total +[1-9][0-9,]* +[0-9.]+ ms +[0-9.]+ ms$`,
		`(?m)^requests: [1-9][0-9,]* +replies: [1-9][0-9,]* +lost: 0$`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("nothing like %s in\n%s", want, text)
		}
	}
	if sum, total := sumOfReplies(t, text); sum != total {
		t.Errorf("the workers replied %d times, the total is %d", sum, total)
	}
	for _, r := range text {
		if r > '~' || r < ' ' && r != '\n' {
			t.Fatalf("%q is printed to what is no terminal:\n%s", r, text)
		}
	}
}

// sumOfReplies reads the table back.
func sumOfReplies(t *testing.T, text string) (sum, total int) {
	t.Helper()
	rows := regexp.MustCompile(`(?m)^(w[0-9]+|total) .*? ([0-9][0-9,]*)  +[0-9.]+ ms`).FindAllStringSubmatch(text, -1)
	for _, r := range rows {
		n, err := strconv.Atoi(strings.ReplaceAll(r[2], ",", ""))
		if err != nil {
			t.Fatal(err)
		}
		if r[1] == "total" {
			total = n
		} else {
			sum += n
		}
	}
	return sum, total
}

func TestDemoEndsEarlyWithTheTable(t *testing.T) {
	out := newOutput()
	end := startDemo(t, plain(out))
	out.await(t, "replies  ")
	if err := end(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(out.String(), "lost: 0\n") {
		t.Errorf("no table:\n%s", out)
	}
}

func TestDemoThatIsEndedBeforeItBegins(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, DefaultOptions(2), plain(newOutput())); !errors.Is(err, ErrSilent) {
		t.Errorf("got %v, want ErrSilent", err)
	}
}

// What the demo prints for pyzmq is run as it stands, three times over.
func TestDemoTakesVisitors(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import zmq").Run(); err != nil {
		t.Skipf("%s has no pyzmq (Debian's python3-zmq): %v", python, err)
	}
	out := newOutput()
	end := startDemo(t, plain(out))
	out.await(t, "recv_multipart())\n")
	lines := regexp.MustCompile(`(?m)^import zmq.*\n^s\.curve_serverkey.*\n^s\.send.*\n`).FindString(out.String())
	for range 3 {
		said, err := exec.CommandContext(t.Context(), python, "-c", lines).CombinedOutput()
		if err != nil || !regexp.MustCompile(`^\[b'hello', b'w[123]'\]\n$`).Match(said) {
			t.Fatalf("pyzmq: %v: %s\n%s", err, said, lines)
		}
	}
	out.await(t, "replies  ")
	if err := end(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(out.String(), "3 requests from outside answered too\n") {
		t.Errorf("the visitors are not counted:\n%s", out)
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		change func(*Options)
		want   string
	}{
		{func(*Options) {}, ""},
		{func(o *Options) { o.Duration = 0 }, "--duration 0s: must be above zero"},
		{func(o *Options) { o.Clients = 0 }, "--clients 0: must be 1 to 1000"},
		{func(o *Options) { o.Clients = 1001 }, "--clients 1001: must be 1 to 1000"},
		{func(o *Options) { o.Workers = 1 }, "--workers 1: must be 2 to 32"},
		{func(o *Options) { o.Workers = 33 }, "--workers 33: must be 2 to 32"},
	} {
		o := DefaultOptions(2)
		c.change(&o)
		got := ""
		if err := o.Validate(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

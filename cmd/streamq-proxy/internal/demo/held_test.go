package demo

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/control/api"
	socket "github.com/streamq/streamq-proxy/control/client"
)

// held is a demo that is held, with its drains in a hurry.
type held struct {
	out     *output
	url     string
	control string
	end     func() error
}

func startHeld(t *testing.T) *held {
	t.Helper()
	h := &held{out: newOutput()}
	o := DefaultOptions(2)
	o.Held, o.drainEvery, o.drainFor = true, 2*time.Second, time.Second
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- Run(ctx, o, plain(h.out)) }()
	h.end = func() error { cancel(); return <-result }
	h.out.await(t, "replies  ")
	h.url = regexp.MustCompile(`http://[^ \n]*/`).FindString(h.out.String())
	h.control = regexp.MustCompile(`ipc://[^ ]*`).FindString(h.out.String())
	return h
}

// read is an answer of the console's API.
func read[Answer any](t *testing.T, h *held, path string) (a Answer) {
	t.Helper()
	answer, err := http.Get(h.url + "api/v1/" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&a); err != nil {
		t.Fatalf("%s: %s: %v", path, answer.Status, err)
	}
	return a
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// state is a worker's, by the console.
func (h *held) state(t *testing.T, worker string) string {
	t.Helper()
	for _, w := range read[api.Workers](t, h, "workers").Workers {
		if w.Worker == worker {
			return w.State
		}
	}
	return ""
}

// What goes wrong in a day is seen by the console and by the control socket, and can be steered; then the demo ends
// well, and leaves nothing.
func TestDemoIsHeld(t *testing.T) {
	h := startHeld(t)
	defer http.DefaultClient.CloseIdleConnections()
	eventually(t, "the failing worker is set aside", func() bool { return h.state(t, failingWorker) == "set-aside" })
	eventually(t, "the wrong key is refused", func() bool {
		for _, f := range read[api.Failing](t, h, "failing").Pools[0].Failing.Failing {
			if f.Address == wrongKeyAddress && f.Reason == "refused-by-worker" {
				return true
			}
		}
		return false
	})
	eventually(t, "the slow reader has a pair, in which bytes wait", func() bool {
		pairs := read[api.Pairs](t, h, "pairs?client="+slowReader).Pairs
		return len(pairs) == 1 && pairs[0].Worker == first
	})
	eventually(t, "a worker is drained", func() bool { return h.state(t, drained) == "draining" })
	eventually(t, "and back", func() bool { return h.state(t, drained) == "ready" })

	answer, err := http.PostForm(h.url+"steer/drain", map[string][]string{"worker": {first}})
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode >= 300 {
		t.Error(answer.Status)
	}
	eventually(t, "it was drained by its button", func() bool { return h.state(t, first) == "draining" })

	figures, err := http.Get(h.url + "metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer figures.Body.Close()
	if text, err := io.ReadAll(figures.Body); err != nil || !strings.Contains(string(text), "streamq_build_info{") || !strings.Contains(string(text), `pool="demo"`) {
		t.Errorf("%s %v\n%s", figures.Status, err, text)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	operator, err := socket.Dial(ctx, h.control, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := operator.Do(ctx, "EXPLAIN", slowReader); err != nil {
		t.Error(err)
	}
	operator.Close()

	if err := h.end(); err != nil {
		t.Errorf("%v\n%s", err, h.out)
	}
	if !regexp.MustCompile(`(?m)^requests: [1-9].* lost: 0$`).MatchString(h.out.String()) {
		t.Errorf("no table:\n%s", h.out)
	}
	if _, err := os.Stat(filepath.Dir(strings.TrimPrefix(h.control, "ipc://"))); err == nil {
		t.Error("the directory of the control socket is left")
	}
}

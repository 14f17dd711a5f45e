package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/config"
	"github.com/streamq/streamq-proxy/pairing"
)

// proxied is a proxy in this process.
type proxied struct {
	*server
	t *testing.T
}

// serveSettings has a proxy run until the test ends.
func serveSettings(t *testing.T, s config.Settings) *proxied {
	t.Helper()
	if s.HTTP == nil {
		address := "127.0.0.1:0"
		s.HTTP = &address
	}
	plan, err := s.Plan(2)
	if err != nil {
		t.Fatal(err)
	}
	p, err := open(plan, func() (*config.Plan, error) { return plan, nil }, io.Discard, nil)
	if err != nil {
		t.Fatal(err)
	}
	signals, done := make(chan os.Signal, 2), make(chan error, 1)
	go func() { done <- p.run(t.Context(), signals, nil) }()
	t.Cleanup(func() { // by when the test's context has ended
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &proxied{p, t}
}

// get asks once.
func (p *proxied) get(path, accept string) (status int, body string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+p.http.address()+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// freePool has no worker, and busyPool one that it has not found to be dead yet.
func freePool(name string) config.Pool {
	return config.Pool{Name: name, Frontend: []config.Frontend{{Endpoint: "tcp://127.0.0.1:0"}}, Backend: []string{"tcp://127.0.0.1:0"}}
}

func busyPool(name string) config.Pool {
	p := freePool(name)
	p.Workers = []config.Worker{{Endpoint: "tcp://127.0.0.1:1"}}
	return p
}

// A pool without a worker takes no other pool out of a balancer, unless all are
// wanted to be ready; one can be asked for by itself.
func TestReadinessIsPerPool(t *testing.T) {
	t.Parallel()
	for ready, want := range map[string][]int{"": {200, 200, 503, 200}, "any": {200, 200, 503, 200}, "all": {503, 200, 503, 503}} {
		p := serveSettings(t, config.Settings{Ready: ready, Pools: []config.Pool{busyPool("a"), freePool("b")}})
		var got []int
		for _, one := range []struct{ path, body string }{
			{"/readyz", "a: ready\nb: no usable worker\n"},
			{"/readyz?pool=a", "a: ready\n"},
			{"/readyz?pool=b", "b: no usable worker\n"},
			{"/readyz?pool=b&pool=a", "b: no usable worker\na: ready\n"},
		} {
			status, said := p.get(one.path, "")
			if said != one.body {
				t.Errorf("%s of %q: %q", one.path, ready, said)
			}
			got = append(got, status)
		}
		if !slices.Equal(got, want) {
			t.Errorf("ready: %s: %v, not %v", ready, got, want)
		}
		for _, path := range []string{"/readyz?pool=c", "/readyz?pool=a&pool=c", "/readyz?pool=", "/healthz?pool=c"} {
			if status, said := p.get(path, ""); status != http.StatusNotFound {
				t.Errorf("%s: %d %q", path, status, said)
			}
		}
		for _, path := range []string{"/readyz?pool=a;x=1", "/readyz?pool=a%zz", "/readyz?pool=a&pool=b%", "/healthz?pool=a;x=1"} {
			if status, said := p.get(path, ""); status != http.StatusBadRequest {
				t.Errorf("%s: %d %q", path, status, said)
			}
		}
		if status, said := p.get("/healthz?pool=b", ""); status != http.StatusOK || said != "b: alive\n" {
			t.Errorf("healthz: %d %q", status, said)
		}
	}
}

func TestReadinessInJSON(t *testing.T) {
	t.Parallel()
	p := serveSettings(t, config.Settings{Pools: []config.Pool{busyPool("a"), freePool("b")}})
	for path, want := range map[string]probe{
		"/readyz":        {true, []poolProbe{{"a", true, "ready"}, {"b", false, "no usable worker"}}},
		"/readyz?pool=b": {false, []poolProbe{{"b", false, "no usable worker"}}},
		"/healthz":       {true, []poolProbe{{"a", true, "alive"}, {"b", true, "alive"}}},
	} {
		_, said := p.get(path, "text/html;q=0.9, application/json")
		var got probe
		if err := json.Unmarshal([]byte(said), &got); err != nil {
			t.Errorf("%s: %v: %s", path, err, said)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", path, diff)
		}
	}
}

// JSON is for those who name it, and do not say by q=0 that they take none.
func TestJSONIsAskedFor(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "text/plain": false, "application/json": true, "Application/JSON ; charset=utf-8": true, "text/html;q=0.9, application/json;q=0.1": true,
		"application/json;q=0": false, "application/json; q=0.000, text/plain": false, "text/plain, application/jsonx": false, ";, application/json": true,
	} {
		if got := asksForJSON([]string{accept}); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}

// A pool whose loop is stuck takes neither time nor readiness from the others.
func TestReadinessBesideAStuckLoop(t *testing.T) {
	t.Parallel()
	p := serveSettings(t, config.Settings{Pools: []config.Pool{busyPool("stuck"), busyPool("good")}})
	stuck, release, answered := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(answered)
		_ = p.pools[0].Hello(t.Context(), pairing.Hint{Identity: "a"}, func(*pairing.IdentityInfo, bool) error {
			close(stuck)
			<-release
			return nil
		})
	}()
	<-stuck
	least := time.Duration(math.MaxInt64) // of a few tries, since a busy machine may take its time
	for try := 0; try < 5 && least >= probeTimeout; try++ {
		begin := time.Now()
		status, said := p.get("/readyz", "")
		if status != http.StatusOK || said != "stuck: the loop does not answer\ngood: ready\n" {
			t.Errorf("%d %q", status, said)
		}
		least = min(least, time.Since(begin))
	}
	if least >= probeTimeout {
		t.Errorf("it took %v, when balancers give up after a second", least)
	}
	if status, said := p.get("/healthz", ""); status != http.StatusServiceUnavailable {
		t.Errorf("healthz: %d %q", status, said)
	}
	close(release)
	<-answered
	for deadline := time.Now().Add(patience); ; {
		status, said := p.get("/readyz?pool=stuck", "")
		if status == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(fmt.Sprint(status, said))
		}
	}
}

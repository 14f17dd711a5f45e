package integration

import (
	"bufio"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// operated is a running proxy with its metrics at hand.
type operated struct {
	*proxy
	metrics string // URL
}

// startOperated is startProxy with the metrics turned on.
func startOperated(t testing.TB, flags ...string) *operated {
	t.Helper()
	p := &operated{proxy: startProxy(t, append(flags, "--http", "127.0.0.1:0")...)}
	eventually(t, "the proxy says where its metrics are", func() bool {
		for line := range strings.Lines(p.said()) {
			var record struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &record) == nil && record.Msg == "serving HTTP" {
				p.metrics = "http://" + record.Address + "/metrics"
			}
		}
		return p.metrics != ""
	})
	return p
}

// scraper opens a connection for each scrape, so that an idle one is not counted among what is to be flat.
var scraper = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

// samples are the metrics of one moment by name and labels, as the text format writes them.
type samples map[string]float64

func (p *operated) scrape(t testing.TB) samples {
	t.Helper()
	response, err := scraper.Get(p.metrics)
	must(t, err)
	defer response.Body.Close()
	all := samples{}
	for in := bufio.NewScanner(response.Body); in.Scan(); {
		name, value, ok := cutLast(in.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil && !strings.HasPrefix(name, "#") {
			all[name] = v
		}
	}
	return all
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// of is a sample of the pool, with labels in alphabetical order before and behind the pool's as they come: the labels are
// "name=value" pairs. A sample that is not there fails the test, for a misspelt name would be 0 for ever.
func (s samples) of(t testing.TB, name string, labels ...string) int {
	t.Helper()
	all := []string{`pool="default"`}
	for _, l := range labels {
		key, value, _ := strings.Cut(l, "=")
		all = append(all, fmt.Sprintf("%s=%q", key, value))
	}
	slices.Sort(all)
	v, ok := s["streamq_"+name+"{"+strings.Join(all, ",")+"}"]
	if !ok {
		t.Fatalf("there is no sample %s of %v", name, all)
	}
	return int(v)
}

// ends are the clients that have ended, by reason; reasons that nobody had are left out.
func (s samples) ends() map[string]int {
	by := map[string]int{}
	for name, n := range s {
		if _, reason, ok := strings.Cut(name, `streamq_clients_ended_total{pool="default",reason="`); ok && n > 0 {
			by[strings.TrimSuffix(reason, `"}`)] = int(n)
		}
	}
	return by
}

// ended is how many clients have ended.
func (s samples) ended() (sum int) {
	for _, n := range s.ends() {
		sum += n
	}
	return sum
}

// process is a sample that is not of a pool.
func (s samples) process(t testing.TB, name string) int {
	t.Helper()
	v, ok := s["streamq_"+name]
	if !ok {
		t.Fatalf("there is no sample %s", name)
	}
	return int(v)
}

// until scrapes until ok.
func (p *operated) until(t testing.TB, what string, ok func(samples) bool) samples {
	t.Helper()
	var s samples
	defer func() {
		if t.Failed() && s != nil {
			t.Logf("ended %v, %v", s.ends(), figuresOf(t, p, s))
		}
	}()
	eventually(t, what, func() bool {
		time.Sleep(10 * time.Millisecond) // a scrape is no light work
		s = p.scrape(t)
		return ok(s)
	})
	return s
}

// figures are what a proxy uses of its machine. Some pipes are not counted: a relay keeps them for the next time.
type figures struct {
	goroutines, descriptors, connections int
	backlog, resident                    int // bytes
}

func (f figures) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %d connections, %d bytes of backlog, %.1f MiB resident",
		f.goroutines, f.descriptors, f.connections, f.backlog, float64(f.resident)/(1<<20))
}

// mostPipes are the descriptors of the pipes that a relay at rest may keep, and of a child's standard streams.
const mostPipes = 64

// descriptorsOf counts a process's descriptors.
func descriptorsOf(t testing.TB, pid int) (others, pipes int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	all, err := os.ReadDir(dir)
	must(t, err)
	for _, one := range all {
		// One that is closed meanwhile counts as another: the caller looks again.
		if to, _ := os.Readlink(filepath.Join(dir, one.Name())); strings.HasPrefix(to, "pipe:") {
			pipes++
		} else {
			others++
		}
	}
	return others, pipes
}

func figuresOf(t testing.TB, p *operated, s samples) figures {
	t.Helper()
	pid := p.command.Process.Pid
	others, pipes := descriptorsOf(t, pid)
	return figures{
		goroutines:  int(s["go_goroutines"]),
		descriptors: others + max(0, pipes-mostPipes),
		connections: s.of(t, "connections"),
		backlog:     s.of(t, "backlog_bytes"),
		resident:    resident(t, pid),
	}
}

// resident is the memory of a process that is in RAM, in bytes (proc(5), VmRSS).
func resident(t testing.TB, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			n, err := strconv.Atoi(fields[1])
			must(t, err)
			return n << 10
		}
	}
	t.Fatal("no VmRSS in the status of a process")
	return 0
}

// calm are the figures of a proxy that is left alone: the least of a few looks, since a look is seen by itself.
func (p *operated) calm(t testing.TB) figures {
	t.Helper()
	least := figuresOf(t, p, p.scrape(t))
	for range 9 {
		time.Sleep(5 * time.Millisecond)
		f := figuresOf(t, p, p.scrape(t))
		least.goroutines = min(least.goroutines, f.goroutines)
		least.descriptors = min(least.descriptors, f.descriptors)
		least.resident = f.resident
	}
	return least
}

// gatherers are the goroutines by which one scrape may differ from another: a scrape has some of its own.
const gatherers = 6

// expectBack waits until the proxy uses no more than before. Of memory it may keep so many bytes for the next time.
func (p *operated) expectBack(t testing.TB, before figures, spare int) {
	t.Helper()
	keeps := raced(t, p.executable())
	p.until(t, fmt.Sprintf("back to %v", before), func(s samples) bool {
		f := figuresOf(t, p, s)
		return f.goroutines <= before.goroutines+gatherers && f.descriptors <= before.descriptors &&
			f.connections <= before.connections && f.backlog <= before.backlog && (keeps || f.resident-before.resident <= spare)
	})
	t.Logf("before: %v; after: %v", before, p.calm(t))
}

// executable is the program that the proxy has become, whatever started it.
func (p *operated) executable() string { return fmt.Sprintf("/proc/%d/exe", p.command.Process.Pid) }

// raced says whether a program was built with the race detector, which never gives back the memory in which it keeps its
// books, several times what the program itself ever used at once.
func raced(t testing.TB, program string) bool {
	t.Helper()
	info, err := buildinfo.ReadFile(program)
	must(t, err)
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func plainBinary() string { return filepath.Join(os.Getenv(builtVariable), "streamq-proxy-plain") }

// buildPlain builds the proxy without the race detector, once.
var buildPlain = sync.OnceValue(func() error {
	build := exec.Command("go", "build", "-o", plainBinary(), proxyPackage)
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("the proxy does not build: %w\n%s", err, said)
	}
	return nil
})

// withoutRace has the test run a proxy without the race detector, so that its memory can be judged. The test must not be
// parallel; its parts may be.
func withoutRace(t *testing.T) {
	t.Helper()
	if !raced(t, os.Getenv(binaryVariable)) {
		return
	}
	must(t, buildPlain())
	t.Setenv(binaryVariable, plainBinary())
}

// statusOf are the fields of /proc/PID/stat from the third on, the process's state (proc(5)): the second is a name, which
// may hold anything.
func statusOf(t testing.TB, pid int) []string {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	must(t, err)
	_, rest, _ := cutLast(string(stat), ") ")
	return strings.Fields(rest)
}

// processState is R, S, T for stopped, and so on.
func processState(t testing.TB, pid int) byte {
	t.Helper()
	return statusOf(t, pid)[0][0]
}

// processorTime is what a process has used of the processors until now.
func processorTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	const user, system = 14 - 3, 15 - 3 // of which proc(5) counts from one, and the first two are cut off
	const tick = time.Second / 100      // USER_HZ, which Linux has fixed for all its ABIs
	var sum time.Duration
	for _, field := range []int{user, system} {
		n, err := strconv.Atoi(statusOf(t, pid)[field])
		must(t, err)
		sum += time.Duration(n) * tick
	}
	return sum
}

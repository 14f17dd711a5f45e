package pairing

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the traces in testdata anew")

// TestTraces runs the scripts in testdata. A line that begins with a word is a
// command; what it caused and the state after it follow, indented. See
// tracer.run for the commands. go test -run Traces -update writes them anew.
func TestTraces(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			was, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			is, err := retrace(string(was))
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(file, []byte(is), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(was), "\n"), strings.Split(is, "\n")); diff != "" {
				t.Errorf("the trace has changed (-was +is); if it should, run with -update:\n%s", diff)
			}
		})
	}
}

func retrace(script string) (string, error) {
	var out strings.Builder
	tr := &tracer{cfg: traceConfig()}
	for n, line := range strings.Split(strings.TrimRight(script, "\n"), "\n") {
		if strings.HasPrefix(line, " ") {
			continue // the trace of before
		}
		out.WriteString(line + "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		trace, err := tr.run(strings.Fields(line))
		if err != nil {
			return "", fmt.Errorf("line %d: %s: %w", n+1, line, err)
		}
		out.WriteString(trace)
		if tr.table != nil {
			if err := tr.table.check(); err != nil {
				return "", fmt.Errorf("line %d: %s: %w", n+1, line, err)
			}
		}
	}
	return out.String(), nil
}

// traceConfig has everything on that does not end anybody by itself.
func traceConfig() Config {
	return Config{
		QueueMax: 10, QueueTimeout: 25 * time.Second, HandshakeTimeout: 10 * time.Second,
		FinishTimeout: 5 * time.Second, AffinityMax: 10, AffinityTTL: time.Hour,
		HintMax: 10, HintTTL: time.Minute, RetryMin: time.Second, RetryMax: 8 * time.Second,
	}
}

type tracer struct {
	cfg   Config
	now   time.Duration
	table *Table
}

var errTrace = errors.New("not understood")

// run runs one command:
//
//	config KEY=VALUE...                    first, or later to reconfigure
//	after DURATION                         time passes, then Tick
//	late DURATION                          time passes, and nobody calls Tick
//	client ID ADDRESS[:PORT]               worker ID NAME ADDRESS[:PORT]
//	ready ID    greeted ID    opened ID    touch ID    delivering ID    gone ID [reset]
//	dialled CLIENT ID    dial-failed CLIENT WORKER    probed WORKER ok|failed
//	end ID REASON    end-all REASON    stop-waiting REASON
//	add NAME [endpoint=E] [weight=N] [max=N]    remove NAME    unlist NAME
//	state NAME STATE    weight NAME N    max NAME N
//	hint IDENTITY [endpoint=E] [address=A] [prefer=W,W]    beat IDENTITY
func (tr *tracer) run(words []string) (string, error) {
	verb, args := words[0], words[1:]
	if verb == "config" {
		return tr.config(args)
	}
	if tr.table == nil {
		tr.table = New(tr.cfg)
	}
	for len(args) < 2 {
		args = append(args, "")
	}
	t := tr.table
	id, _ := strconv.ParseUint(args[0], 10, 64)
	peer := PeerID(id)
	why, _ := ParseReason(args[len(args)-1])
	switch verb {
	case "after":
		d, err := time.ParseDuration(args[0])
		tr.now += d
		return tr.show(t.Tick(tr.now), err)
	case "late":
		d, err := time.ParseDuration(args[0])
		tr.now += d
		return tr.show(nil, err)
	case "client":
		return tr.show(t.ClientConnected(tr.now, peer, traceOrigin(args[1]), nil), nil)
	case "worker":
		return tr.show(t.WorkerConnected(tr.now, peer, args[1], traceOrigin(args[2]), nil), nil)
	case "ready":
		return tr.show(t.ClientReady(tr.now, peer), nil)
	case "greeted":
		return tr.show(t.WorkerReady(tr.now, peer), nil)
	case "opened":
		return tr.show(t.Opened(tr.now, peer), nil)
	case "delivering":
		t.Delivering(tr.now, peer)
		return tr.show(nil, nil)
	case "touch":
		t.Touch(tr.now, peer)
		return tr.show(nil, nil)
	case "gone":
		how := Closed
		if args[1] == "reset" {
			how = Reset
		}
		return tr.show(t.Gone(tr.now, peer, how), nil)
	case "dialled":
		id, err := strconv.ParseUint(args[1], 10, 64)
		return tr.show(t.Dialled(tr.now, peer, PeerID(id), nil), err)
	case "dial-failed":
		return tr.show(t.DialFailed(tr.now, peer, args[1]), nil)
	case "probed":
		return tr.show(t.Probed(tr.now, args[0], args[1] == "ok"), nil)
	case "end":
		return tr.show(t.End(tr.now, peer, why), nil)
	case "beat":
		return fmt.Sprintf("    known: %v\n", t.Beat(tr.now, args[0])), nil
	}
	return tr.operate(verb, args)
}

func (tr *tracer) operate(verb string, args []string) (string, error) {
	t := tr.table
	n, _ := strconv.Atoi(args[1])
	options := map[string]string{}
	for _, a := range args[1:] {
		if key, value, ok := strings.Cut(a, "="); ok {
			options[key] = value
		}
	}
	switch verb {
	case "end-all", "stop-waiting":
		why, err := ParseReason(args[0])
		if verb == "end-all" {
			return tr.show(t.EndAll(tr.now, why), err)
		}
		return tr.show(t.StopWaiting(tr.now, why), err)
	case "add":
		weight, _ := strconv.Atoi(options["weight"])
		most, _ := strconv.Atoi(options["max"])
		return tr.told(t.AddWorker(tr.now, WorkerConfig{Name: args[0], Endpoint: options["endpoint"], Weight: weight, MaxPairs: most}))
	case "remove":
		return tr.told(t.RemoveWorker(tr.now, args[0]))
	case "unlist":
		return tr.told(t.UnlistWorker(tr.now, args[0]))
	case "state":
		for s := range stateCount {
			if s.String() == args[1] {
				return tr.told(t.SetWorkerState(tr.now, args[0], s))
			}
		}
	case "weight":
		return tr.told(t.SetWeight(tr.now, args[0], n))
	case "max":
		return tr.told(t.SetMaxPairs(tr.now, args[0], n))
	case "hint":
		h := Hint{Identity: args[0], Endpoint: options["endpoint"], Address: options["address"]}
		if p := options["prefer"]; p != "" {
			h.Prefer = strings.Split(p, ",")
		}
		return tr.show(t.Hint(tr.now, h), nil)
	}
	return "", errTrace
}

func (tr *tracer) config(args []string) (string, error) {
	for _, a := range args {
		key, value, _ := strings.Cut(a, "=")
		n, _ := strconv.Atoi(value)
		d, _ := time.ParseDuration(value)
		var err error
		switch key {
		case "policy":
			tr.cfg.Policy, err = ParsePolicy(value)
		case "queue-max":
			tr.cfg.QueueMax = n
		case "queue-timeout":
			tr.cfg.QueueTimeout = d
		case "slot-max-age":
			tr.cfg.SlotMaxAge = d
		case "max-clients":
			tr.cfg.MaxClients = n
		case "max-per-address":
			tr.cfg.MaxPerAddress = n
		case "lease":
			tr.cfg.Lease.Strategy, err = ParseStrategy(value)
		case "lease-ttl":
			tr.cfg.Lease.TTL = d
		case "affinity-by-source":
			tr.cfg.AffinityBySource = value == "true"
		default:
			err = errTrace
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", a, err)
		}
	}
	if err := tr.cfg.Validate(); err != nil {
		return "", err
	}
	if tr.table == nil {
		tr.table = New(tr.cfg)
		return "", nil
	}
	return tr.show(tr.table.Reconfigure(tr.now, tr.cfg), nil)
}

func traceOrigin(s string) Origin {
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		return Origin{Address: s[:i], Endpoint: s}
	}
	return Origin{Address: s}
}

// told is show for an error that is part of the trace.
func (tr *tracer) told(actions []Action, err error) (string, error) {
	s, _ := tr.show(actions, nil)
	if err != nil {
		s = "    " + err.Error() + "\n" + s
	}
	return s, nil
}

func (tr *tracer) show(actions []Action, err error) (string, error) {
	var b strings.Builder
	for _, a := range actions {
		fmt.Fprintf(&b, "    %s\n", a.text())
	}
	fmt.Fprintf(&b, "        %v", tr.now)
	if at, ok := tr.table.Deadline(); ok {
		fmt.Fprintf(&b, ", next at %v", at)
	}
	b.WriteString("\n")
	tr.table.EachPeer(func(p *Peer) bool {
		fmt.Fprintf(&b, "        %d %v", p.ID, p.State())
		if q := p.Partner(); q != nil {
			fmt.Fprintf(&b, " with %d", q.ID)
		}
		if p.Worker() != "" {
			fmt.Fprintf(&b, " of %s", p.Worker())
		}
		if p.Identity() != "" {
			fmt.Fprintf(&b, " is %s", p.Identity())
		}
		b.WriteString("\n")
		return true
	})
	for _, w := range tr.table.Workers() {
		fmt.Fprintf(&b, "        %s %v", w.Name, w.State)
		if w.Removed {
			b.WriteString(" (removed)")
		}
		fmt.Fprintf(&b, ": %d pairs, %d dials, %d slots", w.Pairs, w.Dialling, w.Slots)
		if w.RetryAt > 0 {
			fmt.Fprintf(&b, ", probed at %v", w.RetryAt)
		}
		b.WriteString("\n")
	}
	return b.String(), err
}

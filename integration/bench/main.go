package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "broker" { // a child of the benchmark, which a signal ends at once
		fmt.Fprintln(os.Stderr, "broker:", runBroker(os.Args[2:]))
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	quick, agent  bool
	rounds        int
	rows, cases   string
	proxy, proxy2 string
	peers         string
	json, svg     string
	readme        string
	from          string
	sizes         string
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.quick, "quick", false, "next to no work in every cell, and one round: does it all still run?")
	flags.BoolVar(&o.agent, "agent", false, "measure the agent, beside the other ways to a worker and HAProxy in front of HAProxy")
	flags.IntVar(&o.rounds, "rounds", 5, "how often every case is played by every row")
	flags.StringVar(&o.rows, "rows", "", "only rows that match this regular expression whole, as 'direct|splice.*'")
	flags.StringVar(&o.cases, "cases", "", "only cases that this regular expression is found in, as 'curve-64B'")
	flags.StringVar(&o.proxy, "proxy", "", "a built streamq-proxy; without it one is built")
	flags.StringVar(&o.proxy2, "proxy2", "", "another build of it, to be rows of its own with -2 in their names")
	flags.StringVar(&o.peers, "peers", ".build/bench", "where tools/setup.sh bench unpacked HAProxy and nginx")
	flags.StringVar(&o.json, "json", "", "write every figure to this file")
	flags.StringVar(&o.svg, "svg", "", "write plots into this directory")
	flags.StringVar(&o.readme, "readme", "", "put our ratios into this file, between "+proxyMarks.begin+" and "+proxyMarks.end+", or of -agent "+agentMarks.begin+" and "+agentMarks.end)
	flags.StringVar(&o.sizes, "sizes", "", "measure only package, start and memory of the release in this directory, beside HAProxy's and nginx's")
	flags.StringVar(&o.from, "from", "", "measure nothing: show what -json wrote to this file")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("what is %q? There are only flags: see -help", flags.Arg(0))
	}
	if o.rounds < 1 {
		return o, errors.New("-rounds must be 1 or more")
	}
	if o.agent && o.proxy2 != "" {
		return o, errors.New("-agent has no rows of another build: run it once for each with -proxy")
	}
	if o.quick {
		o.rounds = 1
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	if err := checkFiles(o); err != nil {
		return err
	}
	if o.sizes != "" {
		return measureSizes(ctx, o, stdout)
	}
	var r result
	if o.from != "" {
		r, err = readResult(o.from)
	} else {
		r, err = measureAll(ctx, o, stderr)
	}
	if err != nil && !errors.Is(err, errInterrupted) {
		return err
	}
	printTables(stdout, r, isTerminal(stdout))
	if err != nil {
		return err // half a run is worth a look, but no file
	}
	if err := writeFiles(o, r); err != nil {
		return err
	}
	switch n := len(r.Failures); n {
	case 0:
		return nil
	case 1:
		return errors.New("1 cell failed")
	default:
		return fmt.Errorf("%d cells failed", n)
	}
}

// checkFiles finds out before a run of many minutes what would go wrong after it.
func checkFiles(o options) error {
	if o.json != "" {
		if err := os.MkdirAll(filepath.Dir(o.json), 0o755); err != nil {
			return err
		}
	}
	if o.svg != "" {
		if err := os.MkdirAll(o.svg, 0o755); err != nil {
			return err
		}
	}
	if o.readme != "" {
		return marksOf(o).check(o.readme)
	}
	return nil
}

func writeFiles(o options, r result) error {
	if o.json != "" {
		if err := r.write(o.json); err != nil {
			return err
		}
	}
	if o.svg != "" {
		if err := writePlots(o.svg, r); err != nil {
			return err
		}
	}
	if o.readme != "" {
		o.agent = r.Agent // a file of -from says itself what it is
		return marksOf(o).update(o.readme, markdown(r))
	}
	return nil
}

// measureAll is the run itself.
func measureAll(ctx context.Context, o options, stderr io.Writer) (result, error) {
	dir, err := os.MkdirTemp("", "streamq-bench-")
	if err != nil {
		return result{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := raiseDescriptors(); err != nil {
		return result{}, err
	}
	b := &bench{dir: dir, port: os.Getpid()}
	if b.keys, err = newKeys(); err != nil {
		return result{}, err
	}
	cases, rows, err := selected(o)
	if err != nil {
		return result{}, err
	}
	if b.programs, err = prepare(ctx, o, dir, rows); err != nil {
		return result{}, err
	}
	r := result{Date: time.Now().UTC().Truncate(time.Second), Machine: thisMachine(), Rounds: o.rounds, Quick: o.quick, Agent: o.agent}
	r.Versions = versions(ctx, b.programs, rows)
	for _, one := range rows {
		r.Rows = append(r.Rows, one.name)
	}
	before, err := effortSoFar()
	if err != nil {
		return r, err
	}
	if err := b.playAll(ctx, &r, cases, rows, &progress{w: stderr, terminal: isTerminal(stderr), began: time.Now()}); err != nil {
		return r, err
	}
	after, err := effortSoFar()
	r.Machine.Others = after.others(before, r.Machine.Cores)
	return r, err
}

// selected are the cases and rows that -cases and -rows leave.
func selected(o options) (cases []benchCase, rows []row, err error) {
	wantedCases, err := regexp.Compile(o.cases)
	if err != nil {
		return nil, nil, fmt.Errorf("-cases: %w", err)
	}
	wantedRows, err := regexp.Compile("^(?:" + o.rows + ")$")
	if err != nil {
		return nil, nil, fmt.Errorf("-rows: %w", err)
	}
	playable, players := allCases(o.quick), allRows(o.proxy2 != "")
	if o.agent {
		playable, players = agentCases(o.quick), agentRows()
	}
	var names []string
	for _, c := range playable {
		names = append(names, c.name)
		if wantedCases.MatchString(c.name) {
			cases = append(cases, c)
		}
	}
	if len(cases) == 0 {
		return nil, nil, fmt.Errorf("-cases leaves none of: %s", strings.Join(names, " "))
	}
	names = nil
	for _, r := range players {
		names = append(names, r.name)
		if o.rows == "" || wantedRows.MatchString(r.name) {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil, nil, fmt.Errorf("-rows leaves none of: %s", strings.Join(names, " "))
	}
	return cases, rows, nil
}

// prepare finds or builds what the rows are made from.
func prepare(ctx context.Context, o options, dir string, rows []row) (p programs, err error) {
	if p.self, err = os.Executable(); err != nil {
		return p, err
	}
	var missing []error
	for _, r := range rows {
		switch r.name {
		case "haproxy", "haproxy-splice", "haproxy-twice":
			p.haproxy, err = findPeer("haproxy", o.peers)
		case "nginx":
			p.nginx, err = findPeer("nginx", o.peers)
		}
		if err != nil {
			missing = append(missing, err)
		}
		err = nil
	}
	if len(missing) > 0 {
		return p, missing[0]
	}
	if p.client, p.worker, err = buildLoad(dir); err != nil {
		return p, err
	}
	p.proxy2 = o.proxy2
	if p.proxy = o.proxy; p.proxy == "" {
		p.proxy = filepath.Join(dir, "streamq-proxy")
		build := exec.CommandContext(ctx, "go", "build", "-o", p.proxy, "github.com/streamq/streamq-proxy/cmd/streamq-proxy")
		if out, err := build.CombinedOutput(); err != nil {
			return p, fmt.Errorf("the proxy does not build: %w\n%s", err, out)
		}
	}
	return p, nil
}

// raiseDescriptors lets this process and its children have as many descriptors as they may.
func raiseDescriptors() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

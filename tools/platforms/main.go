package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	root := flag.String("root", ".", "the tree to try")
	only := flag.String("only", "", "the trials whose names match this regular expression; the others keep what is recorded, or are said not to be run yet")
	flag.Parse()
	if err := run(ctx, *root, *only); err != nil {
		fmt.Fprintln(os.Stderr, "platforms:", err)
		os.Exit(1)
	}
}

// limit ends a trial that hangs. The first run of some builds a compiler's libraries, and one runs all tests.
const limit = time.Hour

func run(ctx context.Context, root, only string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	chosen, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "streamq-platforms-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }() // of the system's temporary ones
	before, err := readRecord(root)
	if err != nil {
		return err
	}
	var all []entry
	failed := 0
	for _, t := range trials() {
		e, recorded := before[t.name]
		switch {
		case chosen.MatchString(t.name):
			e = (&platform{root, work}).try(ctx, t)
			fmt.Printf("%s: %s\n", t.name, e.outcome())
		case !recorded:
			e = entry{Name: t.name, System: t.system, Tried: t.tried, NotRun: "not yet: `make platforms PLATFORM=" + t.name + "` runs it"}
		}
		if e.Failed {
			failed++
		}
		all = append(all, e)
	}
	if err := write(root, all); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d trials failed", failed)
	}
	return nil
}

// platform is where trials are run.
type platform struct{ root, work string }

// try runs one, or says why it is not run.
func (p *platform) try(ctx context.Context, t trial) entry {
	e := entry{Name: t.name, System: t.system, Tried: t.tried, NotRun: t.notRun}
	for _, c := range t.needs {
		if _, err := exec.LookPath(c); err != nil && e.NotRun == "" {
			e.NotRun = c + " is not installed"
		}
	}
	if t.root && os.Getuid() != 0 && e.NotRun == "" {
		e.NotRun = "it needs root"
	}
	if e.NotRun != "" {
		return e
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	e.On = time.Now().UTC().Format(time.DateOnly)
	came, err := t.run(ctx, p)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", t.name, err)
		line, _, _ := strings.Cut(err.Error(), "\n")
		e.Failed, came = true, line
	}
	e.Came = came
	return e
}

// output is what a command in the tree prints, both ways; environment goes before the machine's own.
func (p *platform) output(ctx context.Context, environment []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = p.root, append(os.Environ(), environment...)
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// refused is the one line by which a program says that it cannot run, and the error is what is wrong with that.
func (p *platform) refused(ctx context.Context, name string, args ...string) (string, error) {
	said, err := p.output(ctx, nil, name, args...)
	var exited *exec.ExitError
	if !errors.As(err, &exited) || exited.ExitCode() != 1 {
		return "", fmt.Errorf("it ended with %w, want exit status 1", err)
	}
	if strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "streamq-proxy: ") {
		return "", fmt.Errorf("it does not say in one line why it cannot run: %q", said)
	}
	return strings.TrimSpace(said), nil
}

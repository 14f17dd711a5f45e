package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// result is what came of a test.
type result string

const (
	passed  result = "passed"
	failed  result = "failed"
	skipped result = "skipped"
)

// results are those of tests, by their names.
type results map[string]result

func (r results) number(of result) (n int) {
	for _, one := range r {
		if one == of {
			n++
		}
	}
	return n
}

// suite is a test suite of somebody else's.
type suite struct {
	name  string
	title string // in the document
	cases []testCase
}

// testCase is a part of a suite that is run by a process of its own.
type testCase struct {
	name    string
	dir     string
	command []string
	env     []string
	flags   []string                 // of the proxies, beside the usual ones
	limit   time.Duration            // where it is not the usual one
	parse   func(out string) results // what the process says of its tests
}

// limit ends a case that hangs.
const limit = 75 * time.Second

// tries is how often a case is run in which something fails.
const tries = 3

// outcome is what came of a suite, or of a case of one.
type outcome struct {
	direct, through results
	connects        int // that went through proxies
	again           int // tests that passed only when they were run again, both ways
}

// play runs a suite both ways.
func (r *runner) play(ctx context.Context, s suite) (outcome, error) {
	all := outcome{direct: results{}, through: results{}}
	for _, c := range s.cases {
		if !r.only.MatchString(c.name) {
			continue
		}
		direct, err := r.often(ctx, c, nil)
		if err != nil {
			return all, err
		}
		through, err := r.often(ctx, c, s.expected(direct.results))
		if err != nil {
			return all, err
		}
		for name, one := range direct.results {
			all.direct[name] = one
			if _, known := through.results[name]; !known {
				through.results[name] = failed // it has not come to it
			}
		}
		for name, one := range through.results {
			all.through[name] = one
		}
		all.connects += through.connects
		all.again += direct.again + through.again
	}
	return all, nil
}

// expected are results but for those that are known not to come through a proxy, for which a case is not run again.
func (s suite) expected(direct results) results {
	expected := maps.Clone(direct)
	maps.DeleteFunc(expected, func(test string, _ result) bool { return reasonOf(s.name, test) != nil })
	return expected
}

// runs is what came of a case that was run as often as it had to be.
type runs struct {
	results
	connects, again int
}

// often runs a case until each of its tests has passed once: through a proxy if there are results of direct runs, and then
// only for what has passed directly.
func (r *runner) often(ctx context.Context, c testCase, direct results) (runs, error) {
	sum := runs{results: results{}}
	for try := range tries {
		got, connects, err := r.once(ctx, c, direct != nil)
		if err != nil {
			return sum, err
		}
		sum.connects += connects
		delete(sum.results, c.toItsEnd()) // which it has come to, if that does not come again
		missing := false
		for name, one := range got {
			if try > 0 && one == passed && sum.results[name] == failed {
				sum.again++
			}
			if sum.results[name] != passed {
				sum.results[name] = one
			}
		}
		for name, one := range sum.results {
			missing = missing || one == failed && (direct == nil || direct[name] == passed)
		}
		for name, one := range direct {
			missing = missing || one == passed && sum.results[name] == ""
		}
		if !missing {
			break
		}
	}
	return sum, nil
}

// once runs a case, and keeps what it and its proxies say in .build/suites/log.
func (r *runner) once(ctx context.Context, c testCase, through bool) (results, int, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.limit, limit))
	defer cancel()
	cmd := exec.CommandContext(ctx, c.command[0], c.command[1:]...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	log := filepath.Join(r.work, "log", strings.NewReplacer("/", "-", " ", "-").Replace(c.name))
	if through {
		if err := r.gateway.begin(log+".proxies", c.flags); err != nil {
			return nil, 0, err
		}
		cmd.Env = append(cmd.Env, "STREAMQ_GATEWAY="+r.gateway.socket(), "LD_PRELOAD="+r.file("connect.so"))
		log += ".through"
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) && !errors.Is(err, exec.ErrWaitDelay) {
		return nil, 0, fmt.Errorf("%s: %w", c.name, err)
	}
	if err := os.WriteFile(log, out.Bytes(), 0o644); err != nil { //nolint:gosec // for people
		return nil, 0, err
	}
	got := c.parse(out.String())
	if exited != nil && got.number(failed) == 0 {
		got[c.toItsEnd()] = failed
	}
	return got, r.gateway.count(), nil
}

// toItsEnd stands for a test in which a case fails and says nothing of it.
func (c testCase) toItsEnd() string { return c.name + " (to its end)" }

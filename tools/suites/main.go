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
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	root := flag.String("root", ".", "the tree to test")
	only := flag.String("only", "", "the suites whose names match this regular expression; the others keep what is recorded")
	cases := flag.String("cases", "", "and their cases, by the names of the files in .build/suites/log; then nothing is written")
	flag.Parse()
	if err := run(ctx, *root, *only, *cases); err != nil {
		fmt.Fprintln(os.Stderr, "suites:", err)
		os.Exit(1)
	}
}

// runner is one run.
type runner struct {
	root, work string // the tree, and where what is fetched and built stays
	gateway    *gateway
	only       *regexp.Regexp // of cases
}

func (r *runner) file(name ...string) string {
	return filepath.Join(append([]string{r.work}, name...)...)
}

func run(ctx context.Context, root, only, cases string) (err error) {
	chosen, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	r := &runner{}
	if r.only, err = regexp.Compile(cases); err != nil {
		return err
	}
	if r.root, err = filepath.Abs(root); err != nil {
		return err
	}
	r.work = filepath.Join(r.root, ".build", "suites")
	if err := r.build(ctx); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "streamq-suites-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // of the system's temporary ones
	if r.gateway, err = startGateway(filepath.Join(r.root, "bin", "streamq-proxy"), dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.gateway.close()) }()
	var rows []row
	var wrong []error
	for _, known := range r.suites() {
		if !chosen.MatchString(known.name) {
			continue
		}
		s, err := known.find(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", known.name, err)
		}
		s.name, s.title = known.name, known.title
		o, err := r.play(ctx, s)
		if err != nil {
			return err
		}
		row := row{s, o}
		fmt.Print(row.text())
		rows = append(rows, row)
		wrong = append(wrong, row.wrong()...)
	}
	if cases == "" && len(wrong) == 0 {
		wrong = append(wrong, write(r.root, rows, r.suites()))
	}
	return errors.Join(wrong...)
}

// found is how a suite is found.
type found struct {
	name  string // for -only
	title string // in the document
	find  func(context.Context) (suite, error)
}

func (r *runner) suites() []found {
	return []found{
		{"libzmq", "libzmq 4.3.4's own, of Debian's sources, with the installed libzmq", r.libzmq},
		{"czmq", "CZMQ 4.2.1's own, of Debian's sources, with the installed CZMQ", r.czmq},
		{"pyzmq", "pyzmq 27.3.0's own, with its wheel", r.pyzmq},
		{"go-zeromq", "go-zeromq/zmq4 0.17.0's own, of its module", r.goZeromq},
		{"jeromq", "JeroMQ 0.6.0's own, of Debian's sources, with Maven Central's jar", r.jeromq},
	}
}

// build makes the shim; the proxy has been built.
func (r *runner) build(ctx context.Context) error {
	if err := os.MkdirAll(r.file("log"), 0o755); err != nil {
		return err
	}
	return r.command(ctx, r.root, "gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", r.file("connect.so"), "tools/suites/shim/connect.c", "-ldl")
}

// command runs one that has to succeed.
func (r *runner) command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

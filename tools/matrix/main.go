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
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	m := &matrix{}
	flag.StringVar(&m.root, "root", ".", "the tree to test")
	flag.BoolVar(&m.quick, "quick", false, "the newest library beside the machine's own only, with fewer tests; writes nothing")
	flag.Func("library", "NAME=FILE: another libzmq.so.5, such as one of your own; may be repeated", m.addOwn)
	flag.Parse()
	if err := m.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "matrix:", err)
		os.Exit(1)
	}
}

// matrix is one run.
type matrix struct {
	root, work string // the tree, and where what is fetched and built stays
	quick      bool
	own        []library
	libraries  []library
	cells      []cell
}

// The tests of a cell: sockets of every kind, mechanism and way, what the requirements
// ask for where a libzmq has a say, and how pairs end. None of them measures.
const (
	allTests   = `^Test(R1Trans|R2|R5|R9|R10|R13|R14|R16|S2|S4|GoZeromq|AgentLeaks|LastMessages|Killed|LateReplyLeak)`
	quickTests = `^Test(R1Transparent|R13Any|R16|S2EveryCombination|LastMessages)`
)

func (m *matrix) run(ctx context.Context) error {
	var err error
	if m.root, err = filepath.Abs(m.root); err != nil {
		return err
	}
	m.work = filepath.Join(m.root, ".build", "matrix")
	if err := os.MkdirAll(m.work, 0o755); err != nil {
		return err
	}
	if err := m.build(ctx); err != nil {
		return err
	}
	if err := m.findLibraries(ctx); err != nil {
		return err
	}
	failed := false
	for _, pair := range m.pairs() {
		c, err := m.play(ctx, pair[0], pair[1])
		if err != nil {
			return err
		}
		fmt.Printf("proxy on %s, peers on %s: %s\n", c.proxy.title(), c.peers.title(), c.outcome())
		for _, name := range c.failed {
			fmt.Println("    FAIL", name)
			failed = true
		}
		m.cells = append(m.cells, c)
	}
	if !m.quick {
		if err := m.writeTable(); err != nil {
			return err
		}
	}
	passed, wrong := m.totals()
	fmt.Printf("%d passed, %d failed\n", passed, wrong)
	if failed {
		return errors.New("not every test passed in every cell")
	}
	return nil
}

// build makes the two programs once; which libzmq they run on is decided at their start.
func (m *matrix) build(ctx context.Context) error {
	for _, args := range [][]string{
		{"build", "-buildvcs=false", "-o", m.proxy(), "./cmd/streamq-proxy"},
		{"test", "-c", "-o", m.tests(), "./integration"},
	} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir, cmd.Stderr = m.root, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
		}
	}
	return nil
}

func (m *matrix) proxy() string { return filepath.Join(m.work, "streamq-proxy") }
func (m *matrix) tests() string { return filepath.Join(m.work, "integration.test") }

// pairs are the cells to play, the proxy's library first.
func (m *matrix) pairs() (pairs [][2]library) {
	if m.quick {
		system, newest := library{name: "this machine's"}, m.libraries[len(m.libraries)-1]
		system.version, _ = m.version(system) // it has served to build
		return [][2]library{{newest, system}, {system, newest}}
	}
	for _, proxy := range m.libraries {
		for _, peers := range m.libraries {
			pairs = append(pairs, [2]library{proxy, peers})
		}
	}
	return pairs
}

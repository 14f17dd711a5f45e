package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// czmq has a self-test for each class, in the library; the program that calls them is of Debian's sources. Those of classes
// that connect to nothing over TCP are not asked for.
func (r *runner) czmq(ctx context.Context) (suite, error) {
	dir := r.file("czmq")
	s := suite{}
	program := r.file("built", "czmq_selftest")
	if err := os.MkdirAll(r.file("built"), 0o755); err != nil {
		return s, err
	}
	if err := r.command(ctx, dir, "gcc", "-w", "-Iinclude", "-Isrc", "-o", program, "src/czmq_selftest.c", "-lczmq", "-lzmq"); err != nil {
		return s, err
	}
	for _, class := range []string{
		"zactor", "zauth", "zcert", "zcertstore", "zframe", "zgossip", "zloop", "zmonitor", "zmsg", "zpoller", "zproxy", "zrex", "zsock", "zstr",
	} {
		s.cases = append(s.cases, testCase{
			name: "czmq-" + class, dir: filepath.Join(dir, "src"), command: []string{program, "-t", class},
			parse: func(out string) results {
				if strings.HasSuffix(strings.TrimSpace(out), "OK") {
					return results{class: passed}
				}
				return results{class: failed}
			},
		})
	}
	return s, nil
}

// refuse has clients be refused where the worker has gone, as they are without a proxy.
var refuse = []string{"--no-worker", "refuse", "--no-worker-wait", "0s"}

// pyzmq is its own, of the source distribution, with the wheel.
func (r *runner) pyzmq(context.Context) (suite, error) {
	s := suite{}
	dir := r.file("pyzmq")
	files, err := filepath.Glob(filepath.Join(dir, "tests", "test_*.py"))
	for _, file := range files {
		name := filepath.Base(file)
		if name == "test_mypy.py" || name == "test_cython.py" || name == "test_draft.py" {
			continue // a type checker, a compiler, what is in no release
		}
		var flags []string
		if name == "test_device.py" { // its clients try to connect again when the worker has gone, and LINGER has them be refused before they may end
			flags = refuse
		}
		s.cases = append(s.cases, testCase{
			name: name, dir: dir, flags: flags, env: []string{"PYTHONPATH=" + r.file("py"), "PYTHONDONTWRITEBYTECODE=1"},
			command: []string{"/usr/bin/python3", "-m", "pytest", "-q", "-rA", "--tb=short", "--timeout=60", "-p", "no:cacheprovider", "tests/" + name},
			parse:   pytest,
		})
	}
	return s, err
}

// goZeromq is go-zeromq/zmq4's own, of its module.
func (r *runner) goZeromq(ctx context.Context) (suite, error) {
	dir := r.file("zmq4")
	s := suite{}
	program := r.file("built", "zmq4.test")
	if err := os.MkdirAll(r.file("built"), 0o755); err != nil {
		return s, err
	}
	shim, err := os.ReadFile(filepath.Join(r.root, "tools", "suites", "shim", "transport_test.go.txt"))
	if err != nil {
		return s, err
	}
	if err := os.WriteFile(filepath.Join(dir, "zz_through_test.go"), shim, 0o644); err != nil { //nolint:gosec // a source
		return s, err
	}
	if err := r.command(ctx, dir, "go", "test", "-c", "-o", program, "."); err != nil {
		return s, err
	}
	s.cases = []testCase{{name: "zmq4", dir: dir, command: []string{program, "-test.v", "-test.timeout", "150s"}, parse: goTest}}
	return s, nil
}

// jeromq is its own, of Debian's sources, with the jar of Maven Central.
func (r *runner) jeromq(ctx context.Context) (suite, error) {
	s := suite{}
	dir, classes := r.file("jeromq"), r.file("classes")
	tests := filepath.Join(dir, "src", "test", "java")
	jars, err := filepath.Glob(r.file("java", "*.jar"))
	if err != nil {
		return s, err
	}
	path := strings.Join(append(jars, classes, filepath.Join(dir, "src", "test", "resources")), ":")
	var sources, all, raw, broken []string
	err = filepath.WalkDir(tests, func(file string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(file, ".java") {
			sources = append(sources, file)
		}
		return err
	})
	if err != nil {
		return s, err
	}
	args := append([]string{"-nowarn", "-proc:none", "-encoding", "UTF-8", "-cp", path, "-d", classes, filepath.Join(r.root, "tools", "suites", "shim", "Runner.java")}, sources...)
	if err := r.command(ctx, dir, "javac", args...); err != nil {
		return s, err
	}
	for _, file := range sources {
		text, err := os.ReadFile(file)
		if err != nil {
			return s, err
		}
		if !strings.Contains(string(text), "@Test") || !strings.Contains(string(text), "tcp") || strings.Contains(file, "Beacon") {
			continue // it connects to nothing over TCP
		}
		relative, err := filepath.Rel(tests, file)
		if err != nil {
			return s, err
		}
		class := strings.ReplaceAll(strings.TrimSuffix(relative, ".java"), "/", ".")
		switch {
		case rawInJava.MatchString(class):
			raw = append(raw, class)
		case brokenInJava.MatchString(class):
			broken = append(broken, class)
		default:
			all = append(all, class)
		}
	}
	one := func(name string, classes, flags []string) {
		s.cases = append(s.cases, testCase{
			name: name, dir: dir, flags: flags, limit: 5 * time.Minute, parse: junit,
			command: append([]string{"java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", path, "Runner"}, classes...),
		})
	}
	one("jeromq-raw", raw, []string{"--expect", "any"})
	one("jeromq-broken", broken, refuse)
	for group := range slices.Chunk(all, 10) { // which share a Java machine, since one takes a second to start
		one("jeromq-"+group[0], group, nil)
	}
	return s, nil
}

// rawInJava are classes that have raw sockets on one side of a connection: their pools look at nothing that is said, as those of libzmq's.
var rawInJava = regexp.MustCompile(`\.(ConnectRidTest|TestRaw|StreamTest)$`)

// brokenInJava are classes whose clients have IMMEDIATE and a worker that goes: nothing may be sent until it is back, and JeroMQ
// takes a connection that is accepted for one.
var brokenInJava = regexp.MustCompile(`\.(ImmediateTest|TestConnectDelay)$`)

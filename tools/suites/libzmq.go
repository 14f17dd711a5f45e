package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// libzmq is its own: each file a program, with the library that is installed.
func (r *runner) libzmq(ctx context.Context) (suite, error) {
	dir := r.file("zeromq3")
	s := suite{}
	files, err := filepath.Glob(filepath.Join(dir, "tests", "test_*.cpp"))
	if err != nil {
		return s, err
	}
	var all []string
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".cpp")
		if elsewhere.MatchString(name) {
			continue
		}
		all = append(all, name)
		if name == curveTests {
			one, err := r.curve(file)
			if err != nil {
				return s, err
			}
			s.cases = append(s.cases, one...)
			continue
		}
		s.cases = append(s.cases, testCase{name: name, dir: r.file("built"), command: []string{r.file("built", name)}, flags: flags(name), parse: unity})
	}
	return s, r.compile(ctx, dir, all)
}

// curveTests has tests that wait for ever for what the proxy keeps from a worker; so each is run by itself.
const curveTests = "test_security_curve"

func (r *runner) curve(file string) (all []testCase, err error) {
	text, err := os.ReadFile(file)
	for _, m := range regexp.MustCompile(`RUN_TEST \((\w+)\)`).FindAllSubmatch(text, -1) {
		all = append(all, testCase{
			name: curveTests + "-" + string(m[1]), dir: r.file("built"), command: []string{r.file("built", curveTests)}, env: []string{"STREAMQ_TEST=" + string(m[1])},
			limit: 20 * time.Second, parse: unity,
		})
	}
	return all, err
}

// elsewhere are programs of libzmq's that make no tests of connections over TCP: other transports, fuzzers without input, what is not
// in a release's API, and what asks how the library was built.
var elsewhere = regexp.MustCompile(`_(tipc|vmci|ipc|inproc|ws_transport|wss_transport|ws_fuzzer|cap_net_admin)$|_fuzzer$|^test_(` +
	`poller|thread_safe|client_server|timers|radio_dish|scatter_gather|dgram|app_meta|router_notify|xpub_manual_last_value|peer|msg_init|channel|hello_msg|disconnect_msg|` +
	`ipc_wildcard|security_gssapi|capabilities)$`)

// flags have the pools of tests with raw sockets, or a SOCKS server, look at nothing that their peers say.
func flags(name string) []string {
	if strings.HasPrefix(name, "test_stream") || name == "test_socks" || name == "test_connect_rid" {
		return []string{"--expect", "any"}
	}
	return nil
}

// compile makes the programs that are not there, two at a time.
func (r *runner) compile(ctx context.Context, dir string, names []string) error {
	if err := os.MkdirAll(r.file("built"), 0o755); err != nil {
		return err
	}
	common := []string{
		"-O1", "-w", "-DZMQ_CUSTOM_PLATFORM_HPP", "-DUNITY_USE_COMMAND_LINE_ARGS", "-DUNITY_EXCLUDE_FLOAT",
		"-I" + filepath.Join(r.root, "tools", "static"), "-Iexternal/unity", "-Isrc",
	}
	helpers := []string{"tests/testutil.cpp", "tests/testutil_monitoring.cpp", "tests/testutil_security.cpp", "tests/testutil_unity.cpp", "external/unity/unity.c"}
	var objects []string
	for _, file := range helpers {
		object := r.file("built", filepath.Base(file)+".o")
		objects = append(objects, object)
		if _, err := os.Stat(object); err == nil {
			continue
		}
		compiler := map[string]string{".c": "gcc", ".cpp": "g++"}[filepath.Ext(file)]
		if err := r.command(ctx, dir, compiler, append(slices.Clone(common), "-c", "-o", object, file)...); err != nil {
			return err
		}
	}
	if err := r.command(ctx, r.root, "gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-c", "-o", r.file("built", "one.o"), "tools/suites/shim/one.c"); err != nil {
		return err
	}
	work, errs := make(chan string), make([]error, runtime.NumCPU())
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			for name := range work {
				args := append(slices.Clone(common), "-o", r.file("built", name)+".new", "tests/"+name+".cpp")
				if name == curveTests {
					args = append(args, "src/err.cpp", "src/random.cpp", "src/clock.cpp", r.file("built", "one.o"), "-Wl,--wrap=UnityDefaultTestRun")
				}
				args = append(append(args, objects...), "-lzmq", "-lsodium", "-lpthread")
				errs[i] = errors.Join(errs[i], r.command(ctx, dir, "g++", args...))
				errs[i] = errors.Join(errs[i], os.Rename(r.file("built", name)+".new", r.file("built", name)))
			}
		})
	}
	for _, name := range names {
		if _, err := os.Stat(r.file("built", name)); err != nil {
			work <- name
		}
	}
	close(work)
	all.Wait()
	return errors.Join(errs...)
}

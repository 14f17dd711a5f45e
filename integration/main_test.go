package integration

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// patience is how long a test waits for what it expects before it gives up. Two busy cores under the race detector
// need seconds at the most for anything here that is not told otherwise.
const patience = time.Minute

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

// binaryVariable names the program that the tests run as the proxy. Unset, it is built from this tree.
const binaryVariable = "STREAMQ_TEST_BINARY"

// builtVariable names the directory for programs that tests build for all of them.
const builtVariable = "STREAMQ_TEST_BUILT"

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "streamq-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv(builtVariable, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	flag.Parse()
	if flag.Lookup("test.run").Value.String() == "" { // it will be asked for, and most tests wait more than they compute
		go func() { _ = buildPlain() }() // the test that asks for it hears how that went
	}
	if os.Getenv(binaryVariable) != "" {
		return m.Run()
	}
	binary := filepath.Join(dir, "streamq-proxy")
	build := exec.Command("go", "build", "-race", "-o", binary, proxyPackage)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "the proxy does not build:", err)
		return 1
	}
	if err := os.Setenv(binaryVariable, binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

const proxyPackage = "github.com/streamq/streamq-proxy/cmd/streamq-proxy"

// eventually waits until ok, and fails the test with what when it does not come to that.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for: %s", patience, what)
		}
	}
}

// must ends the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package control

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A program that speaks to a proxy must not have the C functions by which the proxy
// stands before libc: they would take the place of libc's for all of its C code. The
// proxy itself has some, which shows that they would be seen.
func TestClientTakesNothingOfLibc(t *testing.T) {
	if _, err := exec.LookPath("nm"); err != nil {
		t.Skip("nm is not installed (package binutils)")
	}
	application := filepath.Join(t.TempDir(), "application")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", application, "./client/testdata/application")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if taken := ofLibc(t, application); len(taken) > 0 {
		t.Errorf("the application defines %v of libc", taken)
	}
	deps, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "./client").Output()
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/streamq/streamq-proxy/"
	for p := range strings.Lines(string(deps)) {
		if p, ours := strings.CutPrefix(strings.TrimSpace(p), module); ours && !slices.Contains([]string{"control/client", "control/wire"}, p) {
			t.Errorf("the client depends on %s", p)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if taken := ofLibc(t, self); !slices.Contains(taken, "accept4") {
		t.Errorf("the proxy's own code defines %v of libc: accept4 is not seen", taken)
	}
}

// ofLibc are the functions that libc and libzmq have, too, among those that a
// program offers to the dynamic linker.
func ofLibc(t *testing.T, program string) (taken []string) {
	t.Helper()
	linked, err := exec.CommandContext(t.Context(), "ldd", program).Output()
	if err != nil {
		t.Skipf("ldd cannot tell what the program is linked with: %v", err)
	}
	theirs := map[string]bool{}
	for line := range strings.Lines(string(linked)) {
		words := strings.Fields(line)
		if i := slices.Index(words, "=>"); i >= 0 && i+1 < len(words) {
			for _, s := range symbols(t, words[i+1]) {
				theirs[s] = true
			}
		}
	}
	for _, s := range symbols(t, program) {
		if theirs[s] {
			taken = append(taken, s)
		}
	}
	return taken
}

// symbols are the functions that a file defines for the dynamic linker.
func symbols(t *testing.T, file string) (names []string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "nm", "-D", "--defined-only", file).Output()
	if err != nil {
		t.Fatalf("nm %s: %v", file, err)
	}
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		words := strings.Fields(s.Text())
		if len(words) == 3 && strings.ContainsAny(words[1], "TWi") {
			name, _, _ := strings.Cut(words[2], "@")
			names = append(names, name)
		}
	}
	return names
}

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What `make build` builds tells its revision wherever git knows one, also where
// Go was told not to ask (go env -w GOFLAGS=-buildvcs=false).
func TestMakeStampsTheRevision(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not installed")
	}
	want := "-buildvcs=true"
	git := exec.Command("git", "rev-parse", "HEAD")
	git.Dir = "../.."
	if git.Run() != nil {
		want = "-buildvcs=false"
	}
	for _, env := range [][]string{nil, {"PATH=/nowhere", "GIT_DIR=/nowhere"}} {
		plan := exec.Command("make", "-n", "build", "SHELL=/bin/bash")
		plan.Dir = "../.."
		plan.Env = append(os.Environ(), env...)
		if env != nil {
			want = "-buildvcs=false"
		}
		said, err := plan.CombinedOutput()
		if err != nil || !strings.Contains(string(said), want) {
			t.Errorf("with %v: %v\n%s\nwant %s", env, err, said, want)
		}
	}
}

// Go's cache of what is built does not key the headers of libzmq: make tells it.
func TestMakeTellsLibzmq(t *testing.T) {
	for _, program := range []string{"make", "pkg-config"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(program + " is not installed")
		}
	}
	version, err := exec.Command("pkg-config", "--modversion", "libzmq").Output()
	if err != nil {
		t.Fatal(err)
	}
	show := exec.Command("make", "-s", "--eval", "show: ; @echo $$CGO_CPPFLAGS", "show", "SHELL=/bin/bash")
	show.Dir = "../.."
	said, err := show.CombinedOutput()
	if want := "-DLIBZMQ=" + strings.TrimSpace(string(version)); err != nil || !strings.Contains(string(said), want) {
		t.Errorf("%v: CGO_CPPFLAGS is %s, want %s", err, said, want)
	}
}

// The version is the newest that the changelog has.
func TestVersionIsTheChangelogs(t *testing.T) {
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	newest := regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$`).FindSubmatch(text)
	if newest == nil || "v"+string(newest[1]) != release {
		t.Errorf("the program is %s, the changelog's newest version %s", release, newest)
	}
	var said bytes.Buffer
	if err := run(t.Context(), []string{"version"}, &said, io.Discard); err != nil || !strings.HasPrefix(said.String(), "streamq-proxy "+release+" (") {
		t.Errorf("%q, %v", said.String(), err)
	}
}

// What the documents and the files of deploy install is this version.
func TestVersionIsTheDocuments(t *testing.T) {
	named := regexp.MustCompile(`streamq-proxy[:_-](\d+\.\d+\.\d+)`)
	found := 0
	for _, pattern := range []string{"docs/release.md", "docs/operations/install.md", "deploy/*/*.yaml"} {
		files, err := filepath.Glob("../../" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range named.FindAllSubmatch(text, -1) {
				found++
				if "v"+string(m[1]) != release {
					t.Errorf("%s has %s, the program is %s", file, m[0], release)
				}
			}
		}
	}
	if found == 0 {
		t.Error("none is named")
	}
}

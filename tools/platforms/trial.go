package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// trial is something that is tried on a system.
type trial struct {
	name   string // for -only, and in the record
	system string
	tried  string
	notRun string   // why it cannot be run anywhere that this is; then there is no more
	needs  []string // commands
	root   bool     // whether it needs to be root's
	run    func(ctx context.Context, p *platform) (came string, err error)
}

const (
	debian  = "Debian 12, Debian 13 (glibc, amd64)"
	musl    = "Alpine and others with musl (amd64)"
	arm     = "arm64 (musl, static)"
	gvisor  = "gVisor"
	freebsd = "FreeBSD"
	others  = "OpenBSD, macOS, Windows"
	wsl     = "WSL2"
	without = "Linux, built without cgo"
)

// tested are the packages without sockets that have tests, and pure are all of these packages: every system has them.
var (
	tested = []string{"./pairing", "./control/wire", "./stream/endpoint", "./stream/proxyproto", "./stream/clientaddr"}
	pure   = append([]string{"./stream/pacing"}, tested...)
)

// emulated are the packages whose unit tests an emulator of processes can run: those, what reads ZMTP, the configuration,
// what libzmq does to descriptors, and the threads that move bytes.
var emulated = append([]string{"./stream/zmtp", "./cmd/streamq-proxy/internal/config", "./stream/libzmq", "./stream/seam", "./stream/splice"}, tested...)

func trials() []trial {
	return []trial{
		{name: "debian", system: debian, tried: "every libzmq under the proxy and under its peers, by `make matrix`: [matrix](matrix.md)", run: matrix},
		{
			name: "debian-13", system: debian, tried: "Debian 13 as a whole: a clean one with Go, git and make, in which `make run` and `make test` are all that is typed",
			needs: []string{"debootstrap", "unshare", "chroot"}, root: true, run: newcomer,
		},
		{
			name: "musl-demo", system: musl, tried: "the static program of `make static`: its demo, in a root with no other file",
			needs: []string{"python3", "cargo", "chroot"}, root: true, run: muslDemo,
		},
		{
			name: "musl-tests", system: musl, tried: "built against musl: the unit tests of all that reads, accepts and moves bytes, the seam's among them",
			needs: []string{"python3", "cargo"}, run: func(ctx context.Context, p *platform) (string, error) {
				return p.tests(ctx, "tools/static.sh", "amd64", "go", "test", "-count=1")
			},
		},
		{
			name: "alpine", system: musl, tried: "Alpine's own packages of Go and libzmq, and its dynamic loader",
			notRun: "Alpine's packages are in no registry that the project builds from",
		},
		{
			name: "arm64-demo", system: arm, tried: "cross-built by `tools/static.sh arm64`; its demo, by qemu's emulator",
			needs: []string{"python3", "cargo", "qemu-aarch64-static"}, run: armDemo,
		},
		{
			name: "arm64-tests", system: arm, tried: "the same unit tests, by qemu's emulator",
			needs: []string{"python3", "cargo", "qemu-aarch64-static"}, run: func(ctx context.Context, p *platform) (string, error) {
				return p.tests(ctx, "tools/static.sh", "arm64", "go", "test", "-count=1", "-timeout=20m", "-exec=qemu-aarch64-static")
			},
		},
		{name: "arm64-machine", system: arm, tried: "on a machine of that kind, with speed and memory", notRun: "there is none here"},
		{name: "gvisor", system: gvisor, tried: "the demo in runsc's sandbox", root: true, run: sandbox},
		{name: "wsl", system: wsl, tried: "Debian's package", notRun: "there is no Windows here"},
		{name: "freebsd", system: freebsd, tried: "the program builds; the packages without sockets pass `go vet`; what the program says there", needs: []string{"node"}, run: elsewhere("freebsd", pure)},
		{name: "freebsd-machine", system: freebsd, tried: "on a machine of that kind, also by its linux(4)", notRun: "there is none here"},
		{name: "others", system: others, tried: "the program builds; what it says there", needs: []string{"node"}, run: elsewhere("openbsd darwin windows", nil)},
		{name: "cgo", system: without, tried: "what the program says", run: withoutCgo},
	}
}

// matrix is the result of the other command.
func matrix(_ context.Context, p *platform) (string, error) {
	text, err := os.ReadFile(filepath.Join(p.root, "docs", "matrix.md"))
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile(`(?m)^Run on (\S+): (\d+ passed, 0 failed)\.$`).FindStringSubmatch(string(text))
	if m == nil {
		return "", errors.New("docs/matrix.md tells of no run in which nothing failed")
	}
	return fmt.Sprintf("%s, on %s", m[2], m[1]), nil
}

// newcomer types the README's two commands on a clean Debian 13.
func newcomer(ctx context.Context, p *platform) (string, error) {
	said, err := p.output(ctx, nil, "tools/debian.sh", "trixie", "make run && make test")
	if err != nil {
		return "", err
	}
	passed := regexp.MustCompile(`(?m)^ok +(\d+ passed, 0 failed, \d+ skipped) in \d+ packages`).FindStringSubmatch(said)
	if passed == nil || !strings.Contains(said, "lost: 0\n") {
		return "", fmt.Errorf("the two commands do not end as they should\n%s", said)
	}
	return "the demo ends with `lost: 0`; of the tests " + passed[1], nil
}

func muslDemo(ctx context.Context, p *platform) (string, error) {
	if said, err := p.output(ctx, nil, "tools/static.sh", "amd64", "tar", p.work); err != nil {
		return said, err
	}
	said, err := p.output(ctx, nil, "tools/static.sh", "amd64", "try", p.work)
	return lost(said, err)
}

func armDemo(ctx context.Context, p *platform) (string, error) {
	program := filepath.Join(p.work, "arm64")
	if said, err := p.output(ctx, nil, "tools/static.sh", "arm64", "go", "build", "-o", program, "./cmd/streamq-proxy"); err != nil {
		return said, err
	}
	said, err := p.output(ctx, nil, "qemu-aarch64-static", program, "demo")
	return lost(said, err)
}

// sandbox has gVisor's kernel, which is built from its Go module, in the place of Linux.
func sandbox(ctx context.Context, p *platform) (string, error) {
	runsc := filepath.Join(p.root, ".build", "runsc")
	program := filepath.Join(p.work, "streamq-proxy")
	if said, err := p.output(ctx, []string{"CGO_ENABLED=0"}, "go", "-C", "tools/gvisor", "build", "-o", runsc, "gvisor.dev/gvisor/runsc"); err != nil {
		return said, err
	}
	if said, err := p.output(ctx, nil, "go", "build", "-o", program, "./cmd/streamq-proxy"); err != nil {
		return said, err
	}
	said, err := p.output(ctx, nil, runsc, "--ignore-cgroups", "--network=none", "--root="+filepath.Join(p.work, "runsc"), "do", program, "demo")
	return lost(said, err)
}

// lost is the last line of a demo, which has checked the seam before.
func lost(said string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if last := lines[len(lines)-1]; !strings.HasSuffix(last, "lost: 0") {
		return "", fmt.Errorf("the demo ended with %q\n%s", last, said)
	}
	return "the seam is found; the demo ends with `lost: 0`", nil
}

// tests runs the unit tests that need neither another machine's speed nor other programs.
func (p *platform) tests(ctx context.Context, name string, args ...string) (string, error) {
	said, err := p.output(ctx, nil, name, append(args, emulated...)...)
	if err != nil {
		return "", err
	}
	passed := len(regexp.MustCompile(`(?m)^ok\s`).FindAllString(said, -1))
	if passed != len(emulated) {
		return "", fmt.Errorf("%d packages of %d have passed\n%s", passed, len(emulated), said)
	}
	return fmt.Sprintf("%d packages pass: `%s`", passed, strings.ReplaceAll(strings.Join(emulated, " "), "./", "")), nil
}

// elsewhere builds the program for systems on which it cannot run. What it says there is heard from the same source,
// built for the one such system that a program of this machine can run: Go's js, in Node.
func elsewhere(systems string, vetted []string) func(context.Context, *platform) (string, error) {
	return func(ctx context.Context, p *platform) (string, error) {
		for system := range strings.FieldsSeq(systems) {
			environment := []string{"CGO_ENABLED=0", "GOOS=" + system, "GOARCH=amd64"}
			if said, err := p.output(ctx, environment, "go", "build", "-o", os.DevNull, "./cmd/streamq-proxy"); err != nil {
				return said, err
			}
			if len(vetted) > 0 {
				if said, err := p.output(ctx, environment, "go", append([]string{"vet"}, vetted...)...); err != nil {
					return said, err
				}
			}
		}
		program := filepath.Join(p.work, "elsewhere.wasm")
		if said, err := p.output(ctx, []string{"CGO_ENABLED=0", "GOOS=js", "GOARCH=wasm"}, "go", "build", "-o", program, "./cmd/streamq-proxy"); err != nil {
			return said, err
		}
		goroot, err := p.output(ctx, nil, "go", "env", "GOROOT")
		if err != nil {
			return "", err
		}
		line, err := p.refused(ctx, filepath.Join(strings.TrimSpace(goroot), "lib", "wasm", "go_js_wasm_exec"), program, "version")
		if err != nil {
			return "", err
		}
		line = strings.Replace(line, "this is js", "this is "+strings.Fields(systems)[0], 1)
		return "it builds; the same source, built for Go's js and run by Node, ends with 1 and says `" + line + "` (there of js)", nil
	}
}

func withoutCgo(ctx context.Context, p *platform) (string, error) {
	program := filepath.Join(p.work, "without")
	if said, err := p.output(ctx, []string{"CGO_ENABLED=0"}, "go", "build", "-o", program, "./cmd/streamq-proxy"); err != nil {
		return said, err
	}
	line, err := p.refused(ctx, program, "version")
	return "it ends with 1 and says `" + line + "`", err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// library is a libzmq, and how a program is started on it.
type library struct {
	name    string
	version string   // what it says itself, such as 4.3.5
	loader  []string // goes before the program
	path    string   // LD_LIBRARY_PATH, or ""
}

func (l library) title() string { return l.version + " (" + l.name + ")" }

// command is a program on this library.
func (l library) command(program string, args ...string) []string {
	line := append([]string{}, l.loader...)
	return append(append(line, program), args...)
}

func (l library) environment() []string {
	if l.path == "" {
		return nil
	}
	return []string{"LD_LIBRARY_PATH=" + l.path}
}

// wheel is the newest pyzmq; its wheels have the newest libzmq that is published built.
const wheel = "27.3.0"

func (m *matrix) addOwn(value string) error {
	name, file, ok := strings.Cut(value, "=")
	if !ok {
		return errors.New("it is NAME=FILE")
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	m.own = append(m.own, library{name: name, path: file})
	return nil
}

// findLibraries fetches what is missing and asks each for its version.
func (m *matrix) findLibraries(ctx context.Context) error {
	var found []library
	if !m.quick {
		for _, d := range [][2]string{{"bookworm", "Debian 12"}, {"trixie", "Debian 13"}} {
			l, err := m.debian(ctx, d[0], d[1])
			if err != nil {
				return fmt.Errorf("%s: %w", d[1], err)
			}
			found = append(found, l)
		}
	}
	l, err := m.pyzmq(ctx)
	if err != nil {
		return fmt.Errorf("the wheel of pyzmq %s: %w", wheel, err)
	}
	found = append(found, l)
	for i, own := range m.own {
		dir := filepath.Join(m.work, fmt.Sprint("own-", i))
		if err := link(own.path, dir); err != nil {
			return err
		}
		found = append(found, library{name: own.name, path: dir})
	}
	for _, l := range found {
		if l.version, err = m.version(l); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		m.libraries = append(m.libraries, l)
	}
	return nil
}

// version is what the proxy says that it runs on.
func (m *matrix) version(l library) (string, error) {
	line := l.command(m.proxy(), "version")
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = append(os.Environ(), l.environment()...)
	said, err := cmd.CombinedOutput()
	found := regexp.MustCompile(`libzmq (\d+\.\d+\.\d+),`).FindSubmatch(said)
	if err != nil || found == nil {
		return "", fmt.Errorf("the proxy does not run on it: %w: %s", err, said)
	}
	return string(found[1]), nil
}

// link makes dir with FILE in it under the name that programs look for.
func link(file, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	name := filepath.Join(dir, "libzmq.so.5")
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(file, name)
}

// debian is the libzmq of a Debian: the machine's own if it is that one.
func (m *matrix) debian(ctx context.Context, suite, name string) (library, error) {
	release, _ := os.ReadFile("/etc/os-release")
	if strings.Contains(string(release), "VERSION_CODENAME="+suite+"\n") {
		return library{name: name}, nil
	}
	dir := filepath.Join(m.work, suite)
	if _, err := os.Stat(dir); err != nil {
		if err := m.unpack(ctx, suite, dir); err != nil {
			return library{}, err
		}
	}
	libraries, err := filepath.Glob(filepath.Join(dir, "usr/lib/*-linux-gnu*"))
	if err != nil || len(libraries) != 1 {
		return library{}, fmt.Errorf("no libraries in %s: %w", dir, err)
	}
	loader, _ := filepath.Glob(filepath.Join(libraries[0], "ld-linux-*.so.*"))
	if len(loader) == 1 {
		l := library{name: name, loader: []string{loader[0], "--library-path", libraries[0]}}
		if _, err := m.version(l); err == nil {
			return l, nil
		}
	}
	// The machine's libc is the newer one, and serves older libraries.
	for _, file := range []string{"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libstdc++.so.6", "libgcc_s.so.1"} {
		_ = os.Remove(filepath.Join(libraries[0], file)) // some may be elsewhere
	}
	return library{name: name, path: libraries[0]}, nil
}

// unpack fetches libzmq and all that it needs, as if nothing were installed, into dir.
func (m *matrix) unpack(ctx context.Context, suite, dir string) error {
	state, err := os.MkdirTemp(m.work, "apt-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(state) }()
	const script = `
		. "$1/tools/apt.sh"
		own_apt "$0" deb "$2"
		cd "$0"
		apt-get install -qy --download-only --no-install-recommends libzmq5
		for package in cache/archives/*.deb; do dpkg-deb -x "$package" unpacked; done
		mv unpacked "$3"
	`
	out, err := exec.CommandContext(ctx, "sh", "-euc", script, state, m.root, suite, dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// pyzmq is the libzmq in the wheel. Nothing of it is installed.
func (m *matrix) pyzmq(ctx context.Context) (library, error) {
	dir := filepath.Join(m.work, "pyzmq-"+wheel)
	if _, err := os.Stat(dir); err != nil {
		machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
		const script = `
			rm -rf "$0.new"
			python3 -m pip download -q --no-deps --only-binary :all: --implementation cp --python-version 3.12 --abi abi3 \
				--platform "manylinux_2_28_$2" --require-hashes -r "$1" -d "$0.new"
			cd "$0.new"
			python3 -m zipfile -e pyzmq-*.whl .
			(cd pyzmq.libs && ln -s libzmq-*.so.* libzmq.so.5)
			mv "$0.new" "$0"
		`
		lock := filepath.Join(m.root, "tools", "matrix", "requirements.txt")
		out, err := exec.CommandContext(ctx, "sh", "-euc", script, dir, lock, machine).CombinedOutput()
		if err != nil {
			return library{}, fmt.Errorf("%w\n%s", err, out)
		}
	}
	return library{name: "pyzmq " + wheel + "'s wheel", path: filepath.Join(dir, "pyzmq.libs")}, nil
}

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// starts is how often each is started. Odd, so that there is one in the middle.
const starts = 15

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	root := flag.String("root", ".", "the tree, in whose dist the release is, and in whose .build/bench HAProxy and nginx are")
	flag.Parse()
	if err := run(ctx, *root); err != nil {
		fmt.Fprintln(os.Stderr, "sizes:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "streamq-sizes-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }() // of the system's temporary ones
	all, image, err := candidates(ctx, root, work)
	if err != nil {
		return err
	}
	for range starts {
		for _, c := range all {
			if err := c.start(ctx, work); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	table := render(all, image)
	fmt.Print(table)
	return write(filepath.Join(root, "docs/release.md"), table)
}

// candidates are the proxy's own package, unpacked, and the others'; image is the size of its image in bytes.
func candidates(ctx context.Context, root, work string) (all []*candidate, image int64, err error) {
	deb, err := only(filepath.Join(root, "dist/*.deb"))
	if err != nil {
		return nil, 0, err
	}
	oci, err := only(filepath.Join(root, "dist/*.oci.tar"))
	if err != nil {
		return nil, 0, err
	}
	info, err := os.Stat(oci)
	if err != nil {
		return nil, 0, err
	}
	if _, err := output(ctx, "dpkg-deb", "-x", deb, work); err != nil {
		return nil, 0, err
	}
	own := &candidate{name: "streamq-proxy", path: filepath.Join(work, "usr/bin/streamq-proxy"), arguments: proxyArguments}
	if err := own.describe(ctx, "dpkg-deb", "--info", deb); err != nil {
		return nil, 0, err
	}
	file, err := os.Stat(deb)
	if err != nil {
		return nil, 0, err
	}
	own.packed = file.Size()
	bench := filepath.Join(root, ".build/bench")
	haproxy := &candidate{name: "HAProxy", path: filepath.Join(bench, "usr/sbin/haproxy"), arguments: haproxyArguments}
	nginx := &candidate{name: "nginx with its stream module", path: filepath.Join(bench, "usr/sbin/nginx"), arguments: nginxArguments(bench)}
	libraries, _ := filepath.Glob(filepath.Join(bench, "usr/lib/*-linux-gnu*"))
	for c, packages := range map[*candidate][]string{haproxy: {"haproxy"}, nginx: {"nginx", "libnginx-mod-stream"}} {
		c.libraries = strings.Join(libraries, ":")
		for _, p := range packages {
			if err := c.describe(ctx, "apt-cache", "show", "--no-all-versions", p); err != nil {
				return nil, 0, err
			}
		}
	}
	return []*candidate{own, haproxy, nginx}, info.Size(), nil
}

// only is the one file of that pattern.
func only(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d files are %s: `make release` makes one", len(found), pattern)
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}

var (
	version   = regexp.MustCompile(`(?m)^\s*Version: (?:\d+:)?([\d.]+)`)
	packed    = regexp.MustCompile(`(?m)^Size: (\d+)$`)
	installed = regexp.MustCompile(`(?m)^\s*Installed-Size: (\d+)$`)
)

// describe adds what a command tells of one of its packages, in the fields of deb-control(5). The first is the program's.
func (c *candidate) describe(ctx context.Context, name string, args ...string) error {
	said, err := output(ctx, name, args...)
	if err != nil {
		return err
	}
	v, size := version.FindStringSubmatch(said), installed.FindStringSubmatch(said)
	if v == nil || size == nil {
		return fmt.Errorf("%s tells no version and size:\n%s", name, said)
	}
	if c.version == "" {
		c.version = v[1]
	}
	kilobytes, err := strconv.ParseInt(size[1], 10, 64)
	if err != nil {
		return err
	}
	c.installed += kilobytes << 10
	if size := packed.FindStringSubmatch(said); size != nil {
		n, err := strconv.ParseInt(size[1], 10, 64)
		if err != nil {
			return err
		}
		c.packed += n
	}
	return nil
}

func output(ctx context.Context, name string, args ...string) (string, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

// render is the table as Markdown.
func render(all []*candidate, image int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Of %d starts of each, in turn, the median and what was between the smallest and the largest. The image is %s.\n\n", starts, mebibytes(image))
	b.WriteString("| | package | installed | start to first accepted connection | memory at start |\n|---|---|---|---|---|\n")
	for _, c := range all {
		slices.Sort(c.times)
		slices.Sort(c.memory)
		last, middle := starts-1, starts/2
		fmt.Fprintf(&b, "| %s %s | %s | %s | %d ms (%d..%d) | %s (%s..%s) |\n", c.name, c.version, mebibytes(c.packed), mebibytes(c.installed),
			c.times[middle].Milliseconds(), c.times[0].Milliseconds(), c.times[last].Milliseconds(),
			mebibytes(c.memory[middle]), mebibytes(c.memory[0]), mebibytes(c.memory[last]))
	}
	return b.String()
}

func mebibytes(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// write puts the table into its place in a document.
func write(file, table string) error {
	const begin, end = "<!-- what follows is made by `make sizes` -->\n\n", "\n<!-- what comes before is made by `make sizes` -->"
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return errors.New("the document has no place for the table")
	}
	return os.WriteFile(file, []byte(before+begin+table+end+after), 0o644)
}

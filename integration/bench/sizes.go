package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// starts is how often each program is started. Odd, so that there is one in the middle.
const starts = 15

// startLimit is how long one may take to accept its first connection.
const startLimit = 30 * time.Second

var sizeMarks = marks{"<!-- what follows is made by `make sizes` -->", "<!-- what comes before is made by `make sizes` -->"}

// candidate is a packaged program that passes connections on, and what was found of it.
type candidate struct {
	name, version string
	start         func(dir, address string) (*process, error) // has it listen at an address, with files of its own in a directory

	packed, installed int64 // bytes
	times             []time.Duration
	memory            []int64 // bytes
}

// measureSizes starts each of the packages' programs in turn, and has the table in a document.
func measureSizes(ctx context.Context, o options, stdout io.Writer) error {
	dir, err := os.MkdirTemp("", "streamq-sizes-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	all, image, err := candidates(ctx, o, dir)
	if err != nil {
		return err
	}
	seed := os.Getpid()
	for range starts {
		for _, c := range all {
			if err := c.once(ctx, dir, &seed); err != nil {
				return err
			}
		}
	}
	table := sizesTable(all, image)
	fmt.Fprint(stdout, table)
	if o.readme == "" {
		return nil
	}
	return sizeMarks.update(o.readme, "\n"+table+"\n")
}

// candidates are the proxy's own package, unpacked, and the others'; image is the size of its image in bytes.
func candidates(ctx context.Context, o options, dir string) (all []*candidate, image int64, err error) {
	deb, packed, err := product(o.sizes, "*.deb")
	if err != nil {
		return nil, 0, err
	}
	if _, image, err = product(o.sizes, "*.oci.tar"); err != nil {
		return nil, 0, err
	}
	if _, err := output(ctx, "dpkg-deb", "-x", deb, dir); err != nil {
		return nil, 0, err
	}
	own := &candidate{name: "streamq-proxy", packed: packed, start: func(_, address string) (*process, error) {
		return spawn("streamq-proxy", nil, filepath.Join(dir, "usr/bin/streamq-proxy"), "run", "--http", "", "--frontend", "tcp://"+address, "--worker", "tcp://127.0.0.1:1")
	}}
	if err := own.describe(ctx, "dpkg-deb", "--info", deb); err != nil {
		return nil, 0, err
	}
	others, err := otherCandidates(ctx, o.peers)
	return append([]*candidate{own}, others...), image, err
}

// otherCandidates are HAProxy and nginx, with no more settings than they need.
func otherCandidates(ctx context.Context, peers string) (all []*candidate, err error) {
	haproxy, err := findPeer("haproxy", peers)
	if err != nil {
		return nil, err
	}
	nginx, err := findPeer("nginx", peers)
	if err != nil {
		return nil, err
	}
	module, err := nginx.streamModule()
	if err != nil {
		return nil, err
	}
	packages := [][]string{{"haproxy"}, {"nginx", "libnginx-mod-stream"}}
	all = []*candidate{
		{name: "HAProxy", start: func(dir, address string) (*process, error) {
			config, err := writeConfig(dir, "haproxy.cfg",
				"defaults\n    mode tcp\n    timeout connect 10s\n    timeout client 1m\n    timeout server 1m\nlisten all\n    bind %s\n    server one 127.0.0.1:1\n", address)
			if err != nil {
				return nil, err
			}
			return spawn("HAProxy", haproxy.env(), haproxy.path, "-db", "-q", "-f", config)
		}},
		{name: "nginx with its stream module", start: func(dir, address string) (*process, error) {
			config, err := writeConfig(dir, "nginx.conf",
				"%s\ndaemon off;\nerror_log stderr;\npid %s/nginx.pid;\nevents {}\nstream {\n    server { listen %s; proxy_pass 127.0.0.1:1; }\n}\n", module, dir, address)
			if err != nil {
				return nil, err
			}
			return spawn("nginx", nginx.env(), nginx.path, "-p", dir, "-e", "stderr", "-c", config)
		}},
	}
	for i, c := range all {
		for _, p := range packages[i] {
			if err := c.describe(ctx, "apt-cache", "show", "--no-all-versions", p); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// product is the one file of that pattern in a release, and its size.
func product(dist, pattern string) (file string, bytes int64, err error) {
	found, err := filepath.Glob(filepath.Join(dist, pattern))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d files of %s are %s: `make release` makes one", len(found), dist, pattern)
	}
	if err != nil {
		return "", 0, err
	}
	info, err := os.Stat(found[0])
	if err != nil {
		return "", 0, err
	}
	return found[0], info.Size(), nil
}

// once starts it, notes time and memory, and ends it.
func (c *candidate) once(ctx context.Context, dir string, seed *int) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	address, err := freeAddress(seed)
	if err != nil {
		return err
	}
	begun := time.Now()
	p, err := c.start(dir, address)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := awaitListening(ctx, p, address); err != nil {
		return err
	}
	c.times = append(c.times, time.Since(begun))
	bytes, err := memoryOf(p.pid(), "Pss:")
	c.memory = append(c.memory, bytes)
	return err
}

var (
	versionField   = regexp.MustCompile(`(?m)^\s*Version: (?:\d+:)?([\d.]+)`)
	packedField    = regexp.MustCompile(`(?m)^Size: (\d+)$`)
	installedField = regexp.MustCompile(`(?m)^\s*Installed-Size: (\d+)$`)
)

// describe adds what a command tells of one of its packages, in the fields of deb-control(5). The first is the program's.
func (c *candidate) describe(ctx context.Context, name string, args ...string) error {
	said, err := output(ctx, name, args...)
	if err != nil {
		return err
	}
	v, size := versionField.FindStringSubmatch(said), installedField.FindStringSubmatch(said)
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
	if size := packedField.FindStringSubmatch(said); size != nil {
		n, err := strconv.ParseInt(size[1], 10, 64)
		if err != nil {
			return err
		}
		c.packed += n
	}
	return nil
}

// output is what a command prints.
func output(ctx context.Context, name string, args ...string) (string, error) {
	var last tail
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = &last
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, last.line())
	}
	return string(out), nil
}

// sizesTable is the table as Markdown.
func sizesTable(all []*candidate, image int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Of %d starts of each, in turn, the median and what was between the smallest and the largest. The image is %s.\n\n", starts, mebibytes(image))
	b.WriteString("| | package | installed | start to first accepted connection | memory at start |\n|---|---|---|---|---|\n")
	for _, c := range all {
		slices.Sort(c.times)
		slices.Sort(c.memory)
		last := len(c.times) - 1
		fmt.Fprintf(&b, "| %s %s | %s | %s | %d ms (%d..%d) | %s (%s..%s) |\n", c.name, c.version, mebibytes(c.packed), mebibytes(c.installed),
			c.times[last/2].Milliseconds(), c.times[0].Milliseconds(), c.times[last].Milliseconds(),
			mebibytes(c.memory[last/2]), mebibytes(c.memory[0]), mebibytes(c.memory[last]))
	}
	return b.String()
}

func mebibytes(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

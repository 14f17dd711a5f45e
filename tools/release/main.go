package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	root := flag.String("root", ".", "the tree to release")
	dist := flag.String("dist", "dist", "where what is made goes; it is emptied first")
	flag.Parse()
	if err := run(ctx, *root, *dist); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release is one run.
type release struct {
	root, dist string
	work       string // files that go into what is made, removed at the end
	made       time.Time
	version    string // without the v
	arch       string // as Go and Debian both call it: amd64, arm64
}

func run(ctx context.Context, root, dist string) error {
	r, err := begin(ctx, root, dist)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(r.work) }() // of the system's temporary ones
	if err := r.build(ctx); err != nil {
		return err
	}
	if err := r.writeDebian(); err != nil {
		return fmt.Errorf("the Debian package: %w", err)
	}
	if err := r.writeImage(ctx); err != nil {
		return fmt.Errorf("the image: %w", err)
	}
	if err := r.writeBill(ctx); err != nil {
		return fmt.Errorf("the bill of materials: %w", err)
	}
	if err := r.writeStatic(ctx); err != nil {
		return fmt.Errorf("the static program: %w", err)
	}
	return r.writeChecksums()
}

// begin finds the time of the commit and empties dist.
func begin(ctx context.Context, root, dist string) (*release, error) {
	r := &release{arch: runtime.GOARCH}
	var err error
	if r.root, err = filepath.Abs(root); err != nil {
		return nil, err
	}
	if r.dist, err = filepath.Abs(dist); err != nil {
		return nil, err
	}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		if epoch, err = r.output(ctx, "git", "log", "-1", "--format=%ct"); err != nil {
			return nil, err
		}
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	r.made = time.Unix(seconds, 0).UTC()
	if err := os.RemoveAll(r.dist); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(r.dist, 0o755); err != nil {
		return nil, err
	}
	r.work, err = os.MkdirTemp("", "streamq-release-")
	return r, err
}

// command is one that runs in the tree.
func (r *release) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.made.Unix()), "LC_ALL=C", "TZ=UTC")
	cmd.Stderr = os.Stderr
	return cmd
}

// output is what a command prints, without the last newline.
func (r *release) output(ctx context.Context, name string, args ...string) (string, error) {
	text, err := r.command(ctx, name, args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(append([]string{name}, args...), " "), err)
	}
	return strings.TrimSuffix(string(text), "\n"), nil
}

// file is a path of what is made for the package.
func (r *release) file(name ...string) string {
	return filepath.Join(append([]string{r.work}, name...)...)
}

// product is the path of something that is given to users.
func (r *release) product(format string, args ...any) string {
	return filepath.Join(r.dist, fmt.Sprintf(format, args...))
}

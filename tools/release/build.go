package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Flags of the compiler and the linker: without debugging information, with what
// Debian hardens its own programs by, and with nothing that another run changes.
var (
	cflags  = "-O2 -g0 -fstack-protector-strong -D_FORTIFY_SOURCE=2"
	ldflags = "-s -w -buildid= -extldflags '-Wl,-z,relro,-z,now -Wl,--build-id=none'"
)

// build makes the binary and what is made by it.
func (r *release) build(ctx context.Context) error {
	if err := r.goBuild(ctx, r.binary()); err != nil {
		return err
	}
	said, err := r.output(ctx, r.binary(), "version")
	if err != nil {
		return err
	}
	words := strings.Fields(said)
	if len(words) < 2 || !strings.HasPrefix(words[1], "v") {
		return fmt.Errorf("the binary's version is none: %s", said)
	}
	r.version = words[1][1:]
	for _, make := range []func(context.Context) error{r.writeManual, r.writeCompletion, r.writeUnits, r.writeChangelog, r.writeLicences} {
		if err := make(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) binary() string { return r.file("streamq-proxy") }

func (r *release) goBuild(ctx context.Context, to string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-buildvcs=true", "-buildmode=pie", "-ldflags=" + ldflags, "-o", to}, flags...)
	cmd := r.command(ctx, "go", append(args, "./cmd/streamq-proxy")...)
	cmd.Env = append(cmd.Env, "CGO_ENABLED=1", "GOFLAGS=", "CGO_CFLAGS="+cflags)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	return nil
}

// writeManual writes a page for each command.
func (r *release) writeManual(ctx context.Context) error {
	writer := r.file("manual")
	if err := r.goBuild(ctx, writer, "-tags=man"); err != nil {
		return err
	}
	if _, err := r.output(ctx, writer, "man", r.file("man")); err != nil {
		return err
	}
	pages, err := filepath.Glob(r.file("man", "*.1"))
	if err != nil {
		return err
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		if err := writeGzip(page+".gz", text); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) writeCompletion(ctx context.Context) error {
	if err := os.Mkdir(r.file("completion"), 0o755); err != nil {
		return err
	}
	for _, shell := range []string{"bash", "fish", "zsh"} {
		script, err := r.output(ctx, r.binary(), "completion", shell)
		if err != nil {
			return err
		}
		if err := os.WriteFile(r.file("completion", shell), []byte(script+"\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeUnits has the units start the packaged binary. Their heads tell how they are
// installed by hand.
func (r *release) writeUnits(context.Context) error {
	for _, name := range []string{"streamq-proxy", "streamq-proxy-agent"} {
		text, err := os.ReadFile(filepath.Join(r.root, "deploy/systemd", name+".service"))
		if err != nil {
			return err
		}
		_, unit, found := bytes.Cut(text, []byte("\n[Unit]\n"))
		if !found {
			return fmt.Errorf("the unit %s has no [Unit]", name)
		}
		unit = bytes.ReplaceAll(unit, []byte("/usr/local/bin/"), []byte("/usr/bin/"))
		head := "# Change it by `systemctl edit " + name + "` rather than here.\n\n[Unit]\n"
		if err := os.WriteFile(r.file(name+".service"), append([]byte(head), unit...), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeChangelog writes the one that Debian wants, which says where the other is.
func (r *release) writeChangelog(context.Context) error {
	return writeGzip(r.file("changelog.gz"), fmt.Appendf(nil, `streamq-proxy (%s) unstable; urgency=medium

  * https://github.com/streamq/streamq-proxy/blob/v%[1]s/CHANGELOG.md

 -- %s  %s
`, r.version, maintainer, r.made.Format("Mon, 02 Jan 2006 15:04:05 -0700")))
}

// writeLicences writes those of all modules that are in the binary.
func (r *release) writeLicences(ctx context.Context) error {
	list, err := r.output(ctx, "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}", "./cmd/streamq-proxy")
	if err != nil {
		return err
	}
	var all bytes.Buffer
	seen := map[string]bool{}
	for line := range strings.Lines(list) {
		module := strings.Fields(line)
		if len(module) != 3 || seen[module[0]] {
			continue
		}
		seen[module[0]] = true
		if err := appendLicences(&all, module[0], module[1], module[2]); err != nil {
			return err
		}
	}
	return writeGzip(r.file("modules.gz"), all.Bytes())
}

// appendLicences appends what a module's directory says of its licence.
func appendLicences(to *bytes.Buffer, path, version, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !strings.HasPrefix(name, "LICEN") && !strings.HasPrefix(name, "COPYING") && !strings.HasPrefix(name, "NOTICE") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(to, "%s %s: %s\n\n%s\n\n", path, version, e.Name(), bytes.TrimSpace(text))
		found = true
	}
	if !found {
		return fmt.Errorf("%s %s has no licence", path, version)
	}
	return nil
}

// writeGzip compresses text, without a name and a time.
func writeGzip(file string, text []byte) error {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := io.Copy(z, bytes.NewReader(text)); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

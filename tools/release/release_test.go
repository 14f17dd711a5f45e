package main

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// distVariable names the directory that `make release` has filled.
const distVariable = "STREAMQ_DIST"

// product is the one file of the release whose name ends so.
func product(t *testing.T, suffix string) string {
	t.Helper()
	dist := os.Getenv(distVariable)
	if dist == "" {
		t.Skipf("%s is not set: make test-packages sets it", distVariable)
	}
	found, err := filepath.Glob(filepath.Join(dist, "*"+suffix))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s has %v of *%s, %v", dist, found, suffix, err)
	}
	return found[0]
}

// output is what a program prints; the test fails when the program does.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed", p)
		}
	}
}

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root may change its root directory")
	}
}

// The package has what the README promises, and each conffile is one.
func TestDebianContents(t *testing.T) {
	deb := product(t, ".deb")
	needs(t, "dpkg-deb")
	contents := output(t, "dpkg-deb", "-c", deb)
	for _, want := range []string{
		"./usr/bin/streamq-proxy",
		"./usr/lib/systemd/system/streamq-proxy.service", "./usr/lib/systemd/system/streamq-proxy-agent.service",
		"./usr/share/man/man1/streamq-proxy.1.gz", "./usr/share/man/man1/streamq-proxy-run.1.gz", "./usr/share/man/man1/streamq-proxy-ctl.1.gz",
		"./usr/share/man/man1/streamq-proxy-agent.1.gz", "./usr/share/man/man1/streamq-proxy-check.1.gz", "./usr/share/man/man1/streamq-proxy-demo.1.gz",
		"./usr/share/man/man1/streamq-proxy-keygen.1.gz", "./usr/share/man/man1/streamq-proxy-reason.1.gz", "./usr/share/man/man1/streamq-proxy-version.1.gz",
		"./usr/share/bash-completion/completions/streamq-proxy", "./usr/share/fish/vendor_completions.d/streamq-proxy.fish", "./usr/share/zsh/vendor-completions/_streamq-proxy",
		"./usr/share/streamq-proxy/grafana/streamq-proxy.json", "./usr/share/streamq-proxy/prometheus/alerts.yml",
		"./usr/share/streamq-proxy/streamq-proxy.schema.json",
		"./etc/streamq-proxy/config.yaml", "./etc/default/streamq-proxy",
	} {
		if !strings.Contains(contents, " "+want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
	got := strings.Fields(output(t, "dpkg-deb", "-I", deb, "conffiles"))
	slices.Sort(got)
	if want := []string{"/etc/default/streamq-proxy", "/etc/default/streamq-proxy-agent", "/etc/streamq-proxy/config.yaml"}; !slices.Equal(got, want) {
		t.Errorf("the conffiles are %v, want %v", got, want)
	}
	for _, name := range []string{"streamq-proxy", "streamq-proxy-agent"} {
		unit := output(t, "sh", "-c", "dpkg-deb --fsys-tarfile "+deb+" | tar -xO ./usr/lib/systemd/system/"+name+".service")
		if strings.Contains(unit, "/usr/local") {
			t.Errorf("the unit starts another binary:\n%s", unit)
		}
	}
}

func TestLintian(t *testing.T) {
	deb := product(t, ".deb")
	needs(t, "lintian")
	if said := output(t, "lintian", "--fail-on", "none", "--display-level", ">=warning", deb); said != "" {
		t.Error(said)
	}
}

// dpkg-shlibdeps asks each library's package for less than, or as much as, the package does.
func TestDependencies(t *testing.T) {
	deb := product(t, ".deb")
	needs(t, "dpkg-deb", "dpkg-shlibdeps")
	dir := t.TempDir()
	output(t, "dpkg-deb", "-x", deb, filepath.Join(dir, "root"))
	if err := os.MkdirAll(filepath.Join(dir, "debian"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "debian/control"), []byte("Source: streamq-proxy\n\nPackage: streamq-proxy\nArchitecture: any\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	said := output(t, "sh", "-c", "cd "+dir+" && dpkg-shlibdeps -O root/usr/bin/streamq-proxy")
	has := output(t, "dpkg-deb", "-f", deb, "Depends")
	for want := range strings.SplitSeq(strings.TrimSpace(strings.TrimPrefix(said, "shlibs:Depends=")), ", ") {
		name, version, _ := strings.Cut(want, " ")
		_, after, found := strings.Cut(has, name+" (>= ")
		if !found {
			t.Errorf("the package does not depend on %s", want)
			continue
		}
		own, _, _ := strings.Cut(after, ")")
		least := strings.TrimSuffix(strings.TrimPrefix(version, "(>= "), ")")
		if exec.Command("dpkg", "--compare-versions", own, "ge", least).Run() != nil {
			t.Errorf("the package depends on %s (>= %s), and needs %s", name, own, want)
		}
	}
}

// openImage unpacks the layout and reads its only image.
func openImage(t *testing.T) v1.Image {
	t.Helper()
	dir := t.TempDir()
	output(t, "tar", "-C", dir, "-xf", product(t, ".oci.tar"))
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("%d images, %v", len(manifest.Manifests), err)
	}
	image, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// The image is the binary, the dynamic linker and libraries, all of root's and
// writable for nobody else, and runs as another user.
func TestImageContents(t *testing.T) {
	image := openImage(t)
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != imageUser || config.Config.Entrypoint[0] != "/"+imageBinary {
		t.Errorf("it runs %v as %s", config.Config.Entrypoint, config.Config.User)
	}
	stream := mutate.Extract(image)
	defer stream.Close()
	binaries := 0
	for r := tar.NewReader(stream); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(h.Name)
		library := strings.HasPrefix(h.Name, "lib") && strings.Contains(name, ".so.")
		switch {
		case h.Uid != 0 || h.Mode&0o022 != 0:
			t.Errorf("%s may be changed by others than root", h.Name)
		case h.Typeflag == tar.TypeDir:
		case h.Typeflag == tar.TypeReg && h.Name == imageBinary:
			binaries++
		case h.Typeflag == tar.TypeReg && library:
		default:
			t.Errorf("%s has no business in the image", h.Name)
		}
	}
	if binaries != 1 {
		t.Errorf("%d binaries", binaries)
	}
}

// The image runs with nothing around it: no /proc, no /dev, not root, nothing to
// write to, and a network that is only its own loopback.
func TestImageRuns(t *testing.T) {
	needsRoot(t)
	needs(t, "unshare", "chroot", "ip", "tar", "mount")
	image := openImage(t)
	root := t.TempDir()
	stream := mutate.Extract(image)
	defer stream.Close()
	unpack := exec.Command("tar", "-C", root, "-x")
	unpack.Stdin = stream
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	const script = `
		ip link set lo up
		mount --bind "$0" "$0"
		mount -o remount,ro,bind "$0"
		exec timeout 60 chroot --userspec=` + imageUser + ` "$0" /` + imageBinary + ` "$@"
	`
	inside := func(args ...string) string {
		return output(t, "unshare", append([]string{"-m", "-n", "sh", "-c", script, root}, args...)...)
	}
	if said := inside("version"); !strings.HasPrefix(said, "streamq-proxy v") {
		t.Errorf("version: %s", said)
	}
	if said := inside("demo", "--duration", "1s"); !strings.HasSuffix(said, "lost: 0\n") {
		t.Errorf("demo: %s", said)
	}
}

// The static program needs no loader, no library and no symbol of one; beside it are the licences of what is in it, and
// the bill names these.
func TestStaticContents(t *testing.T) {
	tarball := product(t, ".tar.gz")
	dir := t.TempDir()
	output(t, "tar", "-C", dir, "--strip-components=1", "-xzf", tarball)
	binary, err := elf.Open(filepath.Join(dir, "streamq-proxy"))
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	for _, part := range binary.Progs {
		if part.Type == elf.PT_INTERP {
			t.Error("it asks for a loader")
		}
	}
	if libraries, err := binary.ImportedLibraries(); err == nil && len(libraries) > 0 { // an error says that there is no such section
		t.Errorf("it asks for %v", libraries)
	}
	bill, err := os.ReadFile(product(t, "-static.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	for part, file := range map[string]string{
		"libzmq@": "libzmq", "libsodium@": "libsodium", "musl@": "musl", "libc%2B%2B@": "libc++", "github.com/pebbe/zmq4@": "modules",
	} {
		if !bytes.Contains(bill, []byte("/"+part)) {
			t.Errorf("the bill does not name %s", part)
		}
		if text, err := os.ReadFile(filepath.Join(dir, "LICENSE."+file)); err != nil || len(text) < 500 {
			t.Errorf("there is no licence of %s: %d bytes, %v", file, len(text), err)
		}
	}
	if said := output(t, filepath.Join(dir, "streamq-proxy"), "demo", "--duration", "1s"); !strings.HasSuffix(said, "lost: 0\n") {
		t.Errorf("demo: %s", said)
	}
}

// The lines of the manual check, unpack and install the static program, here into a directory that nobody else sees.
func TestStaticShown(t *testing.T) {
	needsRoot(t)
	needs(t, "unshare", "mount", "sha256sum", "tar", "install")
	text, err := os.ReadFile("../../docs/operations/install.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(text), "<!-- test: TestStaticShown -->\n```sh\n")
	lines, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatal("the manual shows no lines for it")
	}
	dir := t.TempDir()
	for _, file := range []string{product(t, ".tar.gz"), product(t, "SHA256SUMS")} {
		if err := os.Symlink(file, filepath.Join(dir, filepath.Base(file))); err != nil {
			t.Fatal(err)
		}
	}
	script := "mount -t tmpfs tmpfs /usr/local/bin\nsudo() { \"$@\"; }\ncd \"$0\"\n" + lines + "/usr/local/bin/streamq-proxy version\n"
	if said := output(t, "unshare", "-m", "sh", "-euc", script, dir); !strings.Contains(said, "streamq-proxy v") {
		t.Errorf("it said %q", said)
	}
}

// Each part has a name and a version, and is written as package URLs are.
func TestComponents(t *testing.T) {
	all, err := components("libzmq 4.3.5 zeromq-src 0.3.6\nlibc++ 20.1 ziglang 0.15.2")
	if err != nil || len(all) != 2 || all[0].PackageURL != "pkg:generic/libzmq@4.3.5" || all[1].PackageURL != "pkg:generic/libc%2B%2B@20.1" {
		t.Errorf("%+v, %v", all, err)
	}
	for _, said := range []string{"libzmq  zeromq-src 0.3.6", "musl 1.2.5"} {
		if _, err := components(said); err == nil {
			t.Errorf("%q is taken for a part", said)
		}
	}
}

// Another run, elsewhere and with nothing left of the first one, gives the same bytes.
func TestReproducible(t *testing.T) {
	if product(t, "SHA256SUMS") == "" || os.Getenv("STREAMQ_REPRODUCE") == "" {
		t.Skip("STREAMQ_REPRODUCE is not set: make test-packages sets it")
	}
	tree, dist := t.TempDir(), t.TempDir()
	if status := output(t, "git", "-C", "../..", "status", "--porcelain"); status != "" {
		t.Skipf("the tree is not what git has:\n%s", status)
	}
	output(t, "git", "clone", "-q", "../..", tree)
	t.Setenv("GOCACHE", t.TempDir())
	if err := run(t.Context(), tree, dist); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(product(t, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dist, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the first run made\n%sand the second\n%s", want, got)
	}
}

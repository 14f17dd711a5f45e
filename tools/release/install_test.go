package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// debian is a clean system in a directory, into which a test may change its root.
type debian struct {
	t    *testing.T
	root string
}

// newDebian unpacks a minimal system, which is fetched once and kept in .build.
func newDebian(t *testing.T, suite string) *debian {
	t.Helper()
	needsRoot(t)
	needs(t, "debootstrap", "unshare", "chroot", "ip", "mount", "tar")
	kept, err := filepath.Abs("../../.build/debian-" + suite + ".tar")
	if err != nil {
		t.Fatal(err)
	}
	d := &debian{t, t.TempDir()}
	output(t, "sh", "-euc", `. ../apt.sh; clean_debian "$@"`, "-", suite, kept, d.root)
	return d
}

// run has a shell run a script inside, and returns what it prints. A network of its
// own is only a loopback; ports there are nobody else's.
func (d *debian) run(alone bool, script string) string {
	d.t.Helper()
	const around = `
		set -e
		[ -z "$1" ] || ip link set lo up
		mount -t proc proc "$0/proc"
		mount --rbind /dev "$0/dev"
		cp -L /etc/resolv.conf "$0/etc/resolv.conf"
		exec env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive timeout 600 chroot "$0" sh -e -c "$2"
	`
	flags, own := []string{"-m", "-p", "-f"}, ""
	if alone {
		flags, own = append(flags, "-n"), "yes"
	}
	return output(d.t, "unshare", append(flags, "sh", "-c", around, d.root, own, script)...)
}

// take copies a file into the system's root directory.
func (d *debian) take(name string, text []byte) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.root, name), text, 0o644); err != nil {
		d.t.Fatal(err)
	}
}

// previous is the same package as an earlier version.
func previous(t *testing.T, deb string) []byte {
	t.Helper()
	dir := t.TempDir()
	output(t, "dpkg-deb", "-R", deb, dir)
	control := filepath.Join(dir, "DEBIAN/control")
	text, err := os.ReadFile(control)
	if err != nil {
		t.Fatal(err)
	}
	older := regexp.MustCompile(`(?m)^Version: .*$`).ReplaceAll(text, []byte("Version: 0.0.9"))
	// What it shipped is not what the present one does.
	config := filepath.Join(dir, "etc/default/streamq-proxy")
	shipped, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string][]byte{control: older, config: append(shipped, "# of 0.0.9\n"...)} {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old := filepath.Join(t.TempDir(), "old.deb") // elsewhere, so as not to be packed into itself
	output(t, "dpkg-deb", "-b", "--root-owner-group", dir, old)
	text, err = os.ReadFile(old)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// example are the README's first worker and client, and the line that runs the proxy before them.
func example(t *testing.T) (proxy string, worker, client []byte) {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^streamq-proxy run .*--worker .*$`).Find(text)
	block := func(name string) []byte {
		m := regexp.MustCompile("(?s)<!-- test: " + name + " -->\n```python\n(.*?)```").FindSubmatch(text)
		if m == nil {
			t.Fatalf("the README has no %s", name)
		}
		return m[1]
	}
	return string(line), block("worker-listen"), block("client")
}

const isThere = `find / -xdev -name '*streamq*' -not -path '/proc/*' -not -path '/*.deb' -not -path '/var/log/*' -not -path '/var/cache/*'`

const isEnabled = `find /etc/systemd -name '*streamq*'`

// In a clean system the package is installed by apt, starts nothing at boot that nobody
// has enabled, serves the README's first example and its own configuration, keeps what
// an operator has written when it is upgraded, and leaves nothing when it is purged.
func TestInstall(t *testing.T) {
	deb := product(t, ".deb")
	needs(t, "dpkg-deb")
	text, err := os.ReadFile(deb)
	if err != nil {
		t.Fatal(err)
	}
	proxy, worker, client := example(t)
	for _, suite := range []string{"bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			d := newDebian(t, suite)
			d.take("new.deb", text)
			d.take("old.deb", previous(t, deb))
			d.take("worker.py", worker)
			d.take("client.py", client)

			d.run(false, `apt-get update -q && apt-get install -y -q --no-install-recommends /old.deb`)
			if enabled := d.run(false, isEnabled); enabled != "" {
				t.Errorf("an installation has these start at boot:\n%s", enabled)
			}
			// As systemctl enable does, which makes the directory, too: trixie has none before.
			d.run(false, `
				mkdir -p /etc/systemd/system/multi-user.target.wants
				ln -s /lib/systemd/system/streamq-proxy.service /etc/systemd/system/multi-user.target.wants/
			`)
			d.run(false, `
				echo "# an operator's" >>/etc/streamq-proxy/config.yaml
				echo "secret" >/etc/streamq-proxy/key_secret
				apt-get install -y -q --no-install-recommends /new.deb
				tail -n 1 /etc/streamq-proxy/config.yaml | grep -q "an operator's"
				! grep -q 0.0.9 /etc/default/streamq-proxy
				test "$(`+isEnabled+`)" = /etc/systemd/system/multi-user.target.wants/streamq-proxy.service
				streamq-proxy check /etc/streamq-proxy/config.yaml
				apt-get install -y -q --no-install-recommends python3-zmq
			`)
			said := d.run(true, fmt.Sprintf(`
				%s --http '' 2>log & proxy=$!
				python3 worker.py & worker=$!
				until [ -s worker.pub ]; do sleep 0.1; done
				timeout 60 python3 client.py
				kill $proxy $worker
				wait
				mkdir /run/streamq-proxy
				streamq-proxy run --config /etc/streamq-proxy/config.yaml 2>log & proxy=$!
				until streamq-proxy ctl --control ipc:///run/streamq-proxy/control.sock ping 2>/dev/null; do sleep 0.1; done
				kill $proxy
				wait
				rmdir /run/streamq-proxy
			`, strings.TrimSuffix(proxy, "\n")))
			if !strings.HasPrefix(said, "b'reply to hello'\n") || !strings.HasSuffix(said, "OK\n") {
				t.Errorf("it said %q", said)
			}
			d.run(false, `apt-get remove -y -q streamq-proxy && test -e /etc/streamq-proxy/config.yaml`)
			d.run(false, `apt-get purge -y -q streamq-proxy`)
			if left := d.run(false, isThere); left != "" {
				t.Errorf("a purge leaves\n%s", left)
			}
		})
	}
}

// The units are some that the system's own systemd understands.
func TestUnits(t *testing.T) {
	deb := product(t, ".deb")
	needs(t, "systemd-analyze", "dpkg-deb")
	root := t.TempDir()
	output(t, "dpkg-deb", "-x", deb, root)
	for _, name := range []string{"streamq-proxy", "streamq-proxy-agent"} {
		unit := filepath.Join(root, "usr/lib/systemd/system", name+".service")
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		// It looks whether what the unit starts is there.
		if err := os.WriteFile(unit, bytes.ReplaceAll(text, []byte("/usr/bin/"), []byte(root+"/usr/bin/")), 0o644); err != nil {
			t.Fatal(err)
		}
		verified := []string{"verify", "--man=no", unit}
		for i, changes := range unitsShown(t) { // what `systemctl edit` writes, or is a unit of its own
			at := filepath.Join(unit+".d", fmt.Sprintf("%d.conf", i))
			if bytes.Contains(changes, []byte("[Socket]")) {
				at = strings.TrimSuffix(unit, "service") + "socket"
				verified = append(verified, at)
			}
			if err := errors.Join(os.MkdirAll(unit+".d", 0o755), os.WriteFile(at, changes, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.Command("systemd-analyze", verified...).CombinedOutput()
		if strings.Contains(string(out), "streamq-proxy") {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// unitsShown are the changes of a unit that the manual shows, and the units beside it.
func unitsShown(t *testing.T) (all [][]byte) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```ini\n(.*?)```").FindAllSubmatch(text, -1) {
		all = append(all, bytes.ReplaceAll(m[1], []byte("\n  "), []byte("\n")))
	}
	if len(all) == 0 {
		t.Fatal("the manual shows no change of a unit")
	}
	return all
}

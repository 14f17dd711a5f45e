package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// boot has the system's own systemd be the first process, on a network of its own, run a script as a service, and end with it.
func (d *debian) boot(script string) {
	d.t.Helper()
	needs(d.t, "pivot_root", "timeout", "find")
	d.take("shown.sh", []byte(script))
	d.take("said", nil)
	d.take("etc/systemd/system/shown.service", []byte(`[Unit]
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
Environment=HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive
ExecStart=/bin/sh -eux /shown.sh
ExecStopPost=journalctl --no-pager -u streamq-proxy
StandardOutput=append:/said
StandardError=inherit
`))
	// systemd has a group of processes to itself, which looks to it like all that there are, and ends with its last process.
	const around = `
		set -e
		groups=$(mktemp -d)
		mount -t cgroup2 cgroup2 "$groups"
		own=$groups/streamq-$$
		mkdir "$own"
		ended=0
		timeout --kill-after=10 600 sh -ec 'echo $$ >"$1/cgroup.procs"; exec unshare -C -m -n -p -f --kill-child sh -ec "$2" "$0"' "$0" "$own" "$1" || ended=$?
		find "$own" -depth -type d -exec rmdir {} +
		umount "$groups"
		rmdir "$groups"
		exit $ended
	`
	const inside = `
		ip link set lo up
		mount --bind "$0" "$0"
		cd "$0"
		mount -t proc proc proc
		mount -t sysfs -o ro sysfs sys
		mount -t cgroup2 cgroup2 sys/fs/cgroup
		mount -t tmpfs -o mode=755 tmpfs dev
		for device in null zero full random urandom tty; do touch dev/$device; mount --bind /dev/$device dev/$device; done
		mkdir dev/shm dev/pts
		mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
		ln -s pts/ptmx dev/ptmx
		pivot_root . .
		umount -l .
		exec env -i container=streamq PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=shown.service --show-status=no --log-target=console --log-level=err
	`
	said, err := exec.CommandContext(d.t.Context(), "unshare", "-m", "sh", "-c", around, d.root, inside).CombinedOutput()
	if err != nil {
		text, _ := os.ReadFile(filepath.Join(d.root, "said")) // which is not there if it never came so far
		d.t.Fatalf("%v\n%s\n%s", err, said, text)
	}
}

// shown are the lines of a document for TestInstallShown, and the name of the package in them.
func shown(t *testing.T, document string) (lines, name string) {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)<!-- test: TestInstallShown -->\n```sh\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("%s has no lines for it", document)
	}
	return string(m[1]), regexp.MustCompile(`streamq-proxy_\S*\.deb`).FindString(string(m[1]))
}

// TestInstallShown has the lines of the manual install the package in a clean system, start its service, and upgrade it.
func TestInstallShown(t *testing.T) {
	deb := product(t, ".deb")
	needs(t, "dpkg-deb")
	text, err := os.ReadFile(deb)
	if err != nil {
		t.Fatal(err)
	}
	for _, suite := range []string{"bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			d := newDebian(t, suite)
			d.take("old.deb", previous(t, deb))
			// What the package needs stays there. apt is not to find itself locked by what systemd has it do each day.
			d.run(false, `
				apt-get update -q
				apt-get install -y -q --no-install-recommends systemd /old.deb
				apt-get purge -y -q streamq-proxy
				systemctl mask apt-daily.timer apt-daily-upgrade.timer
			`)
			const before = `
				sudo() { "$@"; }
				sudoedit() { echo "# an operator's" >>"$1"; }
				runs() { systemctl --quiet is-active streamq-proxy; systemctl show -p MainPID --value streamq-proxy; }
				cd /
			`
			for _, document := range []string{"../../docs/operations/install.md", "../../docs/release.md"} {
				lines, name := shown(t, document)
				d.take(name, text)
				d.boot(before + lines + `
					runs
					systemctl --quiet is-enabled streamq-proxy
					tail -n 1 /etc/streamq-proxy/config.yaml | grep -q "an operator's"
					apt-get purge -y -q streamq-proxy
				`)
			}
			lines, name := shown(t, "../../docs/operations/upgrade.md")
			d.take(name, text)
			d.boot(before + `
				apt-get install -y -q --no-install-recommends /old.deb
				systemctl start streamq-proxy
				was=$(runs)
				` + lines + `
				now=$(runs)
				test "$now" != "$was"
				dpkg-query -W -f='${Version}' streamq-proxy | grep -v 0.0.9
			`)
		})
	}
}

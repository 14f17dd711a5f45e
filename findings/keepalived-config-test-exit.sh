#!/usr/bin/env bash
# `keepalived --config-test` kills itself by SIGTERM for each configuration that runs a script as another user than root,
# a faultless one as well, before it has judged any script. Otherwise its exit code is not the one of its manual page:
# a fault is 5 and not 4, a script without script security 6 and not 5, and a file that is not there is 0.
#
# Versions: keepalived 2.2.7-1+b2 of Debian 12.
# Why: to look for the script it takes the script's user for a moment, by which Linux forgets the parent-death signal. As
# it sets that again it asks whether its parent is still the one that forked it. --config-test does not fork, so that its
# parent is the shell, and it ends as an orphan would (strace shows prctl, getppid, getpid, kill). keepalived(8) promises
# 0 and 3 to 5 for --config-test. Its authors say that 2.2.8 no longer kills itself.
# Matters to a deployment that asks it before a reload: with `script_user nobody`, which is good practice, it always
# fails there; where 143 is let pass, so are faults, and scripts that are not there (which a start does tell of).
#
# Seen:
#   no script, faultless: exit 0, says nothing
#   no script, misspelt keyword: exit 5, says Unknown keyword
#   script as root, faultless: exit 0, says nothing
#   script as root, writable by all: exit 5, says insecure
#   script without script security: exit 6, says SECURITY VIOLATION
#   script as nobody, faultless: SIGTERM, says nothing
#   script as nobody, misspelt keyword: SIGTERM, says Unknown keyword
#   script as nobody, not there: SIGTERM, says nothing
#   no such file: exit 0, says Config files missing
#   the manual page: 0 1 2 3 4 5
#
# Needs Debian 12 on amd64 with apt-get (nothing is installed), python3, iproute2, and root for a network namespace.
# Exits 1 when it behaves differently.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
packages="keepalived=1:2.2.7-1+b2 libglib2.0-0 libmnl0 libnftnl11 libnl-3-200 libnl-genl-3-200 libpci3 libpcre2-8-0 libsnmp40 libssl3 libwrap0"
apt-get download -q $packages >apt.log 2>&1 || { apt-get update -q >>apt.log 2>&1 && apt-get download -q $packages >>apt.log 2>&1; } || {
	tail -5 apt.log
	exit 1
}
for package in *.deb; do dpkg-deb -x "$package" root; done
export LD_LIBRARY_PATH=$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/lib/x86_64-linux-gnu
install -m 777 /dev/null writable
cat >run.py <<'PYTHON'
import gzip, os, re, subprocess, sys

HERE = os.getcwd()
SECURE = "enable_script_security\n script_user "
SAYINGS = ("Unknown keyword", "insecure", "SECURITY VIOLATION", "Config files missing")


def config(general="", script="", priority="priority"):
    return ("global_defs {\n %s\n}\n" % general
            + ("vrrp_script ready {\n script %s\n interval 1\n}\n" % script if script else "")
            + "vrrp_instance one {\n interface one\n virtual_router_id 55\n %s 150\n" % priority
            + " virtual_ipaddress {\n 192.0.2.100/24\n }\n"
            + (" track_script {\n ready\n }\n" if script else "") + "}\n")


def test(text):
    """How keepalived ends, and what it says."""
    if text is not None:
        with open("keepalived.conf", "w") as f:
            f.write(text)
    file = "keepalived.conf" if text is not None else "missing.conf"
    done = subprocess.run(["root/usr/sbin/keepalived", "--config-test", "--use-file", file], capture_output=True, text=True, timeout=30)
    says = next((s for s in SAYINGS if s in done.stderr), done.stderr.strip() or "nothing")
    return "%s, says %s" % ("SIGTERM" if done.returncode == -15 else "exit %d" % done.returncode, says)


cases = (
    ("no script, faultless", config(), "exit 0, says nothing"),
    ("no script, misspelt keyword", config(priority="prioritty"), "exit 5, says Unknown keyword"),
    ("script as root, faultless", config(SECURE + "root", "/bin/true"), "exit 0, says nothing"),
    ("script as root, writable by all", config(SECURE + "root", HERE + "/writable"), "exit 5, says insecure"),
    ("script without script security", config("script_user root", "/bin/true"), "exit 6, says SECURITY VIOLATION"),
    ("script as nobody, faultless", config(SECURE + "nobody", "/bin/true"), "SIGTERM, says nothing"),
    ("script as nobody, misspelt keyword", config(SECURE + "nobody", "/bin/true", "prioritty"), "SIGTERM, says Unknown keyword"),
    ("script as nobody, not there", config(SECURE + "nobody", HERE + "/missing"), "SIGTERM, says nothing"),
    ("no such file", None, "exit 0, says Config files missing"),
)
same = True
for name, text, expected in cases:
    seen = test(text)
    same = same and seen == expected
    print("%s: %s" % (name, seen))
with gzip.open("root/usr/share/man/man8/keepalived.8.gz", "rt") as f:
    listed = f.read().split("Exit status:\"\n")[1].split(".SH")[0]
codes = " ".join(re.findall(r"^(\d+)$", listed, re.M))
same = same and codes == "0 1 2 3 4 5"
print("the manual page:", codes)
print("as described" if same else "NOT as described")
sys.exit(0 if same else 1)
PYTHON
unshare --net sh -c 'ip link add one type veth peer name two && exec python3 run.py'

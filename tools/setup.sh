#!/bin/sh
# Installs what is missing, and says nothing when nothing is.
#
#   tools/setup.sh          what `make run` and `make test` need
#   tools/setup.sh peers    and what `make test-peers` needs
#   tools/setup.sh suites   and what `make test-suites` needs
#   tools/setup.sh wheels   and what `make matrix` needs
#   tools/setup.sh promtool and what `make promtool` needs
#   tools/setup.sh bench    and what `make bench` needs
#   tools/setup.sh keepalived and what a test of two proxies behind one address needs
#   tools/setup.sh static   and what `make static` needs
#   tools/setup.sh packages and what `make test-packages` needs
#   tools/setup.sh platforms and what `make platforms` needs
#   tools/setup.sh browser  and what `make test-console` needs
#
# On Debian and Ubuntu it installs packages by itself: as root directly, otherwise through sudo when sudo asks for no
# password. Where it can do neither it prints the exact line to run and exits 1.
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin # where some of what is looked for is, and not on everybody's path
. tools/apt.sh

missing=

# need_command COMMAND PACKAGE: somebody else's COMMAND (a newer gcc, a Node of its maker) is as good as the package.
need_command() {
	command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

# need_package PACKAGE: a library, which no command betrays.
need_package() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ] || missing="$missing $1"
}

say() {
	echo "setup: $*" >&2
}

die() {
	say "$*"
	exit 1
}

install_missing() {
	line="apt-get install -y --no-install-recommends$missing"
	if [ "$(id -u)" = 0 ]; then
		as_root=
	elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
		as_root="sudo -n"
	else
		say "these packages are missing:$missing"
		say "run this, then the same command again:"
		say "    sudo apt-get update && sudo $line"
		exit 1
	fi
	say "installing$missing"
	log=$(mktemp)
	# An outdated list is often good enough, so a failed update is not the end.
	if ! { $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q || true
		$as_root env DEBIAN_FRONTEND=noninteractive $line -q; } >"$log" 2>&1; then
		cat "$log" >&2
		rm -f "$log"
		die "this failed: $line"
	fi
	rm -f "$log"
}

# The peers go to .build/peers, each by the versions and checksums in its folder of integration/peers. What of that is the
# sign that all is there goes last, and what has not changed is not fetched or built again.
peers=.build/peers

# have FOLDER LOCK: what is in .build/peers/FOLDER was made by this lock file.
have() {
	cmp -s "integration/peers/$1/$2" "$peers/$1/$2"
}

# begin FOLDER: makes it anew.
begin() {
	say "fetching integration/peers/$1 into $peers/$1"
	rm -rf "${peers:?}/$1"
	mkdir -p "$peers/$1"
}

# zeromq.js brings its own build of libzmq. Built binaries are in the package, so no script has to run.
install_js() {
	have js package-lock.json && return
	begin js
	cp integration/peers/js/package*.json "$peers/js"
	if ! (cd "$peers/js" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2); then
		rm -rf "$peers/js"
		die "npm could not install zeromq.js"
	fi
}

# jars LIST DIRECTORY: those of a list of checksums and artifacts.
jars() {
	while read -r sum artifact; do # GROUP:NAME:VERSION
		rest=${artifact#*:}
		mvn -q -B dependency:copy -Dartifact="$artifact" -Dmdep.overWriteReleases=true -DoutputDirectory="$PWD/$2" >&2 ||
			die "Maven could not fetch $artifact"
		(cd "$2" && echo "$sum  ${rest%%:*}-${rest#*:}.jar" | sha256sum --check --quiet >&2) || die "$artifact is not what it was"
	done <"$1"
}

# JeroMQ, in the last version that speaks ZMTP 2.0 and in the newest.
install_java() {
	have java jars.sha256 && return
	begin java
	jars integration/peers/java/jars.sha256 "$peers/java"
	cp integration/peers/java/jars.sha256 "$peers/java"
}

# pyzmq's newest wheel, and pyomq, for the system's own Python.
install_py() {
	have py requirements.txt && return
	begin py
	/usr/bin/python3 -m pip install -q --no-deps --only-binary :all: --require-hashes -r integration/peers/py/requirements.txt \
		--disable-pip-version-check --root-user-action=ignore --target "$peers/py" >&2 || die "pip could not install pyzmq and pyomq"
	cp integration/peers/py/requirements.txt "$peers/py"
}

# The peers in Rust are built, which takes minutes the first time.
install_rust() {
	sum=$(cat integration/peers/rust/Cargo.lock integration/peers/rust/Cargo.toml integration/peers/rust/src/*.rs | sha256sum)
	[ "$(cat "$peers/rust/built" 2>/dev/null)" != "$sum" ] || return 0
	say "building integration/peers/rust into $peers/rust"
	cargo build -q --locked --manifest-path integration/peers/rust/Cargo.toml --target-dir "$peers/rust/target" >&2 ||
		die "cargo could not build the peers in Rust"
	cp "$peers/rust/target/debug/zeromq-peer" "$peers/rust/target/debug/rzmq-peer" "$peers/rust"
	echo "$sum" >"$peers/rust/built"
}

# download PACKAGE...: fetches them into this directory, with newer lists if these are too old for that.
download() {
	apt-get download -q "$@" || { apt-get update -q && apt-get download -q "$@"; }
} >/dev/null 2>&1

# promtool has a package of its own from Debian 13 on, and before that is in prometheus, which would start a server when
# installed. So only its file is taken.
install_promtool() {
	to=$PWD/.build/promtool
	[ ! -x "$to" ] || return 0
	mkdir -p .build
	if command -v promtool >/dev/null 2>&1; then
		ln -sf "$(command -v promtool)" "$to"
		return
	fi
	say "fetching promtool into .build"
	from=$(mktemp -d)
	if (cd "$from" && { download promtool || download prometheus; } &&
		dpkg-deb --fsys-tarfile ./*.deb | tar -xO ./usr/bin/promtool >promtool && chmod +x promtool); then
		mv "$from/promtool" "$to"
	fi
	rm -rf "$from"
	[ -x "$to" ] || die "promtool is missing: it is in Debian's package promtool or, before Debian 13, prometheus (apt-get update may be needed)"
}

# missing_libraries PACKAGE...: those that apt would install with them. Their names differ from one Debian to the next.
missing_libraries() {
	apt-get install -s -q --no-install-recommends "$@" 2>/dev/null | awk '$1 == "Inst" && $2 ~ /^lib/ && $3 !~ /^\[/ { print $2 }'
}

# unpack DIRECTORY PACKAGE...: what is in packages, with the libraries that are not there. They would start services when
# installed, so they are only unpacked, into .build.
unpack() {
	to=$PWD/.build/$1
	shift
	[ ! -e "$to" ] || return 0
	say "fetching $* into ${to#"$PWD/"}"
	from=$(mktemp -d)
	if (cd "$from" && download "$@" && { libraries=$(missing_libraries "$@"); [ -z "$libraries" ] || download $libraries; } &&
		for package in *.deb; do dpkg-deb -x "$package" unpacked || exit 1; done); then
		mkdir -p .build
		cp -R "$from/unpacked" "$to.new"
		mv "$to.new" "$to" # all of it or nothing
	fi
	rm -rf "$from"
	[ -e "$to" ] || die "these packages could not be fetched: $* (apt-get update may be needed)"
}

# source_of FILE PACKAGE=VERSION DIRECTORY: unpacks what a package of Debian is made of, without Debian's own changes.
source_of() {
	apt-get source -q --tar-only "$2" >&2 || die "apt could not fetch the source of $2"
	grep " $1\$" "$top/tools/suites/sources.sha256" | sha256sum --check --quiet >&2 || die "$1 is not what it was"
	mkdir "$3"
	tar -xzf "$1" -C "$3" --strip-components=1
}

# Suites that others have written, and what runs them: the sources of libzmq, CZMQ and
# JeroMQ from Debian, of pyzmq from PyPI, and the module of go-zeromq.
install_suites() {
	to=.build/suites
	top=$PWD
	lock=$({ cat tools/suites/*.sha256 tools/suites/*.txt && sed -n '/^install_suites/,/^}/p' tools/setup.sh; } | sha256sum)
	[ "$(cat $to/fetched 2>/dev/null)" != "$lock" ] || return 0
	say "fetching the suites of tools/suites into $to"
	rm -rf $to
	mkdir -p $to/java $to/classes
	(
		cd $to
		own_apt "$PWD/apt" deb-src bookworm trixie >&2
		source_of zeromq3_4.3.4.orig.tar.gz zeromq3=4.3.4-6 zeromq3
		source_of czmq_4.2.1.orig.tar.gz czmq=4.2.1-1 czmq
		source_of jeromq_0.6.0.orig.tar.gz jeromq=0.6.0-1 jeromq
		/usr/bin/python3 -m pip install -q --no-deps --only-binary :all: --require-hashes -r "$top/tools/suites/requirements.txt" \
			--disable-pip-version-check --root-user-action=ignore --target py >&2
		/usr/bin/python3 -m pip download -q --no-deps --no-binary pyzmq --require-hashes -r "$top/tools/suites/sdist.txt" \
			--disable-pip-version-check -d sdist >&2
		mkdir pyzmq
		tar -xzf sdist/pyzmq-*.tar.gz -C pyzmq --strip-components=1
		rm -r pyzmq/zmq # it would be found in the place of the wheel's
		go mod download -C "$top" github.com/go-zeromq/zmq4
		cp -R "$(go list -C "$top" -m -f '{{.Dir}}' github.com/go-zeromq/zmq4)" zmq4
		chmod -R u+w zmq4
		go mod download -C zmq4 # of what its tests need, too
	) || die "the suites could not be fetched"
	jars tools/suites/jars.sha256 $to/java
	echo "$lock" >$to/fetched
}

# axe-core, which finds what keeps people from using a page. It is one file, and no script has to run.
install_browser() {
	to=.build/browser
	! cmp -s tools/browser/package-lock.json $to/package-lock.json || return 0
	say "fetching tools/browser into $to"
	rm -rf $to
	mkdir -p $to
	cp tools/browser/package*.json $to
	if ! (cd $to && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2); then
		rm -rf $to
		die "npm could not install axe-core"
	fi
}

command -v go >/dev/null 2>&1 || die "Go is missing: see https://go.dev/doc/install (go.mod names the version)"

if ! command -v dpkg-query >/dev/null 2>&1; then
	# Not Debian: name what is needed, in the words that every distribution has for it.
	command -v gcc >/dev/null 2>&1 || die "gcc is missing"
	command -v pkg-config >/dev/null 2>&1 || die "pkg-config is missing"
	pkg-config --exists 'libzmq >= 4.3' || die "libzmq 4.3 or newer with its headers and CURVE is missing"
	/usr/bin/python3 -c 'import zmq' 2>/dev/null || die "pyzmq for /usr/bin/python3 is missing"
else
	need_command gcc gcc
	need_command pkg-config pkg-config
	need_command make make
	need_command ip iproute2 # network namespaces for tests that cut cables; those are skipped elsewhere, and for other users than root
	need_command curl curl # what the documents show of HTTP
	need_command strace strace # tests that delay system calls, and `make syscalls`
	need_command nft nftables # NAT between two of them, likewise
	need_command conntrack conntrack
	need_command sysctl procps # a document has lines for it
	need_command redis-server redis-server # what several proxies remember together is in one
	need_package libc6-dev
	need_package libzmq3-dev
	need_package python3-zmq
	need_package libczmq-dev # whose zauth a test has as a worker; that is skipped elsewhere
	if [ "${1:-}" = peers ] || [ "${1:-}" = suites ]; then
		need_command javac default-jdk-headless
		need_command mvn maven
		/usr/bin/python3 -m pip --version >/dev/null 2>&1 || need_package python3-pip
	fi
	if [ "${1:-}" = peers ]; then
		need_command node nodejs
		need_command npm npm
	fi
	if [ "${1:-}" = suites ]; then
		need_command g++ g++
	fi
	if [ "${1:-}" = browser ]; then
		need_command chromium chromium
		need_command npm npm
	fi
	if [ "${1:-}" = keepalived ]; then
		need_command curl curl # by which it asks whether the proxy is ready
	fi
	if [ "${1:-}" = wheels ]; then
		python3 -m pip --version >/dev/null 2>&1 || need_package python3-pip
	fi
	if [ "${1:-}" = static ] || [ "${1:-}" = platforms ]; then
		need_command cargo cargo # fetches libzmq and libsodium by checksum, and builds nothing
		python3 -m pip --version >/dev/null 2>&1 || need_package python3-pip
	fi
	if [ "${1:-}" = platforms ]; then
		need_command debootstrap debootstrap
		need_command qemu-aarch64-static qemu-user-static
		need_command node nodejs # for what Go builds for its js
	fi
	if [ "${1:-}" = packages ]; then
		need_command debootstrap debootstrap
		need_command lintian lintian
		need_command dpkg-shlibdeps dpkg-dev
	fi
	[ -z "$missing" ] || install_missing
fi

if [ "${1:-}" = peers ]; then
	for command in node npm javac mvn cargo; do
		command -v "$command" >/dev/null 2>&1 || die "$command is missing"
	done
	install_js
	install_java
	install_py
	install_rust
fi

if [ "${1:-}" = suites ]; then
	install_suites
fi

if [ "${1:-}" = promtool ]; then
	install_promtool
fi

if [ "${1:-}" = bench ]; then # an installed nginx or haproxy, which may lack a module, is used where this is missing
	unpack bench haproxy nginx libnginx-mod-stream
fi

if [ "${1:-}" = keepalived ]; then
	unpack keepalived keepalived
fi

if [ "${1:-}" = browser ]; then
	for command in chromium npm; do
		command -v "$command" >/dev/null 2>&1 || die "$command is missing"
	done
	install_browser
fi

#!/bin/sh
# Counts the system calls that a connection costs the proxy: the benchmark's connect case, a connection with its whole
# handshake, one round trip and its end, under strace -f -c.
#
#   tools/syscalls.sh PROXY
#
# The calls of all threads count, libzmq's and Go's own among them, and so does the program's start, which is less than one
# a connection. strace makes everything slower, which can change how many connections one turn of the loop finds, so
# compare figures of this script with each other only.
set -eu
cd "$(dirname "$0")/.."
[ $# = 1 ] && [ -x "$1" ] || { echo "syscalls: want the path of a built streamq-proxy" >&2; exit 1; }
command -v strace >/dev/null || { echo "syscalls: strace is missing: tools/setup.sh installs it" >&2; exit 1; }
proxy=$(realpath "$1")

connections=2100 # those that the case measures, and those before its clock starts (integration/bench/cases.go)
shown=12         # calls that have a line of their own

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT INT TERM
# With -D it is the proxy that the benchmark starts and ends, and strace its grandchild, which writes when that has ended.
cat >"$dir/proxy" <<EOF
#!/bin/sh
exec strace -D -f -c -U calls,name -o "$dir/counts" "$proxy" "\$@"
EOF
chmod +x "$dir/proxy"
go build -o "$dir/bench" ./integration/bench

# count ROW MECHANISM: one cell of the benchmark, as "CALLS NAME" lines in $dir/ROW.MECHANISM.
count() {
	rm -f "$dir/counts"
	"$dir/bench" -proxy "$dir/proxy" -rounds 1 -rows "$1" -cases "connect-$2" >"$dir/said" 2>&1 || { cat "$dir/said" >&2; exit 1; }
	tries=0
	until [ -s "$dir/counts" ]; do # strace outlives the proxy by a moment
		tries=$((tries + 1))
		[ $tries -le 100 ] || { echo "syscalls: strace wrote nothing" >&2; exit 1; }
		sleep 0.1
	done
	awk -v n=$connections '$1 ~ /^[0-9]+$/ && $2 != "total" { printf "%.1f %s\n", $1 / n, $2 }' "$dir/counts" >"$dir/$1.$2"
}

for row in splice splice-dial-in stream; do
	for mechanism in null curve; do
		count $row $mechanism
	done
done

cd "$dir"
awk -v shown=$shown '
	FNR == 1 { column[++columns] = FILENAME }
	{ of[$2, FILENAME] = $1; sum[FILENAME] += $1; if (!($2 in all)) all[$2] = 0; all[$2] += $1 }
	function line(name, value,    i) {
		printf "%-16s", name
		for (i = 1; i <= columns; i++) printf "  %20s", value[column[i]]
		printf "\n"
	}
	END {
		for (i = 1; i <= columns; i++) head[column[i]] = column[i]
		line("calls each", head)
		for (k = 0; k < shown; k++) {
			best = ""
			for (name in all) if (best == "" || all[name] > all[best]) best = name
			if (best == "") break
			for (i = 1; i <= columns; i++) {
				cell[column[i]] = sprintf("%.1f", of[best, column[i]])
				rest[column[i]] += of[best, column[i]]
			}
			line(best, cell)
			delete all[best]
		}
		for (i = 1; i <= columns; i++) {
			cell[column[i]] = sprintf("%.1f", sum[column[i]] - rest[column[i]])
			head[column[i]] = sprintf("%.1f", sum[column[i]])
		}
		line("all others", cell)
		line("together", head)
	}' splice.null splice.curve splice-dial-in.null splice-dial-in.curve stream.null stream.curve

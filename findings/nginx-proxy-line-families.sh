#!/usr/bin/env bash
# nginx behind another balancer writes a PROXY line whose two addresses are of different families, and HAProxy takes
# that for no PROXY header and resets the connection.
#
# Versions: nginx 1.22.1-9+deb12u11 and HAProxy 2.6.12-1+deb12u4 of Debian 12.
# Why: nginx (stream, `proxy_protocol on`) names the line after the client's address, which set_real_ip_from has taken
# from the header before it, and writes its own listener's address as it is. An IPv4 client that came to an IPv6 listener
# through a first balancer gives `PROXY TCP4 192.0.2.7 ::1 ...`; the protocol wants both addresses in the family's form.
# HAProxy reads them strictly, and so does github.com/pires/go-proxyproto v0.15.0.
#
# Seen (the ports differ):
#   nginx was told       PROXY TCP4 192.0.2.7 192.0.2.1 4711 5555
#   nginx writes         PROXY TCP4 192.0.2.7 ::1 4711 43767
#   HAProxy, mixed       None
#   HAProxy, same family b'hello'
#   HAProxy says         f/1: Received an invalid PROXY protocol header
#
# Needs Debian 12 on amd64 with apt-get (nothing is installed), python3 and ::1. Exits 1 when it behaves differently.
set -euo pipefail
dir=$(mktemp -d)
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; rm -rf "$dir"' EXIT
cd "$dir"
packages="nginx=1.22.1-9+deb12u11 libnginx-mod-stream=1.22.1-9+deb12u11 haproxy=2.6.12-1+deb12u4 liblua5.3-0 libopentracing1 libopentracing-c-wrapper0 libpcre2-8-0 libssl3"
apt-get download -q $packages >apt.log 2>&1 || { apt-get update -q >>apt.log 2>&1 && apt-get download -q $packages >>apt.log 2>&1; } || {
	tail -5 apt.log
	exit 1
}
for package in *.deb; do dpkg-deb -x "$package" root; done
export LD_LIBRARY_PATH=$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/lib/x86_64-linux-gnu

read -r four six raw sink proxy < <(python3 - <<'PYTHON'
import socket
s = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
print(*(x.getsockname()[1] for x in s))
PYTHON
)
cat >nginx.conf <<EOT
load_module $dir/root/usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; master_process off; error_log stderr; pid $dir/pid;
events {}
stream {
	set_real_ip_from ::1; set_real_ip_from 127.0.0.1; proxy_protocol on;
	server { listen [::1]:$six proxy_protocol; proxy_pass 127.0.0.1:$proxy; }
	server { listen [::1]:$raw proxy_protocol; proxy_pass 127.0.0.1:$sink; }
	server { listen 127.0.0.1:$four proxy_protocol; proxy_pass 127.0.0.1:$proxy; }
}
EOT
cat >haproxy.cfg <<EOT
global
  maxconn 50
  log stderr format raw local0
defaults
  mode tcp
  log global
  timeout connect 3s
  timeout client 3s
  timeout server 3s
frontend f
  bind 127.0.0.1:$proxy accept-proxy
  log-format "client %ci:%cp"
  default_backend b
backend b
  server s 127.0.0.1:$sink
EOT
root/usr/sbin/nginx -v 2>&1
root/usr/sbin/haproxy -v | sed -n 1p
root/usr/sbin/nginx -p "$dir" -c "$dir/nginx.conf" >nginx.log 2>&1 &
pids+=($!)
root/usr/sbin/haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
pids+=($!)

result=0
timeout 30 python3 - "$four" "$six" "$raw" "$sink" <<'PYTHON' || result=1
import socket, sys, time
four, six, raw, sink = map(int, sys.argv[1:])
server = socket.create_server(("127.0.0.1", sink))
server.settimeout(2)
told = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 5555\r\n"


def send(host, port):
    """What the server hears of a client that comes through nginx."""
    for _ in range(100):
        try:
            c = socket.create_connection((host, port), 2)
            break
        except OSError:
            time.sleep(0.05)
    c.sendall(told + b"hello")
    try:
        s, _ = server.accept()
    except TimeoutError:
        return None
    s.settimeout(2)
    heard = b""
    while not heard.endswith(b"hello"):
        heard += s.recv(100) or b"(closed)hello"
    c.close()
    s.close()
    return heard


print("nginx was told      ", told.decode().strip())
line = send("::1", raw)
print("nginx writes        ", line.decode().split("\r\n")[0])
print("HAProxy, mixed      ", send("::1", six))
same = send("127.0.0.1", four)
print("HAProxy, same family", same)
sys.exit(0 if line.startswith(b"PROXY TCP4 192.0.2.7 ::1 4711 ") and same == b"hello" else 1)
PYTHON
grep -o 'f/1: .*' haproxy.log | sed -n 1p | sed 's/^/HAProxy says         /'
grep -q 'Received an invalid PROXY protocol header' haproxy.log || result=1
[ $result = 0 ] && echo "as described" || { echo "NOT as described"; cat nginx.log haproxy.log; }
exit $result

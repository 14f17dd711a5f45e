#!/usr/bin/env bash
# go-proxyproto says Verified of every TLS client of HAProxy that has no certificate at all.
#
# Versions: github.com/pires/go-proxyproto v0.15.0 (tlvparse), HAProxy 2.6.12-1+deb12u4 of Debian 12.
# Why: PP2SSL.Verified is documented as "true if the client presented a certificate and it was successfully verified" and
# compares the TLV's verify field with 0. The protocol asks senders for another value when there was no certificate, but
# HAProxy writes OpenSSL's verification result, which is 0 (X509_V_OK) then. Whether a certificate was there is said only
# by the flags (ClientCertConn, ClientCertSess): both have to be asked.
#
# Seen:
#   no certificate  verify=0 Verified()=true  ClientCertConn()=false
#   a trusted one   verify=0 Verified()=true  ClientCertConn()=true
#
# Needs Debian 12 on amd64 with apt-get (nothing is installed), Go 1.25 or newer and its module proxy, openssl.
# Exits 1 when it behaves differently.
set -euo pipefail
dir=$(mktemp -d)
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
packages="haproxy=2.6.12-1+deb12u4 liblua5.3-0 libopentracing1 libopentracing-c-wrapper0 libpcre2-8-0 libssl3"
apt-get download -q $packages >apt.log 2>&1 || { apt-get update -q >>apt.log 2>&1 && apt-get download -q $packages >>apt.log 2>&1; } || {
	tail -5 apt.log
	exit 1
}
for package in *.deb; do dpkg-deb -x "$package" root; done
for name in server client; do
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$name" -keyout $name.key -out $name.crt 2>/dev/null
	cat $name.crt $name.key >$name.pem
done
mkdir reader
cat >reader/main.go <<'GO'
package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"
)

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// see lets a TLS client come through HAProxy and reads the header that HAProxy sends.
func see(l net.Listener, address string, config *tls.Config) tlvparse.PP2SSL {
	var client *tls.Conn
	var err error
	for range 100 { // until HAProxy listens
		if client, err = tls.Dial("tcp", address, config); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	must(err)
	defer client.Close()
	_, err = client.Write([]byte("hello"))
	must(err)
	c, err := l.Accept()
	must(err)
	defer c.Close()
	header, err := proxyproto.Read(bufio.NewReader(c))
	must(err)
	tlvs, err := header.TLVs()
	must(err)
	ssl, ok := tlvparse.FindSSL(tlvs)
	if !ok {
		fmt.Println("no SSL TLV")
		os.Exit(1)
	}
	return ssl
}

func main() {
	l, err := net.Listen("tcp", os.Args[2])
	must(err)
	certificate, err := tls.LoadX509KeyPair("client.crt", "client.key")
	must(err)
	without := see(l, os.Args[1], &tls.Config{InsecureSkipVerify: true})
	with := see(l, os.Args[1], &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{certificate}})
	for _, s := range []struct {
		name string
		ssl  tlvparse.PP2SSL
	}{{"no certificate", without}, {"a trusted one ", with}} {
		fmt.Printf("%s  verify=%d Verified()=%-5v ClientCertConn()=%v\n", s.name, s.ssl.Verify, s.ssl.Verified(), s.ssl.ClientCertConn())
	}
	if !without.Verified() || without.ClientCertConn() || !with.Verified() || !with.ClientCertConn() {
		os.Exit(1)
	}
}
GO
(cd reader && go mod init reader >/dev/null 2>&1 && go get github.com/pires/go-proxyproto@v0.15.0 >/dev/null 2>&1 && go build -o ../read .)
read -r tls plain < <(python3 - <<'PYTHON'
import socket
s = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(x.getsockname()[1] for x in s))
PYTHON
)
cat >haproxy.cfg <<EOT
defaults
  mode tcp
  timeout connect 3s
  timeout client 3s
  timeout server 3s
listen l
  bind 127.0.0.1:$tls ssl crt $dir/server.pem verify optional ca-file $dir/client.crt
  server s 127.0.0.1:$plain send-proxy-v2-ssl-cn
EOT
export LD_LIBRARY_PATH=$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/lib/x86_64-linux-gnu
root/usr/sbin/haproxy -v | sed -n 1p
root/usr/sbin/haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
pids+=($!)
timeout 30 ./read "127.0.0.1:$tls" "127.0.0.1:$plain" && echo "as described" || {
	echo "NOT as described"
	cat haproxy.log
	exit 1
}

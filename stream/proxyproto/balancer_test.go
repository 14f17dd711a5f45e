package proxyproto

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"flag"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/internal/freeport"
	"github.com/streamq/streamq-proxy/internal/selfsigned"
)

// With -record what the balancers send is written to testdata/recorded.
var record = flag.Bool("record", false, "write what HAProxy and nginx send to testdata/recorded")

// way is one way for a client to come to a balancer, and what the header must say.
type way struct {
	name   string
	server string // HAProxy's words after the server's address
	dial   string // tcp4, tcp6, unix, tls, tls-certificate, or check: nobody dials
	want   func(h *Header) bool
}

var haproxyWays = []way{
	{"haproxy-v1-tcp4", "send-proxy", "tcp4", func(h *Header) bool { return h.Version == 1 }},
	{"haproxy-v1-tcp6", "send-proxy", "tcp6", func(h *Header) bool { return h.Version == 1 && h.Source.Addr().Is6() }},
	{"haproxy-v1-unix", "send-proxy", "unix", func(h *Header) bool { return h.Version == 1 && h.Local }},
	{"haproxy-v1-check", "send-proxy check check-send-proxy inter 100", "check", ownAddress},
	{"haproxy-v2-tcp4", "send-proxy-v2", "tcp4", func(h *Header) bool { return h.Version == 2 }},
	{"haproxy-v2-tcp6", "send-proxy-v2", "tcp6", func(h *Header) bool { return h.Version == 2 && h.Source.Addr().Is6() }},
	{"haproxy-v2-unix", "send-proxy-v2", "unix", func(h *Header) bool { return h.Local || !h.Source.IsValid() }},
	{"haproxy-v2-check", "send-proxy-v2 check check-send-proxy inter 100", "check", func(h *Header) bool { return h.Version == 2 && h.Local }},
	{
		"haproxy-v2-crc32c-unique-id", "send-proxy-v2 proxy-v2-options crc32c,unique-id", "tcp4",
		func(h *Header) bool { return strings.HasPrefix(h.UniqueID, "id-") },
	},
	{
		"haproxy-v2-tls", "send-proxy-v2 " + allOptions, "tls",
		func(h *Header) bool {
			return h.TLS != nil && h.TLS.Version == "TLSv1.3" && h.TLS.Cipher != "" && !h.TLS.Certificate && !h.TLS.Verified &&
				h.Authority == "front.example" && h.ALPN == "zmtp"
		},
	},
	{
		"haproxy-v2-tls-certificate", "send-proxy-v2 " + allOptions, "tls-certificate",
		func(h *Header) bool {
			return h.TLS != nil && h.TLS.Certificate && h.TLS.Verified && h.TLS.CommonName == "alice"
		},
	},
	{
		"haproxy-v2-tls-stranger", "send-proxy-v2 " + allOptions, "tls-stranger",
		func(h *Header) bool {
			return h.TLS != nil && h.TLS.Certificate && !h.TLS.Verified && h.TLS.CommonName == "mallory"
		},
	},
}

// ownAddress: a check in version 1 is no LOCAL, it says HAProxy's own address.
func ownAddress(h *Header) bool {
	return h.Version == 1 && h.Source.Addr() == netip.MustParseAddr("127.0.0.1")
}

const allOptions = "proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c,unique-id"

// unpacked finds a program that is installed or that the benchmark has unpacked.
func unpacked(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	root := filepath.Join("..", "..", ".build", "bench")
	program := filepath.Join(root, "usr", "sbin", name)
	if _, err := os.Stat(program); err != nil {
		if program, err = exec.LookPath(name); err != nil {
			t.Skipf("there is no %s: tools/setup.sh bench fetches it", name)
		}
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Join(root, "usr", "lib", "x86_64-linux-gnu"))
	return cmd
}

// start runs a balancer until the test ends.
func start(t *testing.T, cmd *exec.Cmd, args ...string) {
	t.Helper()
	cmd.Args = append(cmd.Args, args...)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
}

// certificate writes a certificate and its key, signed by itself.
func certificate(t *testing.T, file, name string) tls.Certificate {
	t.Helper()
	cert, key, err := selfsigned.New(&x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, slices.Concat(cert, key), 0o600); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// free is a port that nobody listens at.
func free(t *testing.T) int {
	t.Helper()
	port, err := freeport.Next(1)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// dialUntil tries until the balancer listens.
func dialUntil(t *testing.T, dial func() (net.Conn, error)) net.Conn {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		c, err := dial()
		if err == nil {
			t.Cleanup(func() { c.Close() })
			return c
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // between two attempts
	}
}

// firstHeader accepts connections until one brings a header, and says what it
// brought and what came behind.
func firstHeader(t *testing.T, l net.Listener) (raw, rest []byte, h Header) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	_ = l.(*net.TCPListener).SetDeadline(deadline)
	for {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(deadline)
		var b []byte
		for one := make([]byte, 1); ; b = append(b, one[0]) {
			h, verdict, err := Parse(b)
			switch verdict {
			case Complete:
				rest := make([]byte, 5)
				n, _ := c.Read(rest)
				c.Close()
				return b, rest[:n], h
			case Refused, NotProxy:
				t.Fatalf("%x: %v %v", b, verdict, err)
			case NeedMore:
			}
			if _, err := c.Read(one); err != nil {
				break // a connection that was only tried
			}
		}
		c.Close()
	}
}

// haproxyFor starts an HAProxy with one way to go to the listener, and says how to dial it.
func haproxyFor(t *testing.T, w way, l net.Listener) func() (net.Conn, error) {
	t.Helper()
	dir := t.TempDir()
	port := free(t)
	certificate(t, filepath.Join(dir, "server.pem"), "front.example")
	alice := certificate(t, filepath.Join(dir, "alice.pem"), "alice")
	mallory := certificate(t, filepath.Join(dir, "mallory.pem"), "mallory")
	bind := fmt.Sprintf("127.0.0.1:%d", port)
	config := &tls.Config{InsecureSkipVerify: true, ServerName: "front.example", NextProtos: []string{"zmtp"}}
	dial := func() (net.Conn, error) { return net.Dial("tcp", bind) }
	switch w.dial {
	case "tcp6":
		bind = fmt.Sprintf("[::1]:%d", port)
	case "unix":
		path := filepath.Join(dir, "s")
		bind = "unix@" + path
		dial = func() (net.Conn, error) { return net.Dial("unix", path) }
	case "tls-certificate":
		config.Certificates = []tls.Certificate{alice}
	case "tls-stranger":
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &mallory, nil }
	}
	if strings.HasPrefix(w.dial, "tls") {
		address := bind
		bind += fmt.Sprintf(" ssl crt %s/server.pem alpn zmtp verify optional ca-file %s/alice.pem crt-ignore-err all ca-ignore-err all", dir, dir)
		dial = func() (net.Conn, error) { return tls.Dial("tcp", address, config) }
	}
	text := fmt.Sprintf("global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 10s\n  timeout server 10s\n"+
		"listen l\n  bind %s\n  unique-id-format id-%%[uuid]\n  server s %s %s\n", bind, l.Addr(), w.server)
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, unpacked(t, "haproxy"), "-db", "-f", file)
	return dial
}

// Real HAProxy says of each client what is true.
func TestHAProxy(t *testing.T) {
	for _, w := range haproxyWays {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			dial := haproxyFor(t, w, l)
			own := ""
			if w.dial != "check" {
				c := dialUntil(t, dial)
				if _, err := c.Write([]byte("hello")); err != nil {
					t.Fatal(err)
				}
				own = c.LocalAddr().String()
			}
			raw, rest, h := firstHeader(t, l)
			if w.dial != "check" && string(rest) != "hello" {
				t.Errorf("behind the header came %q", rest)
			}
			if from, err := netip.ParseAddrPort(own); err == nil && h.Source != from {
				t.Errorf("the client is %v, the header says %v", from, h.Source)
			}
			if !w.want(&h) {
				t.Errorf("%+v %+v", h, h.TLS)
			}
			save(t, w.name, "HAProxy, server "+w.server, raw)
		})
	}
}

// nginx writes the family of the client, and its own listener's address as it
// is: after another balancer they may differ.
func TestNginxWithMixedFamilies(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir, port := t.TempDir(), free(t)
	text := fmt.Sprintf("load_module %s;\ndaemon off;\nmaster_process off;\nerror_log stderr;\npid %s/pid;\nevents {}\nstream { server {\n"+
		"listen [::1]:%d proxy_protocol;\nset_real_ip_from ::1;\nproxy_protocol on;\nproxy_pass %s;\n} }\n",
		nginxModule(t), dir, port, l.Addr())
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, unpacked(t, "nginx"), "-c", file, "-p", dir)
	c := dialUntil(t, func() (net.Conn, error) { return net.Dial("tcp", fmt.Sprintf("[::1]:%d", port)) })
	if _, err := c.Write([]byte("PROXY TCP4 192.0.2.7 192.0.2.1 4711 5555\r\nhello")); err != nil {
		t.Fatal(err)
	}
	raw, rest, h := firstHeader(t, l)
	if string(rest) != "hello" || h.Source != netip.MustParseAddrPort("192.0.2.7:4711") || !h.Destination.Addr().Is6() {
		t.Errorf("%q %+v", rest, h)
	}
	save(t, "nginx-v1-mixed", "nginx, proxy_protocol on, an IPv6 listener behind an IPv4 balancer", raw)
}

func nginxModule(t *testing.T) string {
	t.Helper()
	for _, file := range []string{
		"../../.build/bench/usr/lib/nginx/modules/ngx_stream_module.so", "/usr/lib/nginx/modules/ngx_stream_module.so",
	} {
		if path, err := filepath.Abs(file); err == nil {
			if _, err := os.Stat(path); err == nil {
				return path
			}
		}
	}
	t.Skip("there is no stream module of nginx")
	return ""
}

// save writes a recording: what sent it, its octets, and what they say.
func save(t *testing.T, name, from string, raw []byte) {
	t.Helper()
	if !*record || t.Failed() {
		return
	}
	h, _, _ := Parse(raw)
	text := fmt.Sprintf("# %s\n%s\n%s\n", from, hex.EncodeToString(raw), describe(h))
	if err := os.WriteFile(filepath.Join("testdata", "recorded", name+".txt"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// describe is all of a header in one line.
func describe(h Header) string {
	tls := "no TLS"
	if h.TLS != nil {
		tls = fmt.Sprintf("%+v", *h.TLS)
	}
	h.TLS = nil
	return fmt.Sprintf("%+v %s", h, tls)
}

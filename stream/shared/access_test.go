package shared_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/internal/freeport"
	"github.com/streamq/streamq-proxy/internal/selfsigned"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/shared"
	"github.com/streamq/streamq-proxy/stream/shared/sharedtest"
)

// open has a proxy of a URL, which is up.
func open(t *testing.T, url, passwordFile string) *proxy {
	t.Helper()
	server, err := shared.ParseServer(url)
	if err != nil {
		t.Fatal(err)
	}
	server.PasswordFile = passwordFile
	store := shared.Open(shared.Config{Dial: shared.Redis(server), Name: t.Name(), Where: server.String(), Wait: long})
	t.Cleanup(store.Close)
	p := &proxy{t, store, store.Memory(shared.OfPool("a")), &journal{}}
	p.becomes(shared.Up)
	return p
}

// rule is that of the user that docs/guide/high-availability.md makes.
func rule(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile("../../docs/guide/high-availability.md")
	if err != nil {
		t.Fatal(err)
	}
	_, line, found := strings.Cut(string(page), "<!-- test: TestUser -->\n```text\nACL SETUSER proxy on ")
	if !found {
		t.Fatal("the page has no user any more")
	}
	line, _, _ = strings.Cut(line, "\n")
	words := strings.Fields(line)
	if words[0] != ">PASSWORD" {
		t.Fatalf("the user's password is not in %q", words)
	}
	words[0] = ">secret word"
	return append([]string{"ACL", "SETUSER", "proxy", "on"}, words...)
}

// everything does all that a proxy does with a store, and has what it may not do be noticed.
func everything(t *testing.T, p *proxy) {
	t.Helper()
	p.Remember(ann, "w1", time.Hour)
	p.flushed()
	p.knows(ann, "w1")
	p.knowsNot(bob)
	p.keep(&holder{has: nil})
	p.Remember(ann, "w2", time.Hour)
	p.flushed()
	p.knows(ann, "w2")
	until(t, "it is on the list of those that are there", func() bool {
		all, err := p.Proxies(t.Context())
		return err == nil && len(all) == 1
	})
	hears(t, p)
	if s := p.Stats(); s.State != shared.Up || s.Writes["refused"]+s.Lookups["nonsense"] > 0 {
		t.Errorf("it is %+v", s)
	}
}

// hears has a pool hear of words, one after another.
func hears(t *testing.T, p *proxy) {
	t.Helper()
	follower := &steered{t: t, name: "follower", store: p.Store, mem: p.Memory, log: p.log, table: newTable()}
	follower.add("w1")
	follower.follow()
	for weight := range 3 { // the store says so each time, since all is read seldom
		word := pairing.Steering{Worker: "w1", Register: pairing.RegisterWeight}
		word.At, word.By, word.Value, word.Everywhere = time.Now().UnixMilli()+int64(weight), "other", 5+weight, true
		if _, err := p.Tell(t.Context(), &word); err != nil {
			t.Error(err)
		}
		become(t, "w1", fmt.Sprint("ready ", 5+weight, " 0"), follower)
	}
}

// TestUser: the user of the documents may do all that is needed, and its password comes from a file, which may change.
func TestUser(t *testing.T) {
	r := sharedtest.NewRedis(t)
	command := rule(t)
	if err := r.Do(command...).Error(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("secret word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	everything(t, open(t, "redis://proxy@"+r.Address(), file))
	everything(t, open(t, "redis://proxy:secret%20word@"+r.Address()+"/0", ""))
}

// TestTLS: by rediss the store is trusted by a certificate only.
func TestTLS(t *testing.T) {
	if program := os.Getenv(sharedtest.Variable); program != "" {
		t.Skip(program + " may be built without TLS")
	}
	dir := t.TempDir()
	cert, key, err := selfsigned.New(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "store"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, text := range map[string][]byte{certFile: cert, keyFile: key} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	number, err := freeport.Next(1)
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(number)
	address := net.JoinHostPort("127.0.0.1", port)
	sharedtest.NewRedis(t, "--tls-port", port, "--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", certFile, "--tls-auth-clients", "no")
	server, err := shared.ParseServer("rediss://" + address)
	if err != nil {
		t.Fatal(err)
	}
	stranger := shared.Open(shared.Config{Dial: shared.Redis(server), Wait: long})
	defer stranger.Close()
	until(t, "nobody trusts a certificate that is not known", func() bool { return strings.Contains(stranger.Stats().Why, "certificate") })
	// What the system trusts is read once in a process.
	again := exec.Command(os.Args[0], "-test.run=^TestTrusted$", "-test.count=1")
	again.Env = append(os.Environ(), "SSL_CERT_FILE="+certFile, "SHARED_TEST_URL=rediss://"+address)
	if said, err := again.CombinedOutput(); err != nil || !strings.Contains(string(said), "PASS") {
		t.Errorf("with SSL_CERT_FILE: %v\n%s", err, said)
	}
}

// TestTrusted is run by TestTLS.
func TestTrusted(t *testing.T) {
	url := os.Getenv("SHARED_TEST_URL")
	if url == "" {
		t.Skip("TestTLS runs it")
	}
	everything(t, open(t, url, ""))
}

// TestCluster: a cluster is known by its answers.
func TestCluster(t *testing.T) {
	r := sharedtest.NewRedis(t, "--cluster-enabled", "yes")
	if err := r.Do("CLUSTER", "ADDSLOTSRANGE", "0", "16383").Error(); err != nil {
		t.Fatal(err)
	}
	until(t, "the cluster is one", func() bool {
		info, err := r.Do("CLUSTER", "INFO").ToString()
		return err == nil && strings.Contains(info, "cluster_state:ok")
	})
	everything(t, open(t, r.URL(), ""))
}

// TestSentinel: a Sentinel says who is the master, and when that is gone who is it next.
func TestSentinel(t *testing.T) {
	master := sharedtest.NewRedis(t)
	host, port, _ := net.SplitHostPort(master.Address())
	replica := sharedtest.NewRedis(t, "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0")
	conf := filepath.Join(t.TempDir(), "sentinel.conf")
	text := "sentinel monitor mymaster " + host + " " + port + " 1\nsentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 3000\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := sharedtest.NewSentinel(t, conf)
	p := open(t, "redis://"+sentinel.Address()+"?master_set=mymaster", "")
	hears(t, p)
	p.Remember(ann, "w1", time.Hour)
	p.flushed()
	until(t, "the replica knows", func() bool { text, _ := replica.Get("streamq:p:a:i:ann"); return text == "1 w1" })
	until(t, "the Sentinel knows the replica", func() bool {
		all, err := sentinel.Do("SENTINEL", "REPLICAS", "mymaster").ToArray()
		return err == nil && len(all) == 1
	})
	master.Kill()
	p.becomes(shared.Down)
	p.Remember(bob, "w2", time.Hour)
	p.becomes(shared.Up)
	p.flushed()
	p.knows(ann, "w1")
	p.knows(bob, "w2")
	if text, _ := replica.Get("streamq:p:a:i:bob"); text != "1 w2" {
		t.Errorf("the new master has %q", text)
	}
	hears(t, p)
}

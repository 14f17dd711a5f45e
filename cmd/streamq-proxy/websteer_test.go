package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/streamq/streamq-proxy/internal/selfsigned"
)

// loggedText is what a proxy in this process has logged.
type loggedText struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (l *loggedText) Write(b []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(b)
}

func (l *loggedText) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

// until waits for a text in the log, and is what comes behind it, up to a space.
func (l *loggedText) until(t *testing.T, text string) (word string) {
	t.Helper()
	eventually(t, text, func() bool {
		_, rest, found := strings.Cut(l.String(), text)
		word, _, _ = strings.Cut(strings.ReplaceAll(rest, "\n", " "), " ")
		return found
	}, l)
	return word
}

// eventually waits for a condition. Of what is known of it while it does not hold, the test's end tells.
func eventually(t *testing.T, what string, is func() bool, known fmt.Stringer) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s\n%s", patience, what, known)
		}
	}
}

// webProxy is a proxy with users and TLS.
type webProxy struct {
	log     *loggedText
	dir     string
	address string
	client  *http.Client
}

func newWebProxy(t *testing.T) *webProxy {
	t.Helper()
	p := &webProxy{log: &loggedText{}}
	var err error
	if p.dir, err = os.MkdirTemp("", "web"); err != nil { // t.TempDir may be too long for a unix socket's name
		t.Fatal(err)
	}
	certificate(t, p.dir)
	p.users(t, "alice", "bob")
	p.admins(t, "alice")
	t.Setenv(controlVariable, "ipc://"+filepath.Join(p.dir, "c"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"run", "--config", filepath.Join(p.dir, "f.yaml"), "--control", os.Getenv(controlVariable)}, io.Discard, p.log)
	}()
	t.Cleanup(func() {
		p.client.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = os.RemoveAll(p.dir)
	})
	p.address = p.log.until(t, `msg="serving HTTP" address=`)
	p.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}, Timeout: patience}
	return p
}

// certificate writes one that a server signed itself, and its key.
func certificate(t *testing.T, dir string) {
	t.Helper()
	cert, key, err := selfsigned.New(&x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cert.pem"), string(cert))
	write(t, filepath.Join(dir, "key.pem"), string(key))
}

func write(t *testing.T, file, text string) {
	t.Helper()
	// As a whole, since somebody may be reading it.
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// users writes the web configuration.
func (p *webProxy) users(t *testing.T, names ...string) {
	t.Helper()
	text := "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"
	if len(names) > 0 {
		text += "basic_auth_users:\n"
	}
	for _, name := range names {
		hash, err := bcrypt.GenerateFromPassword([]byte(name+"'s own"), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("  %s: %s\n", name, hash)
	}
	write(t, filepath.Join(p.dir, "web.yaml"), text)
}

// admins writes the proxy's own.
func (p *webProxy) admins(t *testing.T, names ...string) {
	t.Helper()
	write(t, filepath.Join(p.dir, "f.yaml"), fmt.Sprintf(`http: 127.0.0.1:0
web-config: %s
http-admin: [%s]
pools:
  - frontend: [tcp://127.0.0.1:0]
    workers: [{name: w1, endpoint: tcp://127.0.0.1:1}, {name: w2, endpoint: tcp://127.0.0.1:2}]
`, filepath.Join(p.dir, "web.yaml"), strings.Join(names, ", ")))
}

// ask is the status and the body of an answer. Of a user "" nothing is said; its password is right
// unless another is given. form is a POST's.
func (p *webProxy) ask(t *testing.T, user, path string, form url.Values, password ...string) (int, string) {
	t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	request, err := http.NewRequestWithContext(t.Context(), method, "https://"+p.address+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "proxy.example" // a user may call it by any name
	if user != "" {
		request.SetBasicAuth(user, append(password, user+"'s own")[0])
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := p.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func (p *webProxy) reload(t *testing.T) {
	t.Helper()
	if err := run(t.Context(), []string{"ctl", "reload"}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
}

// By a web-config who has no password sees nothing; who has one sees all, and who is named steers.
func TestUsersOverHTTPS(t *testing.T) {
	p := newWebProxy(t)
	drain := url.Values{"worker": {"w1"}}
	for _, path := range []string{"/", "/workers", "/metrics", "/readyz", "/api/v1/status", "/static/console.css"} {
		for user, password := range map[string]string{"": "", "alice": "bob's own", "carol": "carol's own"} {
			if status, _ := p.ask(t, user, path, nil, password); status != http.StatusUnauthorized {
				t.Errorf("%q at %s: %d", user, path, status)
			}
		}
		if status, text := p.ask(t, "bob", path, nil); status != http.StatusOK && path != "/readyz" {
			t.Errorf("bob at %s: %d %s", path, status, text)
		}
	}
	for user, password := range map[string]string{"": "", "alice": "bob's own"} {
		if status, text := p.ask(t, user, "/api/v1/drain", drain, password); status != http.StatusUnauthorized {
			t.Errorf("%q: %d %s", user, status, text)
		}
	}
	if status, text := p.ask(t, "bob", "/api/v1/drain", drain); status != http.StatusForbidden || !strings.Contains(text, "the setting http-admin does not name you") {
		t.Errorf("bob: %d %s", status, text)
	}
	p.log.until(t, `msg="steered over HTTP" verb=DRAIN args=w1 code=403`)
	if _, text := p.ask(t, "bob", "/workers", nil); strings.Contains(text, `action="steer/`) || !strings.Contains(text, ">ready<") {
		t.Error("bob's page has buttons, or the worker is not ready:", text)
	}
	if status, text := p.ask(t, "alice", "/api/v1/drain", drain); status != http.StatusOK || !strings.Contains(text, `"result":{"pairs":0}`) {
		t.Errorf("alice: %d %s", status, text)
	}
	p.log.until(t, `msg="steered over HTTP" verb=DRAIN args=w1 code=200 text=OK level=operator address=127.0.0.1 caller=alice`)
	if status, text := p.ask(t, "alice", "/steer/enable", drain); status != http.StatusOK || !strings.Contains(text, "ENABLE") {
		t.Errorf("alice: %d %s", status, text)
	}
	if _, text := p.ask(t, "alice", "/workers", nil); !strings.Contains(text, `formaction="steer/drain"`) {
		t.Error("alice's page has no buttons:", text)
	}
	if status, text := p.ask(t, "alice", "/steer/weight", url.Values{"worker": {"w1"}, "n": {"0"}}); status != http.StatusBadRequest || !strings.Contains(text, "is not a number from 1 to 256") {
		t.Errorf("alice: %d %s", status, text)
	}
}

// Who may steer changes at a reload, and who the users are at once. By a file without users, or
// one that cannot be read, goes what it said before, which is said once.
func TestRightsChange(t *testing.T) {
	p := newWebProxy(t)
	drain := url.Values{"worker": {"w2"}}
	may := func(user string, want int) {
		t.Helper()
		if status, text := p.ask(t, user, "/api/v1/drain", drain); status != want {
			t.Errorf("%s: %d %s, want %d", user, status, text, want)
		}
	}
	may("alice", http.StatusOK)
	p.admins(t, "bob")
	p.reload(t)
	may("alice", http.StatusForbidden)
	may("bob", http.StatusOK)
	p.users(t, "alice")
	may("bob", http.StatusUnauthorized)
	p.admins(t, "carol")
	if err := run(t.Context(), []string{"ctl", "reload"}, io.Discard, io.Discard); err == nil {
		t.Error("who is no user was taken for an admin")
	}
	if err := run(t.Context(), []string{"check", filepath.Join(p.dir, "f.yaml")}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "carol") {
		t.Errorf("check: %v", err)
	}
	p.admins(t, "all")
	p.reload(t)
	for says, file := range map[string]string{
		"no users any more": "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n",
		"says nothing":      "",
		"did not find":      "no: [yaml",
	} {
		write(t, filepath.Join(p.dir, "web.yaml"), file)
		for range 2 {
			may("", http.StatusUnauthorized)
			may("alice", http.StatusOK)
			if status, text := p.ask(t, "alice", "/metrics", nil); status != http.StatusOK || !strings.Contains(text, "\nstreamq_web_config_in_force 0\n") {
				t.Errorf("%s: %d %.200s", says, status, text)
			}
			if status, text := p.ask(t, "alice", "/healthz", nil); status != http.StatusOK {
				t.Errorf("%s: a probe is answered %d %s", says, status, text)
			}
		}
		if n := strings.Count(p.log.String(), says); n != 1 {
			t.Errorf("%s is said %d times:\n%s", says, n, p.log)
		}
	}
	for _, file := range []string{"", "no: [yaml"} {
		write(t, filepath.Join(p.dir, "web.yaml"), file)
		if err := run(t.Context(), []string{"check", filepath.Join(p.dir, "f.yaml")}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "web-config") {
			t.Errorf("check of %q: %v", file, err)
		}
	}
}

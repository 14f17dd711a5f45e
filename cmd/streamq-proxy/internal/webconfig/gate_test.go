package webconfig

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/streamq/streamq-proxy/internal/selfsigned"
)

// certificate writes cert.pem, with a serial number, and key.pem.
func certificate(t *testing.T, dir string, serial int64) {
	t.Helper()
	cert, key, err := selfsigned.New(&x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "cert.pem"), string(cert))
	put(t, filepath.Join(dir, "key.pem"), string(key))
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// users are lines of users, each NAME=PASSWORD.
func users(t *testing.T, all ...string) string {
	t.Helper()
	text := "basic_auth_users:\n"
	for _, one := range all {
		name, password, _ := strings.Cut(one, "=")
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		text += "  " + name + ": " + string(hash) + "\n"
	}
	return text
}

const secured = "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"

const verified = "RequireAndVerifyClientCert"

// checked is TLS with a check of clients' certificates, and what else there is to say of them.
func checked(how string) string {
	return strings.Replace(secured, "}", ", client_auth_type: "+how+"}", 1)
}

// opened is a gate, its file and its log.
type opened struct {
	*Gate
	name  string
	lines *bytes.Buffer
}

func open(t *testing.T, text string) opened {
	t.Helper()
	o := opened{name: file(t, ""), lines: &bytes.Buffer{}}
	certificate(t, filepath.Dir(o.name), 1)
	put(t, o.name, text)
	var err error
	if o.Gate, err = Open(o.name, slog.New(slog.NewTextHandler(o.lines, nil))); err != nil {
		t.Fatal(err)
	}
	return o
}

// asked is who it is for the handler behind the gate, and the status.
func (o opened) asked(user, password string) (string, int) {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	who, w := "", httptest.NewRecorder()
	o.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { who = "somebody " + o.User(r) }),
		func(w http.ResponseWriter, _ *http.Request, status int, text string) { http.Error(w, text, status) }).ServeHTTP(w, r)
	return who, w.Code
}

// Who is let in is who the file names, as it is now, and with its password.
func TestUsers(t *testing.T) {
	t.Parallel()
	o := open(t, users(t, "alice=right"))
	for range 2 { // the second time by what is remembered
		for _, tc := range []struct {
			user, password, want string
			status               int
		}{
			{"alice", "right", "somebody alice", 200}, {"alice", "wrong", "", 401}, {"bob", "right", "", 401}, {"", "", "", 401},
		} {
			if got, status := o.asked(tc.user, tc.password); got != tc.want || status != tc.status {
				t.Errorf("%s with %q: %q %d", tc.user, tc.password, got, status)
			}
		}
	}
	put(t, o.name, users(t, "alice=other", "bob=new"))
	for user, password := range map[string]string{"alice": "other", "bob": "new"} {
		if got, status := o.asked(user, password); got != "somebody "+user {
			t.Errorf("%s: %q %d", user, got, status)
		}
	}
	if got, status := o.asked("alice", "right"); got != "" {
		t.Errorf("with the password of before: %q %d", got, status)
	}
	if n := o.Passwords(); n.Right != 4 || n.Wrong+n.Limited != 5 {
		t.Errorf("%+v", n)
	}
}

// Without users everybody is let in, and is nobody.
func TestNoUsers(t *testing.T) {
	t.Parallel()
	o := open(t, secured)
	for _, user := range []string{"", "alice"} {
		if got, status := o.asked(user, "x"); got != "somebody " {
			t.Errorf("%q: %q %d", user, got, status)
		}
	}
}

// By a file that is wrong, or would open something, goes what was right before: nobody more is let in, nobody less,
// and it is said once.
func TestTheLastGoodFileStays(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ before, now, says string }{
		"broken":          {users(t, "alice=a"), "no: [yaml", "yaml"},
		"emptied":         {users(t, "alice=a"), "", "says nothing"},
		"gone":            {users(t, "alice=a"), "-", "no such file"},
		"no users":        {secured + users(t, "alice=a"), secured, "no users any more"},
		"no TLS":          {secured + users(t, "alice=a"), users(t, "alice=a", "bob=b"), "no TLS any more"},
		"TLS now":         {users(t, "alice=a"), secured + users(t, "alice=a", "bob=b"), "has TLS now"},
		"no certificates": {checked("RequireAnyClientCert") + users(t, "alice=a"), secured + users(t, "alice=a", "bob=b"), "asks less"},
		"any authority":   {checked(verified+", client_ca_file: cert.pem") + users(t, "alice=a"), checked(verified) + users(t, "alice=a", "bob=b"), "asks less"},
		"any name":        {checked(verified+", client_allowed_sans: [x]") + users(t, "alice=a"), checked(verified) + users(t, "alice=a", "bob=b"), "asks less"},
		"no clear text":   {users(t, "alice=a"), "basic_auth_users: {alice: a, bob: b}\n", "hashedSecret"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := open(t, tc.before)
			put(t, o.name, tc.now)
			if tc.now == "-" {
				if err := os.Remove(o.name); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 {
				if got, status := o.asked("alice", "a"); got != "somebody alice" {
					t.Errorf("alice: %q %d", got, status)
				}
				for _, user := range []string{"", "bob"} {
					if got, status := o.asked(user, "b"); got != "" || status < http.StatusUnauthorized {
						t.Errorf("%q: %q %d", user, got, status)
					}
				}
			}
			if text := o.lines.String(); strings.Count(text, "not taken") != 1 || !strings.Contains(text, tc.says) || !strings.Contains(text, "level=WARN") || o.InForce() {
				t.Errorf("in force %v, want %q once:\n%s", o.InForce(), tc.says, text)
			}
			put(t, o.name, tc.before)
			if got, _ := o.asked("alice", "a"); got != "somebody alice" || !o.InForce() || strings.Count(o.lines.String(), "taken again") != 1 {
				t.Errorf("a right one is not taken again: %q\n%s", got, o.lines)
			}
		})
	}
}

// served is a gate's server, until the test ends.
func (o opened) served(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	s.Handler = o.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
		func(w http.ResponseWriter, _ *http.Request, status int, text string) { http.Error(w, text, status) })
	done := make(chan error, 1)
	go func() { done <- o.Serve(l, s) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// serial is that of the certificate that a server shows; 0 for none.
func serial(t *testing.T, address string) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Error(err)
		return 0
	}
	defer c.Close()
	if p := c.ConnectionState().NegotiatedProtocol; p != "h2" {
		t.Errorf("it speaks %q", p)
	}
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// New certificates are shown at once. While they are half written, or the file is wrong, those of before are.
func TestCertificatesAreReadAgain(t *testing.T) {
	t.Parallel()
	o := open(t, secured)
	dir, address := filepath.Dir(o.name), o.served(t)
	for n := int64(1); n < 4; n++ {
		certificate(t, dir, n)
		if got := serial(t, address); got != n {
			t.Errorf("%d is shown, want %d", got, n)
		}
		put(t, filepath.Join(dir, "key.pem"), "half")
		for range 3 {
			if got := serial(t, address); got != n || o.InForce() {
				t.Errorf("half written: %d is shown, want %d; in force %v", got, n, o.InForce())
			}
		}
	}
	certificate(t, dir, 4)
	put(t, o.name, "no: [yaml")
	for range 2 {
		if got := serial(t, address); got != 4 {
			t.Errorf("by a wrong file %d is shown", got)
		}
	}
	if text := o.lines.String(); strings.Count(text, "not taken") != 4 || strings.Count(text, "taken again") != 2 {
		t.Error(text)
	}
}

// Certificates are parsed when their files have changed, and not for each connection and request; of a change as late as
// the last that was seen it is not trusted to show.
func TestCertificatesAreParsedOnce(t *testing.T) {
	t.Parallel()
	o := open(t, secured)
	dir := filepath.Dir(o.name)
	dated := func(at time.Time) {
		t.Helper()
		for _, name := range []string{"cert.pem", "key.pem"} {
			if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	shown := func() *tls.Config { return o.certified(o.now()) }
	old := time.Now().Add(-time.Hour)
	dated(old)
	first := shown()
	for range 3 {
		if shown() != first {
			t.Fatal("it is parsed again")
		}
	}
	certificate(t, dir, 2)
	if second := shown(); second == first || leaf(t, second) != 2 {
		t.Errorf("%d is shown, want 2", leaf(t, second))
	}
	now := time.Now().Add(time.Hour) // whatever the clock does
	dated(now)
	before := shown()
	size := func() (all [2]int64) {
		for i, name := range []string{"cert.pem", "key.pem"} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			all[i] = info.Size()
		}
		return all
	}
	for was := size(); ; { // lengths of signatures differ
		if certificate(t, dir, 3); size() == was {
			break
		}
	}
	dated(now)
	if after := shown(); after == before || leaf(t, after) != 3 {
		t.Errorf("%d is shown, want 3", leaf(t, after))
	}
	if err := os.Remove(filepath.Join(dir, "key.pem")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := leaf(t, shown()); got != 3 || o.InForce() {
			t.Errorf("without a key %d is shown, in force %v", got, o.InForce())
		}
	}
}

// leaf is the serial number of what is shown.
func leaf(t *testing.T, c *tls.Config) int64 {
	t.Helper()
	is, err := x509.ParseCertificate(c.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return is.SerialNumber.Int64()
}

// A client that was let in by its certificate is held against the file again when it comes back.
func TestCertificatesAreCheckedAgain(t *testing.T) {
	t.Parallel()
	const by = verified + ", client_ca_file: cert.pem, client_allowed_sans: "
	o := open(t, checked(by+"[127.0.0.1]"))
	dir, address := filepath.Dir(o.name), o.served(t)
	own, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, Certificates: []tls.Certificate{own}, ClientSessionCache: tls.NewLRUClientSessionCache(1), MaxVersion: version,
		}}}
		for names, want := range map[string]bool{"[127.0.0.1]": true, "[another]": false} {
			put(t, o.name, checked(by+"[127.0.0.1]"))
			for range 2 { // the second time with what is remembered of the first
				answer, err := client.Get("https://" + address)
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
			}
			put(t, o.name, checked(by+names))
			answer, err := client.Get("https://" + address)
			if err == nil {
				answer.Body.Close()
			}
			if (err == nil) != want {
				t.Errorf("%s with names %s: %v", tls.VersionName(version), names, err)
			}
		}
	}
}

// A connection that was let in by its certificate, and stays, is held against the file at each request, and so is an answer that
// goes on: by what the file says, and by what is in the files that it names.
func TestOldConnectionsAreCheckedAgain(t *testing.T) {
	t.Parallel()
	const by = verified + ", client_ca_file: ca.pem"
	sans := checked(by + ", client_allowed_sans: [127.0.0.1]")
	for name, tc := range map[string]struct {
		before, now string
		signed      string // what ca.pem is changed to, "" for nothing
		want        int
	}{
		"the same":            {checked(by), checked(by), "", http.StatusNoContent},
		"as strict":           {checked(by), checked(by) + "http_server_config: {headers: {X-Frame-Options: deny}}\n", "", http.StatusNoContent},
		"another authority":   {checked(by), checked(by), "another", http.StatusForbidden},
		"another name":        {sans, strings.Replace(sans, "127.0.0.1", "another", 1), "", http.StatusForbidden},
		"the same name":       {sans, sans + "http_server_config: {headers: {X-Frame-Options: deny}}\n", "", http.StatusNoContent},
		"where any one may":   {checked("RequireAnyClientCert"), checked(by), "another", http.StatusForbidden},
		"a name of who gives": {secured, checked("VerifyClientCertIfGiven, client_ca_file: ca.pem, client_allowed_sans: [127.0.0.1]"), "", http.StatusForbidden},
		"where none is asked": {secured, checked(by), "", http.StatusForbidden}, // it showed none
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := open(t, secured)
			dir := filepath.Dir(o.name)
			cert, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
			if err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(dir, "ca.pem"), string(cert))
			put(t, o.name, tc.before)
			address := o.served(t)
			own, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
			if err != nil {
				t.Fatal(err)
			}
			client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{own}}}}
			defer client.CloseIdleConnections()
			var state *tls.ConnectionState
			for _, want := range []int{http.StatusNoContent, tc.want} {
				answer, err := client.Get("https://" + address)
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
				if answer.StatusCode != want || answer.ProtoMajor != 2 {
					t.Fatalf("%s over %s, want %d", answer.Status, answer.Proto, want)
				}
				if state != nil && answer.TLS != state {
					t.Fatal("it is another connection")
				}
				state = answer.TLS
				put(t, o.name, tc.now)
				if tc.signed != "" {
					other := t.TempDir()
					certificate(t, other, 2)
					text, err := os.ReadFile(filepath.Join(other, "cert.pem"))
					if err != nil {
						t.Fatal(err)
					}
					put(t, filepath.Join(dir, "ca.pem"), string(text))
				}
			}
		})
	}
}

// Where clients' names are wanted, who has no certificate is refused.
func TestNoCertificateHasNoName(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"RequestClientCert", "VerifyClientCertIfGiven"} {
		o := open(t, checked(how+", client_allowed_sans: [127.0.0.1]"))
		address := o.served(t)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		answer, err := client.Get("https://" + address)
		if err == nil {
			answer.Body.Close()
			t.Errorf("%s: %s", how, answer.Status)
		} else if !strings.Contains(err.Error(), "bad certificate") {
			t.Errorf("%s: %v", how, err)
		}
	}
}

// Whether there is HTTP/2 is as the file says now.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	o := open(t, secured+"http_server_config: {http2: false}\n")
	address := o.served(t)
	for _, tc := range []struct {
		text string
		want int
	}{
		{"http_server_config: {http2: false}\n", 1}, {"", 2}, {"http_server_config: {http2: false}\n", 1},
	} {
		put(t, o.name, secured+tc.text)
		client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		answer, err := client.Get("https://" + address)
		if err != nil {
			t.Fatalf("%q: %v", tc.text, err)
		}
		answer.Body.Close()
		client.CloseIdleConnections()
		if answer.ProtoMajor != tc.want {
			t.Errorf("%q: %s", tc.text, answer.Proto)
		}
	}
}

// Headers and the rate that the file says hold, as the toolkit has them.
func TestHeadersAndRate(t *testing.T) {
	t.Parallel()
	o := open(t, "http_server_config: {headers: {X-Frame-Options: deny}}\nrate_limit: {burst: 1, interval: 1h}\n")
	address := o.served(t)
	for _, want := range []int{http.StatusNoContent, http.StatusTooManyRequests} {
		answer, err := http.Get("http://" + address)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want || answer.Header.Get("X-Frame-Options") != "deny" {
			t.Errorf("%s %v, want %d", answer.Status, answer.Header, want)
		}
	}
}

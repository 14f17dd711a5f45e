package integration

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// TestConsoleBehindNginx has nginx, by the settings of docs/api.md, put the console under a path: pages, their links, what is live
// and forms work there as they do without it, for who has a password.
func TestConsoleBehindNginx(t *testing.T) {
	t.Parallel()
	path, _, env := findNginx(t)
	var settings string
	for _, f := range blocks(t, "docs/api.md") {
		if strings.Contains(f.mark, "TestConsoleBehindNginx") {
			settings = f.body
		}
	}
	dir, front := t.TempDir(), freeAddress(t)
	users := filepath.Join(dir, "web.yml")
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	must(t, err)
	must(t, os.WriteFile(users, fmt.Appendf(nil, "basic_auth_users: {alice: %s}\n", hash), 0o600))
	p := startOperated(t, "--web-config", users, "--http-admin", "alice", "--frontend", "tcp://127.0.0.1:0", "--worker", "w1=tcp://127.0.0.1:1")
	behind := strings.TrimSuffix(p.metrics, "/metrics")
	file := filepath.Join(dir, "nginx.conf")
	must(t, os.WriteFile(file, fmt.Appendf(nil, "daemon off;\nerror_log stderr;\npid %s/pid;\nevents {}\nhttp { access_log off; client_body_temp_path %s/body; proxy_temp_path %s/proxy; fastcgi_temp_path %s/fcgi; uwsgi_temp_path %s/uwsgi; scgi_temp_path %s/scgi;\nserver { listen %s;\n%s}}\n",
		dir, dir, dir, dir, dir, dir, front, strings.ReplaceAll(settings, "http://127.0.0.1:9555", behind)), 0o600))
	serveNginx(t, path, env, file)
	eventually(t, "nginx serves", func() bool { return answers(front) })

	ask := func(method, at string, form url.Values) *http.Response {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, at, strings.NewReader(form.Encode()))
		must(t, err)
		request.SetBasicAuth("alice", "secret")
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", "http://"+front)
		answer, err := http.DefaultClient.Do(request)
		must(t, err)
		t.Cleanup(func() { answer.Body.Close() })
		return answer
	}
	page := ask(http.MethodGet, "http://"+front+"/streamq", nil)
	text, err := io.ReadAll(page.Body)
	must(t, err)
	if page.StatusCode != http.StatusOK || page.Request.URL.Path != "/streamq/" || !strings.Contains(string(text), "Overview") {
		t.Fatalf("%s %s\n%s", page.Status, page.Request.URL, text)
	}
	links := regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(string(text), -1)
	if len(links) < 10 {
		t.Errorf("it has %d links", len(links))
	}
	for _, link := range links {
		to, err := page.Request.URL.Parse(link[1])
		must(t, err)
		if to.Host == front {
			if answer := ask(http.MethodGet, to.String(), nil); answer.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", to, answer.Status)
			}
		}
	}
	for range 2 { // once a second, so nothing is kept back
		lines := bufio.NewScanner(ask(http.MethodGet, page.Request.URL.String()+"api/v1/live", nil).Body)
		for lines.Scan() && !strings.HasPrefix(lines.Text(), "event: status") {
		}
		must(t, lines.Err())
	}
	done := ask(http.MethodPost, page.Request.URL.String()+"steer/drain", url.Values{"worker": {"w1"}})
	if text, err = io.ReadAll(done.Body); err != nil || done.StatusCode != http.StatusOK || !strings.Contains(string(text), "DRAIN") {
		t.Errorf("%v %s\n%s", err, done.Status, text)
	}
}

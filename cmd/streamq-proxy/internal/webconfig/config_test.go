package webconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// file writes one.
func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// documented is the file that the manual shows.
func documented(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "<!-- test: "+block+" -->\n```yaml\n")
	text, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("the manual shows none")
	}
	return text
}

// block is how the manual marks the file.
const block = "web-config"

const hash = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"

func TestWhatAFileSays(t *testing.T) {
	t.Parallel()
	name := file(t, documented(t))
	certificate(t, filepath.Dir(name), 1)
	c, err := Read(name)
	if err != nil || !c.TLS() || c.Users() != 2 || !c.Has("alice") || !c.Has("bob") || c.Has("carol") {
		t.Errorf("%v: %+v", err, c)
	}
	if c, err := Read(file(t, "basic_auth_users: {alice: "+hash+"}\n")); err != nil || c.TLS() || !c.Has("alice") {
		t.Errorf("%v: %+v", err, c)
	}
	for text, says := range map[string]string{
		documented(t):                         "cert.pem", // which is not there
		"basic_auth_users: {alice: secret}\n": "hashedSecret",
		"users: {alice: x}\n":                 "users",
		"tls_server_config: {cert_file: x}\n": "key",
		"":                                    "says nothing",
		"\n# gone\n":                          "says nothing",
		"{}\n":                                "says nothing",
		"--- ~\n":                             "says nothing",
		"basic_auth_users: {alice: " + strings.Replace(hash, "$10$", "$17$", 1) + "}\n": "cost 17",
		"tls_server_config: {cert_file: x, key_file: x, client_ca_file: x}\n":           "x",
		strings.Repeat("#", maxFile+1):                                                  "more than",
	} {
		if _, err := Read(file(t, text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v, want %s", text, err, says)
		}
	}
	if _, err := Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no file") {
		t.Error(err)
	}
}

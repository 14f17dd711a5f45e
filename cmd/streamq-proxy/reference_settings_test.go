package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/config"
	"github.com/streamq/streamq-proxy/stream"
)

// setting is one key of the file, with what the program itself says of it.
type setting struct {
	path    []string // "pools", "queue-max": below pools all are of one of them
	list    bool
	boolean bool
	flag    string   // "" without
	value   string   // what the flag takes
	usual   string   // what applies when nothing is said
	allowed string   // what may be said, from the mistakes that other values are
	words   []string // that it is one of, where it is
	help    string
	reload  bool
}

func (s *setting) name() string { return strings.Join(s.path, ".") }

// onlyInFiles describes what has no flag, or is a part of what a flag says at once.
var onlyInFiles = map[string]string{
	"pools.name":                   "names the pool in metrics, logs and verbs; needed where there are several",
	"pools.group":                  "pools of one group share which worker a client had last, so that a client with several ports has one worker",
	"pools.frontend.endpoint":      "where clients connect",
	"pools.frontend.accept-proxy":  "networks of balancers that send a PROXY header to this endpoint, in place of the pool's",
	"pools.workers.source":         "addresses of this machine that this worker is dialled from, in place of the pool's",
	"pools.doors.identity":         "the identity of whoever comes through the door",
	"pools.doors.endpoint":         "where the door is: tcp://HOST:PORT",
	"pools.workers.name":           "names the worker; its endpoint without tcp:// if not given",
	"pools.workers.endpoint":       "where the proxy dials it, or with resolve the name that is looked up",
	"pools.workers.weight":         "its share of clients beside other workers; of resolve: srv the records say it",
	"pools.workers.max":            "pairs that it may have, 0 for no limit",
	"pools.workers.max-handshakes": "dials and pairs of it that are not open yet, 0 for no limit",
	"pools.workers.resolve":        "one worker for each address of a name (a), or for each of its SRV records (srv)",
	"pools.workers.interval":       "how often it is looked up at least",
}

// usualOfFiles are the defaults of those.
var usualOfFiles = map[string]string{"pools.name": config.DefaultName, "pools.workers.weight": "1", "pools.workers.max": "0", "pools.workers.max-handshakes": "0", "pools.workers.interval": "30s"}

// another is a value beside that of the sample, where none of the usual ones is right.
var another = map[string]any{
	"http": "127.0.0.1:1", "web-config": "internal/config/testdata/users.yaml", "http-admin": []string{"all"}, "grafana-url": "https://grafana.example", "nameservers": []string{"127.0.0.1"},
	"log.access": false, "control.endpoints": []string{"ipc:///run/other.sock"}, "control.mode": "0660", "control.cert": "file", "control.clients": "directory",
	"pools.name": "other", "pools.frontend": []string{"tcp://127.0.0.1:2"}, "pools.backend": []string{"tcp://127.0.0.1:3"},
	"pools.frontend.endpoint": "tcp://127.0.0.1:2", "pools.frontend.accept-proxy": []string{"10.0.0.0/8"}, "pools.workers.source": []string{"127.0.0.1"},
	"pools.workers.name": "other", "pools.workers.endpoint": "tcp://127.0.0.1:5", "pools.workers.resolve": "a", "pools.workers.interval": "7s",
	"pools.workers-file": "other.yaml", "pools.mechanisms": []string{"CURVE"}, "pools.accept-proxy": []string{"10.0.0.0/8"}, "pools.source": []string{"127.0.0.1"},
	"pools.workers": []map[string]any{{"name": "v", "endpoint": "tcp://127.0.0.1:5"}}, "pools.doors": []map[string]any{{"identity": "bob", "endpoint": "tcp://127.0.0.2:0"}},
	"pools.doors.identity": "bob", "pools.doors.endpoint": "tcp://127.0.0.2:0",
	"shared": "redis://127.0.0.1:6379", "shared-prefix": "other", "shared-password-file": "file", "pools.client-addresses": "127.64.0.0/10", "pools.group": "g", "pools.require-hello": "workers",
}

// sample is a file in which most is said once.
func sample() map[string]any {
	return map[string]any{
		"http":    "127.0.0.1:0",
		"log":     map[string]any{},
		"control": map[string]any{"endpoints": []string{"ipc:///run/reference.sock"}},
		"pools": []map[string]any{{
			"name": "p", "frontend": []map[string]any{{"endpoint": "tcp://127.0.0.1:0"}}, "lease": "idle", "lease-ttl": "5m",
			"workers": []map[string]any{{"name": "w", "endpoint": "tcp://names.example:6000"}},
			"doors":   []map[string]any{{"identity": "alice", "endpoint": "tcp://127.0.0.1:0"}},
		}, {"name": "q", "frontend": []string{"ipc://@q"}, "workers": []map[string]any{{"name": "w", "endpoint": "tcp://127.0.0.1:7"}}}},
	}
}

// with is the sample with one more value.
func with(s *setting, value any) map[string]any {
	all := sample()
	at := all
	for _, key := range s.path[:len(s.path)-1] {
		switch inner := at[key].(type) {
		case map[string]any:
			at = inner
		case []map[string]any:
			at = inner[0]
		}
	}
	at[s.path[len(s.path)-1]] = value
	switch s.name() {
	case "pools.group": // which has nobody to share with alone
		all["pools"].([]map[string]any)[1]["group"] = value
	case "shared-wait", "shared-prefix", "shared-password-file": // which are of one
		all["shared"] = "redis://127.0.0.1:6379"
	case "control.cert", "control.clients": // of which neither is anything without the other
		at["cert"], at["clients"], at["endpoints"] = value, value, []string{"tcp://*:7000"}
	case "pools.workers.interval":
		at["resolve"] = "a"
	case "pools.lease":
		if value == "none" {
			delete(at, "lease-ttl")
		}
	}
	return all
}

// planOf has the program read a file.
func planOf(t *testing.T, file map[string]any) (*config.Plan, error) {
	t.Helper()
	text, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "f.yaml")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := config.Read(name)
	if err != nil {
		return nil, err
	}
	return s.Plan(2)
}

// mistake is what the program says is wrong with a value, without where it is.
func mistake(t *testing.T, s *setting, value any) string {
	t.Helper()
	_, err := planOf(t, with(s, value))
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	key := s.path[len(s.path)-1]
	_, said, found := strings.Cut(line, key+": ")
	if !found {
		_, said, _ = strings.Cut(line, ": ")
	}
	return said
}

// settings are all keys of the file, in the order of the program's own structs.
func settings(t *testing.T) (all []*setting) {
	t.Helper()
	said := map[string]*pflag.Flag{}
	f := &flags{cpus: 2}
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.register(fs)
	fs.VisitAll(func(one *pflag.Flag) {
		for _, v := range []string{"true", "a=tcp://127.0.0.1:1"} {
			if n := len(f.said); one.Name != "config" && fs.Set(one.Name, v) == nil && len(f.said) > n {
				said[f.said[n].setting] = one
			}
		}
	})
	var walk func(of reflect.Type, path []string)
	walk = func(of reflect.Type, path []string) {
		for _, field := range reflect.VisibleFields(of) {
			key := field.Tag.Get("yaml")
			if key == "" {
				continue
			}
			at := append(slices.Clone(path), key)
			s := &setting{path: at, list: field.Type.Kind() == reflect.Slice, boolean: field.Type == reflect.TypeFor[*bool]()}
			inner := field.Type
			if s.list {
				inner = field.Type.Elem()
			}
			name := strings.TrimPrefix(s.name(), "pools.")
			if flag := said[name]; flag != nil {
				s.flag, s.value, s.usual, s.help = flag.Name, flag.Value.Type(), flag.DefValue, flag.Usage
			} else {
				s.help, s.usual = onlyInFiles[s.name()], usualOfFiles[s.name()]
			}
			if inner.Kind() != reflect.Struct || s.flag != "" {
				all = append(all, s)
			}
			if inner.Kind() == reflect.Struct {
				walk(inner, at)
			}
		}
	}
	walk(reflect.TypeFor[config.Settings](), nil)
	for _, s := range all {
		s.allowed = inWords(allowed(t, s))
	}
	return all
}

// allowed is what may be said, in the words in which the program refuses what may not.
func allowed(t *testing.T, s *setting) string {
	t.Helper()
	switch {
	case s.boolean:
		return "true or false"
	case s.list:
		return "a list"
	case s.value == "file":
		return "a file"
	}
	word := mistake(t, s, "no such")
	switch {
	case strings.Contains(word, "whole number"):
		low := mistake(t, s, "-1")
		if m := regexp.MustCompile(`not from (\S+) to (\S+)`).FindStringSubmatch(low); m != nil {
			return "a number from " + m[1] + " to " + m[2]
		}
		if m := regexp.MustCompile(`is below (\S+)`).FindStringSubmatch(low); m != nil {
			return "a number from " + m[1]
		}
	case strings.Contains(word, "no duration"):
		low, high := mistake(t, s, "-1ns"), mistake(t, s, "8761h")
		for _, text := range []string{low, high} {
			if m := regexp.MustCompile(`is (?:not|neither) (.+)$`).FindStringSubmatch(text); m != nil {
				return "a duration " + m[1]
			}
		}
		return "a duration: " + low
	case strings.Contains(word, "is unknown, want "):
		_, choice, _ := strings.Cut(word, "is unknown, want ")
		s.words = strings.FieldsFunc(strings.ReplaceAll(choice, " or ", " "), func(r rune) bool { return r == ' ' || r == ',' })
		return choice
	case strings.Contains(word, "want "):
		_, choice, _ := strings.Cut(word, "want ")
		choice, _, _ = strings.Cut(choice, ", not ")
		return choice
	case strings.Contains(word, "is no "), strings.Contains(word, "is neither "):
		_, choice, _ := strings.Cut(word, "is n")
		_, choice, _ = strings.Cut(choice, " ")
		return choice
	case word != "":
		return "?? " + word
	}
	return "text"
}

// inWords is such a text without the words of a refusal.
func inWords(text string) string {
	for _, change := range []struct{ is, becomes string }{
		{`8760h0m0s`, "a year"}, {`(\d[hm])0s\b`, "$1"}, {`(\dh)0m\b`, "$1"}, {`^0 nor `, "0, or "}, {`^(file mode|size|prefix)`, "a $1"}, {`, nor `, ", or "},
	} {
		text = regexp.MustCompile(change.is).ReplaceAllString(text, change.becomes)
	}
	return text
}

// reloadable finds, for each, whether the program takes another value at a reload.
func reloadable(t *testing.T, all []*setting) {
	t.Helper()
	old, err := planOf(t, sample())
	if err != nil {
		t.Fatal(err)
	}
	zctx, err := stream.NewContext(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	cfg := old.Pools[0]
	cfg.Log = slog.New(slog.DiscardHandler)
	pool, err := stream.Open(zctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- pool.Run(ctx) }()
	defer func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := zctx.Close(); err != nil {
			t.Error(err)
		}
	}()
	running := &server{plan: old}
	for _, s := range all {
		plan := changed(t, s, old)
		change, err := pool.Prepare(ctx, plan.Pools[0])
		s.reload = err == nil && running.fixed(plan) == nil
		if err == nil {
			change.Drop()
		}
	}
}

// changed is the sample's plan with another value.
func changed(t *testing.T, s *setting, old *config.Plan) *config.Plan {
	t.Helper()
	values := []any{"7", "127", "7s", "20s", "1MiB"}
	if v, found := another[s.name()]; found {
		values = []any{v}
	}
	for _, v := range strings.FieldsFunc(s.allowed, func(r rune) bool { return r == ' ' || r == ',' }) {
		values = append(values, v)
	}
	var last error
	for _, v := range values {
		plan, err := planOf(t, with(s, v))
		if err == nil && !same(plan, old) {
			return plan
		}
		last = err
	}
	t.Fatalf("%s: no other value is found (%s): %v", s.name(), s.allowed, last)
	return nil
}

func same(a, b *config.Plan) bool { return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b) }

package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/proxyproto"
)

// accessFields say what a word of the access log is.
var accessFields = map[string]string{
	"pool": "the pool", "reason": "why it ended: [reasons](reasons.md)", "client": "its address and port; over ipc uid, gid and pid", "identity": "the name that the control socket gave it, if any",
	"worker": "its worker, if it had one", "worker-endpoint": "the far end of the worker's connection", "mechanism": "what the client asked for: NULL, PLAIN, CURVE, GSSAPI", "zmtp": "ZMTP's version",
	"bytes-in": "bytes from the client to the worker", "bytes-out": "bytes from the worker to the client", "waited": "from its first bytes to its pair", "handshake": "from its pair to the end of the handshake",
	"total": "from its connection to its end", "dials": "workers that were dialled for it", "shown": "the address that the worker saw it by (client-addresses)",
	"client-stage": "how far the client came in a handshake that was not through: [stages](../handshakes.md#what-is-seen)", "worker-stage": "how far the worker came", "closed-by": "client, worker, proxy or nobody",
	"error": "what ERROR said", "as-server": "who claimed to be a server in its greeting", "steps": "when each side came to each stage", "hint": "what such an end usually means",
	"balancer": "the balancer whose PROXY header named the client", "unique-id": "the header's unique id", "tls": "TLS to the balancer: its version", "tls-cipher": "its cipher", "tls-name": "the name in the client's certificate", "tls-verified": "whether that was verified",
}

// line is something that is logged.
type line struct {
	level, text string
	keys        []string
}

// logPage has the words of the access log, and every line that the program logs.
func logPage(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("# Log\n\n" + madeByMake + `
The log goes to stderr, as text or JSON (` + "`log.format`" + `). A line has ` + "`time`, `level`, `msg`" + ` and words of its own; durations are Go's (` + "`1.5ms`" + `), in JSON nanoseconds.

## The line of a client that ended

` + "`msg=\"client ended\"`" + `, one for each client, at level info; probes, and crowds that are summed up once a minute, are at debug. ` + "`log.access: false`" + ` turns it off.

| Word | What it is |
|---|---|
`)
	for _, a := range attributes(&stream.Access{
		Shown: netip.MustParseAddr("127.64.0.1"), Hint: "h", Unopened: &stream.Handshake{Error: "400", AsServer: "client"},
		Balancer: &stream.Balancer{UniqueID: "u", TLS: &proxyproto.TLS{}},
	}) {
		what := accessFields[a.Key]
		if what == "" {
			t.Errorf("nobody says what %s is", a.Key)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", codeCell(a.Key), what)
	}
	b.WriteString("\n## Every other line\n\n| Level | Line | Words |\n|---|---|---|\n")
	for _, l := range lines(t) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", l.level, tableCell(l.text), tableCell(strings.Join(l.keys, " ")))
	}
	return b.String()
}

// lines are all that are logged by calls whose text is in the source.
func lines(t *testing.T) (all []line) {
	t.Helper()
	for _, dir := range []string{"cmd/streamq-proxy", "stream", "control", "metrics", "pairing"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() && (d.Name() == "demo" || d.Name() == "testdata") {
				if d.IsDir() && err == nil {
					return fs.SkipDir
				}
				return err
			}
			if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return nil
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if l, ok := logged(call); ok {
						all = append(all, l)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(all) < 30 {
		t.Errorf("only %d lines are found", len(all))
	}
	order := []string{"error", "warn", "info", "debug"}
	slices.SortStableFunc(all, func(a, b line) int {
		return (slices.Index(order, a.level)-slices.Index(order, b.level))*2 + strings.Compare(a.text, b.text)
	})
	return slices.CompactFunc(all, func(a, b line) bool { return a.text == b.text && a.level == b.level })
}

// logged is the line of a call of a logger.
func logged(call *ast.CallExpr) (l line, ok bool) {
	method, isMethod := call.Fun.(*ast.SelectorExpr)
	if !isMethod || len(call.Args) == 0 || !slices.Contains([]string{"Error", "Warn", "Info", "Debug"}, method.Sel.Name) {
		return l, false
	}
	if l.text, ok = literal(call.Args[0]); !ok {
		return l, false
	}
	l.level = strings.ToLower(method.Sel.Name)
	for i := 1; i < len(call.Args); i += 2 {
		if key, ok := literal(call.Args[i]); ok {
			l.keys = append(l.keys, key)
		} else {
			l.keys = append(l.keys, "...")
		}
	}
	return l, true
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

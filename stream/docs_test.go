package stream

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/zmtp"
)

// handshakesManual is what users read of handshakes.
const handshakesManual = "../docs/handshakes.md"

// The manual's tables of what an end usually means are the program's; with UPDATE_MANUAL
// set they are written.
func TestManualHasEveryMeaning(t *testing.T) {
	b, err := os.ReadFile(handshakesManual)
	if err != nil {
		t.Fatal(err)
	}
	text, is := string(b), string(b)
	for name, table := range map[string]string{"meanings": meaningsTable(), "strangers": strangersTable()} {
		before, rest, found := strings.Cut(text, "<!-- "+name+" -->\n")
		_, after, ended := strings.Cut(rest, "<!-- /"+name+" -->")
		if !found || !ended {
			t.Fatalf("the manual has no place for the table of %s", name)
		}
		text = before + "<!-- " + name + " -->\n" + table + "<!-- /" + name + " -->" + after
	}
	switch {
	case text == is:
	case os.Getenv("UPDATE_MANUAL") != "":
		if err := os.WriteFile(handshakesManual, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s does not have the program's tables (UPDATE_MANUAL=1 go test ./stream -run Manual writes them), which are\n%s%s", handshakesManual, meaningsTable(), strangersTable())
	}
}

func meaningsTable() string {
	var b strings.Builder
	b.WriteString("| mechanism | client | worker | closed by | usually means |\n|---|---|---|---|---|\n")
	for _, m := range zmtp.Meanings() {
		mechanism := m.Mechanism
		if mechanism == "" {
			mechanism = "any"
		}
		fmt.Fprintf(&b, "| %s | %v | %v | %v | %s |\n", mechanism, m.Client, m.Worker, m.Closer, m.Text)
	}
	return b.String()
}

func strangersTable() string {
	var b strings.Builder
	b.WriteString("| reason | usually means |\n|---|---|\n")
	row := func(why pairing.Reason, c conn) { fmt.Fprintf(&b, "| `%v` | %s |\n", why, c.hint(why)) }
	row(pairing.ProbeOnly, conn{})
	row(pairing.HandshakeTimeout, conn{})
	row(pairing.ProxyHeader, conn{via: &balancer{}})
	row(pairing.ProxyHeader, conn{})
	row(pairing.NotZMTP, conn{via: &balancer{}, early: &early{stranger: speaksPROXY}})
	for s := speaksPROXY; s <= speaksSSH; s++ {
		row(pairing.NotZMTP, conn{early: &early{stranger: s}})
	}
	row(pairing.NotZMTP, conn{})
	return b.String()
}

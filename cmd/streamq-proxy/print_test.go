package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/streamq/streamq-proxy/control/wire"
)

// evil is what could clear a screen, ring, hide, turn text round, or begin a new
// line or column: C0, DEL, C1, format and private characters, and a bad byte.
const evil = "\x1b[2J\a\r\n\t\x7f\u009b31m\u202e\u2028\U000e0041\xff"

// printed runs f and wants so many lines, of characters that can be printed.
func printed(t *testing.T, lines int, f func(*bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if strings.Count(text, "\n") != lines || strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
		t.Errorf("want %d lines: %q", lines, text)
	}
	return text
}

func TestNothingSteersTheTerminal(t *testing.T) {
	t.Parallel()
	row := map[string]any{"name": evil, evil: []string{evil, "w2"}, "more": map[string]string{"x": evil}}
	body, err := json.Marshal(map[string]any{"rows": []any{row, row}, "one": evil, evil: evil})
	if err != nil {
		t.Fatal(err)
	}
	body = bytes.ReplaceAll(body, []byte(`\u2028`), []byte("\u2028")) // as another server may write it
	r := wire.Reply{Text: evil, Body: body}
	printed(t, 2+1+1+2, func(b *bytes.Buffer) error { return printTable(b, r) })
	printed(t, 1, func(b *bytes.Buffer) error { return printTable(b, wire.Reply{Text: evil}) })
	e := wire.Event{Topic: evil, Pool: evil, Client: evil, Identity: evil, Worker: evil, State: evil, Reason: evil}
	printed(t, 1, func(b *bytes.Buffer) error { return (&ctl{output: "table"}).printEvent(b, e) })

	// JSON is another spelling of the same.
	var is, want any
	var indented bytes.Buffer
	if err := json.Indent(&indented, body, "", ""); err != nil {
		t.Fatal(err)
	}
	text := printed(t, bytes.Count(indented.Bytes(), []byte("\n"))+1, func(b *bytes.Buffer) error { return printJSON(b, r) })
	if err := json.Unmarshal([]byte(text), &is); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, is); diff != "" {
		t.Error(diff)
	}
	text = printed(t, 1, func(b *bytes.Buffer) error { return (&ctl{output: "json"}).printEvent(b, e) })
	var same wire.Event
	if err := json.Unmarshal([]byte(text), &same); err != nil || same.Identity != strings.ToValidUTF8(evil, "\ufffd") {
		t.Errorf("%v %q", err, same.Identity)
	}
}

func TestPlainText(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`"a b"`:                       "a b",
		`["a","b"]`:                   "a,b",
		`[]`:                          "",
		`[{"a":"x","b":1}]`:           "x 1",
		`[{"a":"x"},{"a":"y","b":2}]`: "x, y 2",
		`[1,2]`:                       "[1,2]",
	} {
		if is := plainText([]byte(value)); is != want {
			t.Errorf("%s is %q, want %q", value, is, want)
		}
	}
}

func TestEscape(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, keep, want string }{
		{"größe 工人 w1", "", "größe 工人 w1"},
		{"a\nb\tc", "", `a\u000ab\u0009c`},
		{"a\nb\tc", "\n\t", "a\nb\tc"},
		{"\x1b[31m", "\n", `\u001b[31m`},
		{"\U000e0041", "", `\udb40\udc41`},
	} {
		if got := escape(tc.text, tc.keep); got != tc.want {
			t.Errorf("%q is %q, want %q", tc.text, got, tc.want)
		}
	}
}

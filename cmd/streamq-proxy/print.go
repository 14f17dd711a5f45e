//go:build linux && cgo

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf16"

	"github.com/streamq/streamq-proxy/control/wire"
)

// object is a JSON object whose keys have kept their order.
type object []member

type member struct {
	key   string
	value json.RawMessage
}

func parseObject(text json.RawMessage) (object, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%s is no JSON object", text)
	}
	var o object
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{key: escape(key.(string), "")} // of an object that begins with a key
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		o = append(o, m)
	}
	return o, nil
}

// rows are the objects of a list, nil when the member is none.
func (o object) rows(key string) (rows []object) {
	for _, m := range o {
		var list []json.RawMessage
		if m.key != key || json.Unmarshal(m.value, &list) != nil {
			continue
		}
		for _, one := range list {
			if row, err := parseObject(one); err == nil {
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// text is a member as a person reads it.
func (o object) text(key string) string {
	for _, m := range o {
		if m.key == key {
			return plainText(m.value)
		}
	}
	return ""
}

// values are those of all members, in one line.
func (o object) values() string {
	all := make([]string, len(o))
	for i, m := range o {
		all[i] = plainText(m.value)
	}
	return strings.Join(all, " ")
}

// plainText is a string without quotes, a list with commas, also one of objects, by their values, and else JSON.
func plainText(value json.RawMessage) string {
	var s string
	var list []string
	switch {
	case json.Unmarshal(value, &s) == nil:
	case json.Unmarshal(value, &list) == nil:
		s = strings.Join(list, ",")
	case isTable(value):
		var rows []string // not in list, which has what could be read before it was no list of texts
		for _, one := range (object{{value: value}}).rows("") {
			rows = append(rows, one.values())
		}
		s = strings.Join(rows, ", ")
	default:
		s = string(value)
	}
	return escape(s, "")
}

// escape has nothing that comes from elsewhere steer a terminal, or look like a
// line or a column of ours: what cannot be printed becomes \uXXXX, as JSON has it,
// except for the characters in keep.
func escape(s, keep string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsPrint(r) || strings.ContainsRune(keep, r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// isTable says whether a value is a list of objects.
func isTable(value json.RawMessage) bool {
	var list []map[string]json.RawMessage
	return json.Unmarshal(value, &list) == nil && bytes.HasPrefix(value, []byte("["))
}

func printJSON(to io.Writer, r wire.Reply) error {
	if r.Body == nil {
		r.Body = json.RawMessage("{}")
	}
	var b bytes.Buffer
	if err := json.Indent(&b, r.Body, "", "  "); err != nil {
		return err
	}
	_, err := fmt.Fprintln(to, escape(b.String(), "\n"))
	return err
}

// printTable prints single values one to a line, then each list as a table.
func printTable(to io.Writer, r wire.Reply) error {
	if r.Body == nil {
		_, err := fmt.Fprintln(to, escape(r.Text, ""))
		return err
	}
	o, err := parseObject(r.Body)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	single := false
	for _, m := range o {
		if !isTable(m.value) {
			single = true
			fmt.Fprintf(w, "%s\t%s\n", m.key, cell(plainText(m.value)))
		}
	}
	for _, m := range o {
		if !isTable(m.value) {
			continue
		}
		if single {
			fmt.Fprintln(w)
		}
		printRows(w, m.key, o.rows(m.key))
	}
	return w.Flush()
}

func printRows(to io.Writer, key string, rows []object) {
	if len(rows) == 0 {
		fmt.Fprintf(to, "no %s\n", key)
		return
	}
	var keys []string // of all of them, since what says nothing may be left out
	for _, row := range rows {
		for _, m := range row {
			if !slices.Contains(keys, m.key) {
				keys = append(keys, m.key)
			}
		}
	}
	fmt.Fprintln(to, strings.ToUpper(strings.Join(keys, "\t")))
	for _, row := range rows {
		var cells []string
		for _, key := range keys {
			cells = append(cells, cell(row.text(key)))
		}
		fmt.Fprintln(to, strings.Join(cells, "\t"))
	}
}

// cell is a value that leaves no gap.
func cell(s string) string {
	if s == "" || s == "null" {
		return "-"
	}
	return s
}

package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// schemaLine is what has an editor find the schema.
const schemaLine = "# yaml-language-server: $schema=/usr/share/streamq-proxy/streamq-proxy.schema.json"

type node = map[string]any

// schemaPage is a JSON schema of the file.
func schemaPage(t *testing.T, all []*setting) string {
	t.Helper()
	root := node{
		"$schema": "http://json-schema.org/draft-07/schema#", "title": "streamq-proxy's configuration file",
		"description": "Made by `make docs` from the program: every setting is in docs/reference/settings.md.",
		"type":        "object", "additionalProperties": false, "required": []string{"pools"}, "properties": node{},
	}
	for _, s := range all {
		at := root
		for _, key := range s.path[:len(s.path)-1] {
			at = inner(at, key)
		}
		key := s.path[len(s.path)-1]
		of := at["properties"].(node)
		if _, there := of[key]; !there {
			of[key] = node{}
		}
		for k, v := range typeOf(t, s) {
			of[key].(node)[k] = v
		}
		of[key].(node)["description"] = s.help
	}
	frontend := inner(root, "pools")["properties"].(node)["frontend"].(node)
	frontend["items"] = node{"anyOf": []any{node{"type": "string"}, frontend["items"]}}
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// inner is the object that a key is, or that each of its list is.
func inner(at node, key string) node {
	of := at["properties"].(node)
	if of[key] == nil {
		of[key] = node{}
	}
	empty := func() node { return node{"type": "object", "additionalProperties": false, "properties": node{}} }
	one := of[key].(node)
	if key == "log" || key == "control" {
		if one["type"] == nil {
			of[key] = empty()
		}
		return of[key].(node)
	}
	if one["items"] == nil {
		one["type"], one["items"] = "array", empty()
	}
	return one["items"].(node)
}

// typeOf is what a value may be.
func typeOf(t *testing.T, s *setting) node {
	t.Helper()
	const duration = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	number := regexp.MustCompile(`^a number from (\d+)(?: to (\d+))?$`).FindStringSubmatch(s.allowed)
	switch {
	case s.name() == "pools.workers" || s.name() == "pools.doors" || s.name() == "pools.frontend":
		return nil // their items are settings of their own
	case s.list:
		return node{"type": "array", "items": node{"type": "string"}}
	case s.boolean:
		return node{"type": "boolean"}
	case len(s.words) > 0:
		return node{"enum": s.words}
	case s.name() == "pools.require-hello":
		return node{"enum": []any{true, false, "true", "false", "clients", "workers", "both"}}
	case s.name() == "pools.affinity-max-load":
		return node{"type": "number", "minimum": 0}
	case number != nil:
		of := node{"type": "integer", "minimum": atoi(t, number[1])}
		if number[2] != "" {
			of["maximum"] = atoi(t, number[2])
		}
		return of
	case strings.HasPrefix(s.allowed, "a duration"):
		return node{"anyOf": []any{node{"type": "string", "pattern": duration}, node{"const": 0}}}
	case s.value == "size":
		return node{"anyOf": []any{node{"type": "string", "pattern": `^[0-9]+ *(KiB|MiB|GiB)?$`}, node{"type": "integer"}}}
	}
	return node{"type": "string"}
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSchemaIsNamed has the file that the package installs begin with the line that docs/reference/settings.md shows, by
// which an editor finds the schema, and the package put it where the line says.
func TestSchemaIsNamed(t *testing.T) {
	for file, want := range map[string]string{
		"../../docs/reference/settings.md": "```yaml\n" + schemaLine + "\n```",
		"../../deploy/debian/config.yaml":  schemaLine + "\n",
		"../../deploy/debian/nfpm.yaml":    "{src: docs/reference/streamq-proxy.schema.json, dst: " + strings.TrimPrefix(schemaLine, "# yaml-language-server: $schema=") + ",",
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), want) {
			t.Errorf("%s has no %s", file, want)
		}
	}
}

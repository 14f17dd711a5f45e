package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/printer"
	"github.com/goccy/go-yaml/token"
)

// maxFile bounds a configuration file, in bytes.
const maxFile = 4 << 20

// source is the file that settings were read from.
type source struct {
	name string
	file *ast.File
}

// Read reads a YAML file. The error of a file that cannot be read is one line;
// that of one that cannot be understood has line, column and a caret.
func Read(name string) (Settings, error) {
	text, err := readFile(name)
	if err != nil {
		return Settings{}, err
	}
	return parse(name, text)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s: more than %d bytes are no configuration file", name, maxFile)
	}
	return text, nil
}

func parse(name string, text []byte) (s Settings, err error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return s, located(name, err)
	}
	src := &source{name: name, file: file}
	if len(file.Docs) > 1 {
		return s, fmt.Errorf("%s: %d YAML documents, want one", name, len(file.Docs))
	}
	err = yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&s)
	if errors.Is(err, io.EOF) {
		return s, fmt.Errorf("%s: the file says nothing", name)
	}
	if err != nil {
		return s, located(name, err)
	}
	s.source = src
	return s, nil
}

// located gives an error of the YAML library the form of ours.
func located(name string, err error) error {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		return fmt.Errorf("%s: %s", name, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	text := at.GetMessage()
	var value *yaml.TypeError
	var node *yaml.UnexpectedNodeTypeError
	switch {
	case errors.As(err, &value):
		text = "want " + kind(value.DstType)
		if value.SrcType.Kind() == reflect.Map && value.DstType.Kind() == reflect.String {
			// The library takes [tcp://a:1] for a mapping there.
			text += " (between { } a text with a colon goes in quotes)"
		}
	case errors.As(err, &node) && node.Expected == ast.SequenceType:
		text = "want a list"
	case errors.As(err, &node) && node.Expected == ast.MappingType:
		text = "want a mapping (key: value)"
	}
	return errors.New(show(name, at.GetToken(), text))
}

// kind is a Go type in the words of YAML.
func kind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return kind(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "a mapping (key: value)"
	}
	return "one value"
}

// show is "FILE:LINE:COLUMN: text" and the lines around the place, with a caret.
func show(name string, at *token.Token, text string) string {
	var p printer.Printer
	lines := strings.TrimRight(p.PrintErrorToken(at, false), "\n ")
	return fmt.Sprintf("%s:%d:%d: %s\n%s", name, at.Position.Line, at.Position.Column, text, lines)
}

// find is the token of the value at a path of the file, or of the nearest
// parent that the file has.
func (s *source) find(path string) *token.Token {
	for {
		if p, err := yaml.PathString(path); err == nil {
			if node, err := p.FilterFile(s.file); err == nil && node != nil {
				return first(node)
			}
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut <= 0 {
			break
		}
		path = path[:cut]
	}
	if len(s.file.Docs) > 0 && s.file.Docs[0].Body != nil {
		return first(s.file.Docs[0].Body)
	}
	return nil
}

// first is the token that a node begins with: of a mapping its first key, where
// the library would name the colon.
func first(node ast.Node) *token.Token {
	switch n := node.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 && !n.IsFlowStyle {
			return first(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return first(n.Key)
	case *ast.SequenceNode:
		if len(n.Values) > 0 && !n.IsFlowStyle {
			return first(n.Values[0])
		}
	}
	return node.GetToken()
}

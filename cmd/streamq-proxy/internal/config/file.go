package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"syscall"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxFile bounds a configuration file, in bytes; see maxTokens, too.
const maxFile = 512 << 10

// source is the file that settings were read from.
type source struct {
	name string
	text []byte
	file *ast.File
	kind reflect.Type // of what it says
	list bool         // of workers, and nothing else
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
	// O_NONBLOCK, because to open a FIFO would wait for somebody who writes.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
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
	src := &source{name: name, kind: reflect.TypeFor[Settings]()}
	err = src.decode(text, &s)
	s.source = src
	return s, err
}

// decode reads text into what, a pointer to a value of the source's kind.
func (s *source) decode(text []byte, what any) error {
	s.text = bytes.TrimPrefix(text, []byte("\ufeff")) // some editors put one there
	tokens, err := s.tokenize()
	if err != nil {
		return err
	}
	if s.file, err = parser.Parse(tokens, 0); err != nil {
		return s.located(err)
	}
	if n := len(s.file.Docs); n > 1 {
		return fmt.Errorf("%s: %d YAML documents, want one", s.name, n)
	}
	if len(s.file.Docs) == 0 || s.file.Docs[0].Body == nil {
		return fmt.Errorf("%s: the file says nothing", s.name)
	}
	// What is parsed already, since a decoder of text would parse it again.
	if err := toValue(s.file.Docs[0].Body, what); err != nil {
		return s.located(err)
	}
	return nil
}

// toValue has the YAML library decode what is parsed. It panics at some files (1.19.2 at a list
// that is !!null), and no file that is watched may end the process.
func toValue(body ast.Node, what any) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the file cannot be read: it has a null with a tag, or something else that no such file needs")
		}
	}()
	return yaml.NodeToValue(body, what, yaml.Strict())
}

// quote is a hint at an endpoint that YAML takes for a mapping.
const quote = " (between { } a text with a colon goes in quotes)"

// located gives an error of the YAML library the form of ours.
func (s *source) located(err error) error {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		return fmt.Errorf("%s: %s", s.name, brief(strings.ReplaceAll(err.Error(), "\n", " ")))
	}
	text, place := at.GetMessage(), at.GetToken()
	var stranger *yaml.UnknownFieldError
	var value *yaml.TypeError
	var node *yaml.UnexpectedNodeTypeError
	switch {
	case errors.As(err, &stranger):
		if first := unknown(s.file.Docs[0].Body, s.kind); first != nil {
			text, place = fmt.Sprintf("unknown field %q", first.Value), first
		}
		text += misplaced(place)
		if strings.Contains(place.Value, "://") {
			text += quote
		}
	case errors.As(err, &value):
		text = "want " + kind(value.DstType)
		if value.SrcType.Kind() == reflect.Map && value.DstType.Kind() == reflect.String {
			// The library takes [tcp://a:1] for a mapping there.
			text += quote
		}
	case errors.As(err, &node) && node.Expected == ast.SequenceType:
		text = "want a list"
	case errors.As(err, &node) && node.Expected == ast.MappingType:
		text = "want a mapping (key: value)"
	}
	return errors.New(s.show(place, text))
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
func (s *source) show(at *token.Token, text string) string {
	return fmt.Sprintf("%s:%d:%d: %s\n%s", s.name, at.Position.Line, at.Position.Column,
		brief(text), excerpt(s.text, at.Position.Line, at.Position.Column))
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

package config

import (
	"errors"
	"fmt"
	"io"

	"github.com/goccy/go-yaml/scanner"
	"github.com/goccy/go-yaml/token"
)

// maxTokens bounds what a file says: some five thousand workers. The library
// needs a kilobyte for each token, and for mappings and for values that are left
// out a time that grows with the square of their number: 500 kB of "a: 1" take
// half a minute.
const maxTokens = 50_000

// tokenize takes a file apart, and refuses one that would take the parser too long.
func (s *source) tokenize() (tokens token.Tokens, err error) {
	var scan scanner.Scanner
	scan.Init(string(s.text))
	for len(tokens) <= maxTokens {
		some, err := scan.Scan()
		var invalid *scanner.InvalidTokenError
		switch {
		case errors.Is(err, io.EOF):
			return tokens, shallow(s.name, tokens)
		case errors.As(err, &invalid): // such as a tab
			return nil, errors.New(s.show(invalid.Token, invalid.Error()))
		case err != nil:
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		tokens.Add(some...)
	}
	if err := shallow(s.name, tokens); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%s:%d: too much for a configuration file: more than %d YAML tokens", s.name, tokens[maxTokens].Position.Line, maxTokens)
}

// maxDepth bounds how deep a file may be nested; every real one stays below ten.
// The parser needs memory that grows with the square of the depth: 50,000
// brackets, which are 100 kB of text, take gigabytes.
const maxDepth = 100

// shallow refuses a file that is nested too deeply, before it is parsed. It
// counts open brackets, and in block style what stands to the left of a token
// and is indented less, which is never less than the true depth.
func shallow(name string, tokens token.Tokens) error {
	var columns []int // of the tokens that the present one may be nested in
	flow, tags := 0, 0
	named := false // the token before was the & of an anchor, and this is its name
	for _, t := range tokens {
		if named {
			named = false
			continue
		}
		switch t.Type {
		case token.CommentType:
			continue
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow = max(0, flow-1)
		}
		named = t.Type == token.AnchorType
		if named || t.Type == token.TagType {
			tags++
		} else {
			tags = 0
		}
		if flow == 0 {
			for len(columns) > 0 && columns[len(columns)-1] >= t.Position.Column {
				columns = columns[:len(columns)-1]
			}
			columns = append(columns, t.Position.Column)
		}
		if flow+tags+len(columns) > maxDepth {
			return fmt.Errorf("%s:%d:%d: nested too deeply for a configuration file", name, t.Position.Line, t.Position.Column)
		}
	}
	return nil
}

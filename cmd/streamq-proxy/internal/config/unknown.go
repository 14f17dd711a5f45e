package config

import (
	"reflect"
	"slices"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// unknown is the first key, by its place in the file, that a Go type has no
// field for; nil if there is none. (The YAML library names any of them.)
func unknown(node ast.Node, t reflect.Type) *token.Token {
	switch n := node.(type) {
	case *ast.AnchorNode:
		return unknown(n.Value, t)
	case *ast.SequenceNode:
		if t.Kind() != reflect.Slice {
			return nil
		}
		for _, v := range n.Values {
			if at := unknown(v, t.Elem()); at != nil {
				return at
			}
		}
	case *ast.MappingNode:
		if t.Kind() != reflect.Struct {
			return nil
		}
		for _, v := range n.Values {
			key := v.Key.GetToken()
			if v.Key.IsMergeKey() {
				continue
			}
			field, found := fieldOf(t, key.Value)
			if !found {
				return key
			}
			if at := unknown(v.Value, field); at != nil {
				return at
			}
		}
	}
	return nil
}

// fieldOf is the type of the field that YAML knows by that name.
func fieldOf(t reflect.Type, name string) (reflect.Type, bool) {
	fields := reflect.VisibleFields(t)
	i := slices.IndexFunc(fields, func(f reflect.StructField) bool { return f.Tag.Get("yaml") == name && name != "" })
	if i < 0 {
		return nil, false
	}
	return fields[i].Type, true
}

// misplaced is a hint at a pool's setting that stands at the top level.
func misplaced(at *token.Token) string {
	if _, pools := fieldOf(reflect.TypeFor[Pool](), at.Value); pools && at.Position.Column == 1 {
		return " (it belongs to a pool, under pools:)"
	}
	return ""
}

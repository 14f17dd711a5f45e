package wire

import "strings"

// RowsOf is the key under which the reply to the verb of a list has its rows. Where
// there are more, the key "next" has what after= must be for the page that follows.
func RowsOf(verb string) string { return strings.ToLower(verb) }

// Verb is what HELP tells of one thing that a caller can say.
type Verb struct {
	Name string `json:"verb"`
	// Args are the arguments, in the way of usage lines: "IDENTITY [WORKER]".
	// What is in brackets may be left out; KEY= in brackets is an option.
	Args  string `json:"args"`
	Level Level  `json:"level"`
	Help  string `json:"help"`
}

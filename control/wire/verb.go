package wire

// Verb is what HELP tells of one thing that a caller can say.
type Verb struct {
	Name string `json:"verb"`
	// Args are the arguments, in the way of usage lines: "IDENTITY [WORKER]".
	// What is in brackets may be left out; KEY= in brackets is an option.
	Args  string `json:"args"`
	Level Level  `json:"level"`
	Help  string `json:"help"`
}

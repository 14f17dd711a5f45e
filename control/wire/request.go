package wire

import "unicode/utf8"

// Bounds of a request, and of a page of a list.
const (
	MaxFrame    = 16 << 10 // bytes
	MaxFrames   = 32       // the verb and its arguments
	MaxArgument = 4096     // bytes
	MaxPage     = 1000     // rows of one page of a list
	MaxUnderWay = 256      // requests of one connection whose replies it has not read; beyond, replies may be dropped
)

// Request is what a caller has said.
type Request struct {
	Verb string
	Args []string
}

// ParseRequest reads the frames of a request, an empty delimiter already taken
// off. Its error is an [Error] of code [Malformed].
func ParseRequest(frames [][]byte) (r Request, err error) {
	switch {
	case len(frames) == 0:
		return r, Errorf(Malformed, "an empty request: want a verb, HELP lists them")
	case len(frames) > MaxFrames:
		return r, Errorf(Malformed, "more than %d frames", MaxFrames)
	}
	for i, f := range frames {
		switch {
		case len(f) > MaxArgument:
			return r, Errorf(Malformed, "frame %d has %d bytes, more than %d", i+1, len(f), MaxArgument)
		case !utf8.Valid(f):
			return r, Errorf(Malformed, "frame %d is not UTF-8", i+1)
		}
	}
	r.Verb = string(frames[0])
	if r.Verb == "" {
		return r, Errorf(Malformed, "an empty verb, HELP lists them")
	}
	for _, f := range frames[1:] {
		r.Args = append(r.Args, string(f))
	}
	return r, nil
}

// Check is the error that the proxy would answer with, before anything is sent.
func (r Request) Check() error {
	var frames [][]byte
	for _, f := range r.Frames() {
		frames = append(frames, []byte(f))
	}
	_, err := ParseRequest(frames)
	return err
}

// Frames are the frames of the request, for sending it.
func (r Request) Frames() []string { return append([]string{r.Verb}, r.Args...) }

package wire

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Reply is the answer to a request.
type Reply struct {
	Code Code
	Text string
	// Body is JSON, nil where there is nothing to say.
	Body json.RawMessage
}

// Err is an [*Error] when the reply refuses, else nil.
func (r Reply) Err() error {
	if !r.Code.Refused() {
		return nil
	}
	return &Error{Code: r.Code, Text: r.Text}
}

// Frames are the reply's, for sending it.
func (r Reply) Frames() []any {
	if r.Body == nil {
		return []any{r.Code.String(), r.Text}
	}
	return []any{r.Code.String(), r.Text, []byte(r.Body)}
}

// ParseReply reads the answer to a request, an empty delimiter already taken off. The
// error says that whoever answered is no control socket.
func ParseReply(r Request, frames [][]byte) (Reply, error) {
	if len(r.Args) == 0 {
		if reply, is := parseSteerable(frames); is {
			return reply, nil
		}
	}
	return parseReply(frames)
}

func parseReply(frames [][]byte) (Reply, error) {
	if len(frames) < 2 || len(frames) > 3 {
		return Reply{}, fmt.Errorf("a reply of %d frames: is this a control socket?", len(frames))
	}
	code, err := strconv.Atoi(string(frames[0]))
	if err != nil || code < 100 || code > 599 {
		return Reply{}, fmt.Errorf("a reply of code %q: is this a control socket?", frames[0])
	}
	r := Reply{Code: Code(code), Text: string(frames[1])}
	if len(frames) == 3 {
		if !json.Valid(frames[2]) {
			return Reply{}, fmt.Errorf("a reply that is not JSON")
		}
		r.Body = frames[2]
	}
	return r, nil
}

// NewReply makes one of a code and what there is to say, nil for nothing.
func NewReply(code Code, body any) (Reply, error) {
	r := Reply{Code: code, Text: "OK"}
	if code == Accepted {
		r.Text = "accepted"
	}
	if body == nil {
		return r, nil
	}
	text, err := json.Marshal(body)
	r.Body = text
	return r, err
}

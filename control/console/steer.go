package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/streamq/streamq-proxy/control"
)

// steerPath is where the forms of a verb are sent.
func steerPath(verb string) string { return "/steer/" + strings.ToLower(verb) }

// steered is how a verb went that a form has asked for.
type steered struct {
	Verb, Args string
	Code       int
	Text       string
	Refused    bool
	Result     string // JSON, on several lines
}

// steer has a verb executed, and shows how it went. The page is the same with JavaScript and
// without it, and says so also when it was refused.
func (c *Console) steer(w http.ResponseWriter, r *http.Request, verb *control.Verb) {
	done := c.told.Steer(w, r, verb.Name)
	s := steered{Verb: verb.Name, Code: int(done.Code), Text: done.Text, Refused: done.Code.Refused()}
	var said []string
	must, may := verb.Fields()
	for _, key := range append(must, may...) {
		if value := r.PostForm.Get(key); value != "" {
			said = append(said, value)
		}
	}
	s.Args = strings.Join(said, " ")
	var result bytes.Buffer
	if json.Indent(&result, done.Body, "", "  ") == nil {
		s.Result = result.String()
	}
	title := steeredPage.title
	if s.Refused {
		title = "Refused"
	}
	body, err := c.lay(&steeredPage, view{Title: title, Root: below, Body: s})
	if err != nil {
		c.refuseBelow(w, err)
		return
	}
	answer(w, s.Code, body)
}

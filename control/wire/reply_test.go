package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
)

// sent is a reply's frames as they come.
func sent(frames []any) (all [][]byte) {
	for _, f := range frames {
		switch f := f.(type) {
		case string:
			all = append(all, []byte(f))
		case []byte:
			all = append(all, f)
		}
	}
	return all
}

// Every reply is read as it was written.
func TestReplies(t *testing.T) {
	for _, code := range Codes() {
		for _, body := range []any{nil, Drained{Pairs: 3}} {
			want, err := NewReply(code, body)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseReply(Request{Verb: "DRAIN", Args: []string{"w"}}, sent(want.Frames()))
			if err != nil || got.Code != want.Code || got.Text != want.Text || !bytes.Equal(got.Body, want.Body) {
				t.Errorf("%+v became %+v, %v", want, got, err)
			}
			var refused *Error
			if is := errors.As(got.Err(), &refused); is != (code >= 400) || is && (refused.Code != code || CodeOf(got.Err()) != code) {
				t.Errorf("%v: %v", code, got.Err())
			}
		}
	}
}

// The words of zmq_proxy_steerable have answers of another form, and are single frames.
func TestSteerableReplies(t *testing.T) {
	word := Request{Verb: "PAUSE"}
	for _, frames := range [][][]byte{{}, {{}}, sent(Reply{Code: OK}.SteerableFrames())} {
		if r, err := ParseReply(word, frames); r.Code != OK || err != nil {
			t.Errorf("%q: %+v, %v", frames, r, err)
		}
	}
	want := Statistics{In: Traffic{1, 2}, Out: Traffic{3, 1 << 63}}
	reply, err := NewReply(OK, want)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseReply(Request{Verb: "STATISTICS"}, sent(reply.SteerableFrames()))
	var got Statistics
	if err = errors.Join(err, json.Unmarshal(r.Body, &got)); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if r, err := ParseReply(word, [][]byte{[]byte("403"), []byte("no")}); r.Code != Forbidden || err != nil {
		t.Errorf("a refusal is %+v, %v", r, err)
	}
}

func TestNoReplies(t *testing.T) {
	b := func(s ...string) (frames [][]byte) {
		for _, f := range s {
			frames = append(frames, []byte(f))
		}
		return frames
	}
	for _, tc := range []struct {
		request Request
		frames  [][]byte
	}{
		{Request{Verb: "DRAIN", Args: []string{"w"}}, b("")},
		{Request{Verb: "PING"}, b("OK")},
		{Request{Verb: "PING"}, b("OK", "200")},
		{Request{Verb: "PING"}, b("99", "x")},
		{Request{Verb: "PING"}, b("200", "OK", "{")},
		{Request{Verb: "PING"}, b("200", "OK", "{}", "more")},
		{Request{Verb: "STATISTICS"}, b("1", "2", "3", "4", "5", "6", "7", "8")},
		{Request{Verb: "HINTS", Args: []string{"limit=1"}}, sent(Statistics{}.frames())},
	} {
		t.Run(fmt.Sprint(tc), func(t *testing.T) {
			if r, err := ParseReply(tc.request, tc.frames); err == nil {
				t.Errorf("%+v", r)
			}
		})
	}
}

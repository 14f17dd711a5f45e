package wire

import (
	"encoding/binary"
	"encoding/json"
)

// The words of zmq_proxy_steerable(3), a single frame each, are answered as libzmq's
// proxy answers them, the one exception to the form of replies: by one empty frame,
// and STATISTICS by eight native 64-bit numbers.

// Traffic is what has gone one way.
type Traffic struct {
	Chunks uint64 `json:"chunks"`
	Bytes  uint64 `json:"bytes"`
}

// Statistics are the traffic from clients to workers (In) and back (Out).
type Statistics struct {
	In  Traffic `json:"in"`
	Out Traffic `json:"out"`
}

// frames are the eight numbers: what the frontend received, what it sent, and the
// same of the backend, messages before bytes.
func (s Statistics) frames() (frames []any) {
	for _, t := range [...]Traffic{s.In, s.Out, s.Out, s.In} {
		for _, n := range [...]uint64{t.Chunks, t.Bytes} {
			frames = append(frames, binary.NativeEndian.AppendUint64(nil, n))
		}
	}
	return frames
}

// SteerableFrames are a reply in that form.
func (r Reply) SteerableFrames() []any {
	var s Statistics
	if r.Body != nil && json.Unmarshal(r.Body, &s) == nil {
		return s.frames()
	}
	return []any{[]byte{}}
}

// parseSteerable reads an answer of that form, and says whether it is one.
func parseSteerable(frames [][]byte) (Reply, bool) {
	if len(frames) == 0 || len(frames) == 1 && len(frames[0]) == 0 {
		return Reply{Code: OK, Text: "OK"}, true
	}
	var n [8]uint64
	if len(frames) != len(n) {
		return Reply{}, false
	}
	for i, f := range frames {
		if len(f) != 8 {
			return Reply{}, false
		}
		n[i] = binary.NativeEndian.Uint64(f)
	}
	s := Statistics{In: Traffic{n[0], n[1]}, Out: Traffic{n[2], n[3]}}
	reply, err := NewReply(OK, s)
	return reply, err == nil
}

package splice

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

// Behind an urgent byte what was spliced goes on, without an end behind it.
func TestUrgentWhileSplicedGoesOn(t *testing.T) {
	s := newSteps(t, 1)
	e := newSource(t, "tcp4").ends(t)
	fd, err := duplicate(e.outer[0])
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, err := range []error{
		writeAll(fd, []byte("before")),
		unix.Sendmsg(fd, []byte("!"), nil, nil, unix.MSG_OOB),
		writeAll(fd, []byte("after")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	e.start(t, s.Relay)
	e.pair.ways[0].bulk = true
	for range 3 {
		s.turn(0)
	}
	buf := make([]byte, 64)
	_ = e.outer[1].SetReadDeadline(deadline())
	var got []byte
	for !bytes.HasSuffix(got, []byte("after")) {
		n, err := e.outer[1].Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			t.Fatalf("%q, %v, readable %v", got, err, e.pair.ways[0].readable)
		}
	}
}

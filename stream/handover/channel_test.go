package handover

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func pair(t *testing.T) (*Channel, *Channel) {
	t.Helper()
	mine, file, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := Of(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mine.Close)
	t.Cleanup(theirs.Close)
	return mine, theirs
}

// TestMessages sends what is small and what is large, with few descriptors and with more
// than one system call takes, and finds the same open files at the other end, in order.
func TestMessages(t *testing.T) {
	mine, theirs := pair(t)
	var fds [600]int
	for i := range fds {
		fd, err := unix.Eventfd(uint(i), unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		fds[i] = fd
	}
	blob := bytes.Repeat([]byte("0123456789"), 100_000)
	sent := make(chan error, 1)
	for _, n := range []int{0, 1, 250, 251, 600} {
		go func() { sent <- mine.Send(Pool, map[string]int{"n": n}, blob[:n*1000], fds[:n]) }()
		m, err := theirs.Expect(Pool)
		if err != nil {
			t.Fatal(err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		var body map[string]int
		if err := m.Read(&body); err != nil || body["n"] != n || !bytes.Equal(m.Blob, blob[:n*1000]) || len(m.Descriptors) != n {
			t.Fatalf("%v: %v with %d bytes and %d descriptors", err, body, len(m.Blob), len(m.Descriptors))
		}
		for i, fd := range m.Descriptors {
			var count [8]byte
			if i > 0 {
				if _, err := unix.Read(fd, count[:]); err != nil {
					t.Fatalf("descriptor %d: %v", i, err)
				}
				if _, err := unix.Write(fds[i], count[:]); err != nil { // the same one: it is full again
					t.Fatal(err)
				}
			}
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("descriptor %d would be left to whoever is started: %v", i, err)
			}
		}
		m.Close()
	}
}

// TestWordStaysReadable: what somebody has said before he was gone can be read, and only
// then the end is.
func TestWordStaysReadable(t *testing.T) {
	mine, theirs := pair(t)
	if err := mine.Send("unread", nil, nil, nil); err != nil { // so that the end is a reset
		t.Fatal(err)
	}
	if err := theirs.Send(Taken, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	if _, err := mine.Expect(Taken); err != nil {
		t.Fatal(err)
	}
	if _, err := mine.Expect(Taken); !errors.Is(err, io.EOF) {
		t.Fatalf("it is %v, not the end", err)
	}
}

func TestFailed(t *testing.T) {
	mine, theirs := pair(t)
	if err := theirs.Send(Failed, "line 3: what?", nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := mine.Expect(Hello); err == nil || err.Error() != "line 3: what?" {
		t.Errorf("it is %v", err)
	}
	if err := theirs.Send(Ready, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := mine.Expect(Hello); !errors.Is(err, ErrFormat) {
		t.Errorf("a word out of place is %v", err)
	}
	mine.Until(time.Now().Add(10 * time.Millisecond))
	if _, err := mine.Expect(Hello); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("silence is %v", err)
	}
}

// TestConclude has an answer come before, at and after the end of patience: either it is heard, or who gives it is told
// that it is not, and never both or neither.
func TestConclude(t *testing.T) {
	heard := 0
	for i := range 500 {
		mine, theirs := pair(t)
		soon := time.Duration(i%20) * 10 * time.Microsecond
		given := make(chan error, 1)
		go func() {
			time.Sleep(soon) // what of the two is first is left to chance
			given <- theirs.Send(Taken, nil, nil, nil)
		}()
		mine.Until(time.Now().Add(100 * time.Microsecond))
		_, err := mine.Conclude(Taken)
		if told := <-given; (err == nil) != (told == nil) || told != nil && !errors.Is(told, unix.EPIPE) {
			t.Fatalf("%d: it is heard: %v, and was given: %v", i, err, told)
		}
		if err == nil {
			heard++
		} else if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("silence is %v", err)
		}
		mine.Close()
		theirs.Close()
	}
	t.Logf("%d of 500 were heard", heard)
	mine, theirs := pair(t)
	theirs.Close()
	mine.Until(time.Now().Add(time.Minute))
	if _, err := mine.Conclude(Taken); !errors.Is(err, io.EOF) {
		t.Errorf("an end is %v", err)
	}
}

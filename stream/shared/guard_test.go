package shared

import (
	"bufio"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// hostile listens where a store is thought to be, and answers each line that begins a command by a text.
func hostile(t *testing.T, answer func(command int) string) Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				lines := bufio.NewScanner(c)
				for n := 0; lines.Scan(); {
					if strings.HasPrefix(lines.Text(), "*") {
						if _, err := c.Write([]byte(answer(n))); err != nil {
							return
						}
						n++
					}
				}
			}()
		}
	}()
	server, err := ParseServer("redis://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// greeting is how a server answers the library's first commands.
const greeting = "%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n$5\r\nproto\r\n:3\r\n"

// TestHostile: whatever it is that answers, the process goes on, and the store is down.
func TestHostile(t *testing.T) {
	for name, answer := range map[string]func(int) string{
		"HTTP":            func(int) string { return "HTTP/1.1 400 Bad Request\r\n\r\n" },
		"ZMTP":            func(int) string { return "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL" },
		"long text":       func(int) string { return "$99999999999999\r\n" },
		"many gigabytes":  func(int) string { return "$999999999\r\n" },
		"negative":        func(int) string { return "$-7\r\n" },
		"long list":       func(int) string { return "*999999999\r\n" },
		"negative list":   func(int) string { return "*-7\r\n" },
		"deep list":       func(int) string { return strings.Repeat("*2\r\n", 1000) },
		"answers unasked": func(int) string { return "+OK\r\n+OK\r\n+OK\r\n" },
		"push":            func(int) string { return ">3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n" },
		"push by and by": func(n int) string {
			if n == 0 {
				return greeting
			}
			return ">3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n+OK\r\n"
		},
		"nothing": func(int) string { return "" },
		"too much later": func(n int) string {
			if n == 0 {
				return greeting
			}
			return "+OK\r\n+OK\r\n"
		},
		"OK to all": func(n int) string {
			if n == 0 {
				return greeting
			}
			return "+OK\r\n"
		},
		"errors": func(int) string { return "-ERR go away\r\n" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Open(Config{Dial: Redis(hostile(t, answer)), Where: "there", Wait: DefaultWait})
			defer s.Close()
			m := s.Memory("x")
			limit := time.Minute     // in which also a busy machine finds out
			if name == "OK to all" { // which is an answer to what is written
				limit = 3 * time.Second
			}
			for until := time.Now().Add(limit); time.Now().Before(until); time.Sleep(time.Millisecond) {
				m.Recall(ann, func(is pairingRecollection) {
					if is.Known {
						t.Errorf("it believes %+v", is)
					}
				})
				m.Remember(ann, "w1", time.Hour)
				if s.Stats().State == Down {
					return
				}
			}
			if name != "OK to all" {
				t.Errorf("it is %v", s.Stats().State)
			}
		})
	}
}

// TestHostileNames: a list of names is bounded whoever sends it, and what is none is none.
func TestHostileNames(t *testing.T) {
	for answer, want := range map[string]int{
		"*5\r\n$1\r\na\r\n:1\r\n_\r\n*1\r\n+b\r\n%1\r\n+c\r\n+d\r\n": 3, "*-1\r\n": 0, "+OK\r\n": 0, ":7\r\n": 0, "_\r\n": 0, "%2\r\n+a\r\n+b\r\n:1\r\n#t\r\n": 0,
	} {
		var connected atomic.Bool
		b, err := Redis(hostile(t, func(n int) string {
			switch {
			case n == 0:
				return greeting
			case n < 4: // what the library tells of itself
				return "+OK\r\n"
			case !connected.Load():
				return "-ERR This instance has cluster support disabled\r\n"
			}
			return answer
		}))(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		connected.Store(true)
		names, err := b.Enrolled(t.Context(), "list", 3)
		if len(names) != want {
			t.Errorf("%q: %q, %v", answer, names, err)
		}
		if values, err := b.Look(t.Context(), []string{"a", "b"}, 3); err == nil && len(values) != 2 {
			t.Errorf("%q: %+v", answer, values)
		}
		b.Close()
	}
}

// TestFrames: what a store sends passes in whatever pieces it comes, and answers are told from pushes.
func TestFrames(t *testing.T) {
	const stream = "+OK\r\n-ERR no\r\n:12\r\n$-1\r\n_\r\n$0\r\n\r\n$3\r\na\r\n\r\n*0\r\n*-1\r\n*2\r\n$1\r\na\r\n*1\r\n:1\r\n" +
		">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nkey\r\n>2\r\n$10\r\ninvalidate\r\n_\r\n%1\r\n+a\r\n~1\r\n#t\r\n" +
		"|1\r\n+ttl\r\n:3600\r\n=5\r\ntxt:a\r\n,1.5\r\n(123\r\n!3\r\nERR\r\n"
	const answers = 15
	for size := 1; size <= len(stream); size++ {
		var f frames
		ended := 0
		pushes := []string(nil)
		for piece := range slices.Chunk([]byte(stream), size) {
			n, err := f.feed(piece, func(push []byte) bool { pushes = append(pushes, string(push)); return true })
			if err != nil {
				t.Fatalf("in pieces of %d: %v", size, err)
			}
			ended += n
		}
		if ended != answers || !slices.Equal(pushes, []string{"invalidate", "invalidate"}) {
			t.Fatalf("in pieces of %d: %d answers, not %d, and pushes %q", size, ended, answers, pushes)
		}
	}
}

// FuzzFrames: bytes are told the same in one piece as in two, and never take more memory than is bounded.
func FuzzFrames(f *testing.F) {
	for _, s := range []string{"+OK\r\n", "*2\r\n$1\r\na\r\n:1\r\n", ">1\r\n$10\r\ninvalidate\r\n", "$5\r\nab", "%1\r\n+a\r\n+b\r\n"} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, p []byte, cut int) {
		if cut < 0 || cut > len(p) {
			return
		}
		var whole, parts frames
		fit := func(push []byte) bool { return string(push) == "invalidate" }
		n, err := whole.feed(p, fit)
		first, firstErr := parts.feed(p[:cut], fit)
		if firstErr != nil {
			if err == nil {
				t.Fatal("only in parts it is refused")
			}
			return
		}
		second, secondErr := parts.feed(p[cut:], fit)
		if (err == nil) != (secondErr == nil) || err == nil && n != first+second {
			t.Fatalf("%d messages, %v, and in parts %d, %v", n, err, first+second, secondErr)
		}
		if len(whole.head) > headMax+len(p) || len(whole.open) > 17 {
			t.Fatal("it keeps too much")
		}
	})
}

// TestGuardIsAsked: the library's connections go by the guard.
func TestGuardIsAsked(t *testing.T) {
	o, err := hostile(t, func(int) string { return "" }).option(func(net.Conn) {})
	if err != nil {
		t.Fatal(err)
	}
	c, err := o.DialCtxFn(context.Background(), o.InitAddress[0], &o.Dialer, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, guards := c.(*guarded); !guards {
		t.Errorf("it is a %T", c)
	}
}

// TestTextsAreBoundedTogether: a list of texts that are each short enough ends where they are too long together, and the
// next message begins at nothing.
func TestTextsAreBoundedTogether(t *testing.T) {
	text := "$1000000\r\n" + strings.Repeat("x", 1_000_000) + "\r\n"
	var f frames
	for range 3 {
		if n, err := f.feed([]byte("*4\r\n"+strings.Repeat(text, 4)), nil); n != 1 || err != nil {
			t.Fatalf("of four there are %d messages: %v", n, err)
		}
	}
	if _, err := f.feed([]byte("*5\r\n"+strings.Repeat(text, 5)), nil); !errors.Is(err, errFrame) {
		t.Errorf("of five: %v", err)
	}
}

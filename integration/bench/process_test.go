package main

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestHear(t *testing.T) {
	p, err := spawn("shell", nil, "sh", "-c", `echo something; echo ready x y; read word; echo "result $word"`)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	if rest, err := p.hear(t.Context(), "ready"); err != nil || rest != "x y" {
		t.Fatalf("%q, %v", rest, err)
	}
	if err := p.tell("go"); err != nil {
		t.Fatal(err)
	}
	if rest, err := p.hear(t.Context(), "result"); err != nil || rest != "go" {
		t.Fatalf("%q, %v", rest, err)
	}
}

// Whoever waits for a child that ended in vain learns its last words.
func TestHearsWhyAChildEnded(t *testing.T) {
	p, err := spawn("shell", nil, "sh", "-c", `echo first >&2; echo "no such thing" >&2; exit 3`)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	_, err = p.hear(t.Context(), "ready")
	if err == nil || err.Error() != "shell ended early: no such thing" {
		t.Errorf("%v", err)
	}
}

func TestHearGivesUp(t *testing.T) {
	p, err := spawn("shell", nil, "sh", "-c", `read line`)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := p.hear(ctx, "ready"); err == nil || !strings.Contains(err.Error(), `did not say "ready" in time`) {
		t.Errorf("%v", err)
	}
}

func TestSpawnWhatIsNotThere(t *testing.T) {
	if p, err := spawn("ghost", nil, "/nonexistent"); err == nil {
		p.stop()
		t.Error("started")
	}
}

// One that ignores SIGTERM ends all the same, and its children with it.
func TestStopIsFinal(t *testing.T) {
	p, err := spawn("shell", nil, "sh", "-c", `trap "" TERM; (trap "" TERM; echo "ready"; sleep 3600 </dev/null) & while :; do wait; done`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.hear(t.Context(), "ready"); err != nil {
		t.Fatal(err)
	}
	members := family(p.pid())
	p.stop()
	p.stop() // a second time does nothing
	for _, pid := range members[1:] {
		for deadline := time.Now().Add(10 * time.Second); running(pid); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d of %v is still there", pid, members)
			}
		}
	}
}

func running(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestStopOfNobody(*testing.T) {
	var p *process
	p.stop()
}

func TestTailKeepsTheLastLine(t *testing.T) {
	var last tail
	for range 1000 {
		if _, err := last.Write([]byte("one line after another\n")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := last.Write([]byte("the end\n\n")); err != nil {
		t.Fatal(err)
	}
	if got := last.line(); got != "the end" || len(last.text) > tailSize {
		t.Errorf("%q of %d bytes", got, len(last.text))
	}
}

package splice

import (
	"bytes"
	"io"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// judged is what judging is to come to: the kernel moves the bytes after some
// full reads in a row, and no longer after some small splices in a row.
type judged struct {
	bulk bool
	row  int
}

func (j *judged) took(n int) {
	counts := n == bufferSize
	if j.bulk {
		counts = n < smallSplice
	}
	if !counts {
		j.row = 0
		return
	}
	if j.row++; j.row == manyInARow {
		j.bulk, j.row = !j.bulk, 0
	}
}

func TestJudge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, want := way{readable: true}, judged{}
		sizes := rapid.OneOf(
			rapid.IntRange(1, bufferSize),
			rapid.SampledFrom([]int{1, smallSplice - 1, smallSplice, smallSplice + 1, bufferSize - 1, bufferSize}),
		)
		for range rapid.IntRange(1, 60).Draw(t, "chunks") {
			n := sizes.Draw(t, "size")
			if w.bulk {
				w.judgeSplice(n)
			} else {
				w.judgeRead(n)
				if w.readable != (n == bufferSize) {
					t.Fatalf("a read of %d bytes leaves readable %t", n, w.readable)
				}
				w.readable = true
			}
			if want.took(n); w.bulk != want.bulk {
				t.Fatalf("after %d bytes bulk is %t", n, w.bulk)
			}
		}
	})
}

// A way that goes back and forth between reading and splicing, with room in the
// sink and without, passes on exactly what was sent.
func TestSwitching(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			s := newSteps(t, 1)
			src := newSource(t, network)
			rapid.Check(t, func(t *rapid.T) {
				e := &ends{}
				for i := range e.outer {
					var err error
					if e.outer[i], e.inner[i], err = src.connect(); err != nil {
						t.Fatal(err)
					}
				}
				defer e.close()
				var err error
				if e.pair, err = s.Start(e.inner[0], e.inner[1], [2][]byte{}, End{}, &e.passed, toldOf(func() {})); err != nil {
					t.Fatal(err)
				}
				c := &conversation{T: t, steps: s, ends: e, from: rapid.IntRange(0, 1).Draw(t, "from")}
				for range rapid.IntRange(1, 6).Draw(t, "phases") {
					rapid.SampledFrom([]func(){c.bulk, c.small, c.any, c.swap}).Draw(t, "phase")()
				}
			})
		})
	}
}

// conversation is a pair of which one side sends and the other receives.
type conversation struct {
	*rapid.T
	*steps
	*ends
	from int
	sent [2]int
}

func (c *conversation) way() *way { return &c.pair.ways[c.from] }

func (c *conversation) swap() { c.from = 1 - c.from }

// bulk sends much until it is spliced.
func (c *conversation) bulk() {
	for patience := deadline(); !c.way().bulk; c.pass(600 << 10) {
		if time.Now().After(patience) {
			c.Fatal("much is still read")
		}
	}
}

// small sends little until it is read.
func (c *conversation) small() {
	for i := 0; c.way().bulk; i++ {
		if i > manyInARow {
			c.Fatal("little is still spliced")
		}
		c.pass(1 + i)
	}
}

func (c *conversation) any() {
	c.pass(rapid.IntRange(1, 300<<10).Draw(c.T, "size"))
}

// pass sends so many bytes, receives them, and compares.
func (c *conversation) pass(size int) {
	want := make([]byte, 0, size)
	for at := 0; at < size; at += longestChunk {
		want = append(want, noiseAt(c.from*1000, c.sent[c.from]+at, min(longestChunk, size-at))...)
	}
	c.sent[c.from] += size
	got, done := make([]byte, size), make(chan error, 2)
	_ = c.outer[1-c.from].SetReadDeadline(deadline())
	go func() { _, err := c.outer[c.from].Write(want); done <- err }()
	go func() { _, err := io.ReadFull(c.outer[1-c.from], got); done <- err }()
	for left := 2; left > 0; {
		c.turn(0)
		select {
		case err := <-done:
			if left--; err != nil {
				c.Fatal(err)
			}
		default:
		}
	}
	if !bytes.Equal(got, want) {
		c.Fatal("other bytes than were sent")
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// errInterrupted comes with what was measured until then.
var errInterrupted = errors.New("interrupted")

// playAll plays every case by every row in every round. What fails is told, noted and passed over.
func (b *bench) playAll(ctx context.Context, r *result, cases []benchCase, rows []row, progress *progress) error {
	for _, c := range cases {
		r.Cases = append(r.Cases, newCaseResult(c))
	}
	progress.total = r.Rounds * len(cases) * len(rows)
	err := b.playRounds(ctx, r, cases, rows, progress)
	progress.end()
	for i := range r.Cases {
		r.Cases[i].sum()
	}
	r.Ratios = ratiosOf(r.questions(), r.Cases)
	return err
}

func (b *bench) playRounds(ctx context.Context, r *result, cases []benchCase, rows []row, progress *progress) error {
	for round := range r.Rounds {
		for i, c := range cases {
			for _, one := range rotated(rows, round+i) {
				progress.step(fmt.Sprintf("round %d of %d: %s %s", round+1, r.Rounds, c.name, one.name))
				f, err := b.play(ctx, c, one)
				if ctx.Err() != nil {
					return errInterrupted
				}
				if err != nil {
					failure := fmt.Sprintf("%s %s: %v", c.name, one.name, err)
					r.Failures = append(r.Failures, failure)
					progress.tell("failed: " + failure)
					continue
				}
				r.Cases[i].add(one.name, round, f)
			}
		}
	}
	return nil
}

// rotated begins with another row each time, so that none always comes first or after the same one.
func rotated(rows []row, by int) []row {
	by %= len(rows)
	return slices.Concat(rows[by:], rows[:by])
}

// progress says on standard error how far the run is: in one line that changes on a terminal, else now and then.
type progress struct {
	w        io.Writer
	terminal bool
	began    time.Time
	told     time.Time
	at       int
	total    int
}

// quiet is how long nothing is said where there is no terminal.
const quiet = 20 * time.Second

func (p *progress) step(what string) {
	p.at++
	line := fmt.Sprintf("[%d/%d, %s%s] %s", p.at, p.total, time.Since(p.began).Round(time.Second), p.left(), what)
	switch {
	case p.terminal:
		fmt.Fprint(p.w, "\r\x1b[K"+line)
	case time.Since(p.told) > quiet:
		p.told = time.Now()
		fmt.Fprintln(p.w, line)
	}
}

// left guesses by what is done, once that is something.
func (p *progress) left() string {
	done := p.at - 1
	if done < 10 {
		return ""
	}
	left := time.Since(p.began) / time.Duration(done) * time.Duration(p.total-done)
	return ", " + left.Round(time.Second).String() + " left"
}

// tell says something that stays.
func (p *progress) tell(what string) {
	p.end()
	fmt.Fprintln(p.w, strings.TrimSpace(what))
}

func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

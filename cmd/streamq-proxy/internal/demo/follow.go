package demo

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// follow shows how it goes until done is closed: by a line that is redrawn on a
// terminal, and elsewhere by a line every second or two.
func (s *Screen) follow(st *stage, o Options, t *tally, done <-chan struct{}) {
	step := 100 * time.Millisecond
	if !s.live {
		step = time.Second
		switch {
		case o.Held:
			step = 10 * time.Second
		case o.Duration > 20*time.Second:
			step = 2 * time.Second
		}
	} else {
		defer s.hideCursor()()
	}
	tick := time.NewTicker(step)
	defer tick.Stop()
	p := progress{started: time.Now(), total: o.Duration, endless: o.Held}
	for {
		select {
		case <-tick.C:
			p.next(time.Now(), t.seen(), pairs(st))
			if s.live {
				s.redraw(s.liveLine(&p))
			} else {
				s.print("%s", plainLine(&p))
			}
		case <-done:
			return
		}
	}
}

// pairs there are now, 0 while the pool does not answer.
func pairs(st *stage) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	snapshot, err := st.pool.Snapshot(ctx)
	if err != nil {
		return 0
	}
	return snapshot.Stats.Handshaking + snapshot.Stats.Open
}

// progress is what one line of it shows.
type progress struct {
	started time.Time
	total   time.Duration
	endless bool // and total says nothing
	elapsed time.Duration
	seen    seen
	pairs   int
	rate    float64 // replies a second, over about the last second
	steps   int
}

func (p *progress) next(now time.Time, seen seen, pairs int) {
	elapsed := now.Sub(p.started)
	dt := (elapsed - p.elapsed).Seconds()
	if dt > 0 {
		latest := float64(seen.replies-p.seen.replies) / dt
		weight := min(1, dt)
		if p.steps == 0 {
			weight = 1
		}
		p.rate += weight * (latest - p.rate)
	}
	p.elapsed, p.seen, p.pairs = elapsed, seen, pairs
	p.steps++
}

func plainLine(p *progress) string {
	return fmt.Sprintf("%5.1f s  %s replies  %s/s  p50 %s  p99 %s  pairs %d  lost %d",
		p.elapsed.Seconds(), count(p.seen.replies), count(uint64(p.rate)),
		millis(p.seen.times.p50), millis(p.seen.times.p99), p.pairs, p.seen.lost)
}

// barWidth is the length of the bar in columns.
const barWidth = 20

func (s *Screen) liveLine(p *progress) string {
	full := min(barWidth, int(float64(barWidth)*float64(p.elapsed)/float64(p.total)))
	bar := s.paint(cyan, strings.Repeat("━", full)) + s.paint(dim, strings.Repeat("─", barWidth-full))
	if p.endless {
		bar = "Ctrl-C ends it"
	}
	lost := s.paint(green, "lost 0")
	if p.seen.lost > 0 {
		lost = s.paint(red, fmt.Sprintf("lost %d", p.seen.lost))
	}
	return fmt.Sprintf("%s %s %4.1f s  %s  %s replies  %s/s  p50 %s  p99 %s  pairs %d",
		s.paint(cyan, spinner(p.steps)), bar, p.elapsed.Seconds(), lost,
		s.paint(bold, count(p.seen.replies)), count(uint64(p.rate)),
		millis(p.seen.times.p50), millis(p.seen.times.p99), p.pairs)
}

func spinner(step int) string {
	frames := []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}
	return frames[step%len(frames)]
}

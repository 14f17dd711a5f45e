package console

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/streamq/streamq-proxy/control/api"
)

// The flow's size, in its own units, and what is drawn of it at most.
const (
	flowWidth   = 900
	flowRow     = 34
	flowBox     = 26
	flowPools   = 8
	flowWorkers = 10 // of a pool; the others are one
	thickest    = 16.0
)

// flow is the picture of clients, pools and workers, with lines as thick as their load.
type flow struct {
	Width, Height int
	Label         string
	Boxes         []box
	Lines         []pipe
}

// box is a place in it; State is a class of the style sheet.
type box struct {
	X, Y, Width, Height, TextX, TextY int
	Text, State, Title                string
}

// pipe is a line from one to another.
type pipe struct {
	Path, Title string
	Thick       string
	Idle        bool
}

// newFlow draws pools and their workers, the most loaded of them one by one.
func newFlow(pools []api.PoolRow, workers []api.WorkerRow, clients int) flow {
	f := flow{Width: flowWidth}
	most, y := 1, 0
	for _, p := range pools {
		most = max(most, p.Pairs)
	}
	type link struct{ y, load int }
	var links []link
	for _, p := range pools[:min(len(pools), flowPools)] {
		rows := rowsOf(p.Pool, workers)
		height := max(len(rows), 1) * flowRow
		middle := y + height/2
		f.box(380, middle, 150, shown(p.Pool), poolClass(&p), fmt.Sprintf("pool %s: %s, %d pairs, %d waiting", shown(p.Pool), p.State, p.Pairs, p.Waiting))
		links = append(links, link{middle, p.Pairs})
		for i, w := range rows {
			at := y + i*flowRow + flowRow/2
			f.pipe(530, middle, 680, at, w.Pairs, most, fmt.Sprintf("%s to %s: %d pairs", shown(p.Pool), shown(w.Worker), w.Pairs))
			f.box(680, at, 200, fmt.Sprintf("%s  %d", shown(w.Worker), w.Pairs), w.State, fmt.Sprintf("worker %s: %s, %d pairs", shown(w.Worker), w.State, w.Pairs))
		}
		y += height
	}
	f.Height = max(y, flowRow)
	for _, l := range links {
		f.pipe(160, f.Height/2, 380, l.y, l.load, most, fmt.Sprintf("%d pairs", l.load))
	}
	f.box(10, f.Height/2, 150, fmt.Sprintf("%d clients", clients), "ready", "all clients")
	f.Label = fmt.Sprintf("%d clients, %d pools, %d workers", clients, len(pools), len(workers))
	return f
}

// rowsOf are the workers of a pool that are drawn: the most loaded ones, and one for all others.
func rowsOf(pool string, workers []api.WorkerRow) (rows []api.WorkerRow) {
	for _, w := range workers {
		if w.Pool == pool {
			rows = append(rows, w)
		}
	}
	if len(rows) <= flowWorkers {
		return rows
	}
	slices.SortStableFunc(rows, func(a, b api.WorkerRow) int { return cmp.Compare(b.Pairs, a.Pairs) })
	others := api.WorkerRow{}
	others.Worker, others.State = fmt.Sprintf("%d others", len(rows)-flowWorkers+1), "ready"
	for _, w := range rows[flowWorkers-1:] {
		others.Pairs += w.Pairs
	}
	return append(rows[:flowWorkers-1], others)
}

func poolClass(p *api.PoolRow) string {
	if p.Ready {
		return "ready"
	}
	return "set-aside"
}

// most letters of a name that fit.
const flowName = 24

func (f *flow) box(x, middle, width int, text, state, title string) {
	if r := []rune(text); len(r) > flowName {
		text = string(r[:flowName-1]) + "…"
	}
	f.Boxes = append(f.Boxes, box{x, middle - flowBox/2, width, flowBox, x + width/2, middle + 5, text, state, title})
}

func (f *flow) pipe(x1, y1, x2, y2, load, most int, title string) {
	half := (x1 + x2) / 2
	thick := 1 + (thickest-1)*float64(load)/float64(most)
	f.Lines = append(f.Lines, pipe{fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, half, y1, half, y2, x2, y2), title, fmt.Sprintf("%.1f", thick), load == 0})
}

package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/control/api"
)

// The size of a chart's drawing, in its own units.
const (
	chartWidth  = 600
	chartHeight = 140
	// chartPoints are drawn, at most: of more, the greatest of each few.
	chartPoints = 240
)

// chart is curves of the last hour.
type chart struct {
	Title string
	Label string // what a screen reader says
	Top   string // what the upper edge stands for
	Lines []line
}

// line is a curve. Its number says how it is drawn.
type line struct {
	Number int
	Name   string
	Now    string
	Points string // of a polyline
}

// series is what a curve is made of.
type series struct {
	name string
	of   func(*api.Point) float64
}

// newChart draws curves; form writes a value.
func newChart(title string, points []api.Point, form func(float64) string, all ...series) chart {
	top := 0.0
	for i := range points {
		for _, s := range all {
			top = max(top, s.of(&points[i]))
		}
	}
	c := chart{Title: title, Top: form(top)}
	var said []string
	for i, s := range all {
		now := 0.0
		if n := len(points); n > 0 {
			now = s.of(&points[n-1])
		}
		c.Lines = append(c.Lines, line{i + 1, s.name, form(now), polyline(points, top, s.of)})
		said = append(said, fmt.Sprintf("%s now %s", s.name, form(now)))
	}
	c.Label = fmt.Sprintf("%s within the last hour: %s, at most %s", title, strings.Join(said, ", "), c.Top)
	return c
}

// polyline is where a curve goes. The right edge is the last point, the left an hour before.
func polyline(points []api.Point, top float64, of func(*api.Point) float64) string {
	if len(points) == 0 || top == 0 {
		return ""
	}
	var b strings.Builder
	end := points[len(points)-1].Time
	each := (len(points) + chartPoints - 1) / chartPoints
	for i := 0; i < len(points); i += each {
		few := points[i:min(i+each, len(points))]
		value := 0.0
		for j := range few {
			value = max(value, of(&few[j]))
		}
		x := chartWidth * (1 - end.Sub(few[len(few)-1].Time).Seconds()/time.Hour.Seconds())
		fmt.Fprintf(&b, "%.1f,%.1f ", max(x, 0), chartHeight*(1-value/top))
	}
	return strings.TrimSpace(b.String())
}

// charts are the curves of the overview.
func charts(points []api.Point) []chart {
	times := func(title string, of func(*api.Point) api.Times) chart {
		return newChart(title, points, took,
			series{"median", func(p *api.Point) float64 { return of(p).P50 }},
			series{"99 %", func(p *api.Point) float64 { return of(p).P99 }})
	}
	plain := func(f float64) string { return count(f) }
	return []chart{
		newChart("Pairs and clients that wait", points, plain,
			series{"pairs", func(p *api.Point) float64 { return float64(p.Pairs) }},
			series{"waiting", func(p *api.Point) float64 { return float64(p.Waiting) }}),
		newChart("Connects a second", points, plain, series{"connects", func(p *api.Point) float64 { return p.Connects }}),
		newChart("Bytes a second", points, func(f float64) string { return size(f) },
			series{"to workers", func(p *api.Point) float64 { return p.BytesIn }},
			series{"to clients", func(p *api.Point) float64 { return p.BytesOut }}),
		times("Dials", func(p *api.Point) api.Times { return p.Dial }),
		times("Waiting for a worker", func(p *api.Point) api.Times { return p.Wait }),
		times("Handshakes", func(p *api.Point) api.Times { return p.Handshake }),
	}
}

// endsCharts are why clients ended over time, the most frequent reasons first.
func endsCharts(points []api.Point, reasons []string) (all []chart) {
	for _, reason := range reasons {
		all = append(all, newChart(reason, points, func(f float64) string { return count(f) }, series{"clients in 5 s", func(p *api.Point) float64 {
			for _, e := range p.Ended {
				if e.Reason == reason {
					return float64(e.Count)
				}
			}
			return 0
		}}))
	}
	return all
}

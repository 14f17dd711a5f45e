package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// picture is a page of panels, in two columns.
type picture struct {
	title  string
	note   string // under the title
	panels []panel
}

// panel is a small chart of horizontal bars, with an axis of its own from 0.
type panel struct {
	title string
	axis  string // what the axis shows, with its unit
	bars  []bar
	goal  float64 // a line across the bars; 0 is none
}

// bar is one row's figure, with a whisker for its spread and perhaps a mark for a second figure.
type bar struct {
	label string
	class string // of the colours in the style
	value summary
	mark  float64 // 0 is none
}

// Sizes, in pixels.
const (
	pageWidth   = 960
	margin      = 20
	gutter      = 30
	labelWidth  = 110
	numberWidth = 84
	barHeight   = 12
	barStep     = 18
	panelHead   = 26
	panelFoot   = 40
	pageHead    = 64
	panelWidth  = (pageWidth - 2*margin - gutter) / 2
	plotWidth   = panelWidth - labelWidth - numberWidth
)

// style has colours that can be read on a light and on a dark page; the background is the picture's own, for a viewer
// that knows neither.
const style = `
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 }
.head { font-weight: 600 }
.note, .tick { fill: #59636e; font-size: 11px }
.page { fill: #ffffff }
.grid { stroke: #d1d9e0 }
.whisker { stroke: #1f2328; stroke-width: 1.2 }
.goal { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 4 3 }
.mark { fill: #ffffff; stroke: #1f2328; stroke-width: 1.5 }
.direct { fill: #afb8c1 }
.splice { fill: #0969da }
.stream { fill: #6cb6ff }
.peer { fill: #8250df }
.broker { fill: #d4772c }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .note, .tick { fill: #9198a1 }
  .page { fill: #0d1117 }
  .grid { stroke: #3d444d }
  .whisker { stroke: #f0f6fc }
  .goal { stroke: #f85149 }
  .mark { fill: #0d1117; stroke: #f0f6fc }
  .direct { fill: #656c76 }
  .splice { fill: #4493f8 }
  .stream { fill: #1f5fae }
  .peer { fill: #ab7df8 }
  .broker { fill: #db8a45 }
}
`

// drawing collects the elements of a picture.
type drawing struct{ strings.Builder }

func (d *drawing) text(x, y float64, class, anchor, text string) {
	fmt.Fprintf(d, `<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>`+"\n", x, y, class, anchor, html.EscapeString(text))
}

func (d *drawing) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(d, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`+"\n", x1, y1, x2, y2, class)
}

func (d *drawing) box(x, y, width, height float64, class string) {
	fmt.Fprintf(d, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" class="%s"/>`+"\n", x, y, width, height, class)
}

// svg draws a picture. Two panels side by side are as high as the higher one.
func (p picture) svg() string {
	var d drawing
	y := float64(pageHead)
	for i := 0; i < len(p.panels); i += 2 {
		pair := p.panels[i:min(i+2, len(p.panels))]
		height := 0.0
		for column, one := range pair {
			one.draw(&d, margin+float64(column)*(panelWidth+gutter), y)
			height = max(height, one.height())
		}
		y += height
	}
	var page drawing
	fmt.Fprintf(&page, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%.0f" viewBox="0 0 %[1]d %.0[2]f" role="img">`+"\n",
		pageWidth, y)
	fmt.Fprintf(&page, "<title>%s</title>\n<style>%s</style>\n", html.EscapeString(p.title), style)
	page.box(0, 0, pageWidth, y, "page")
	page.text(margin, 26, "title", "start", p.title)
	page.text(margin, 46, "note", "start", p.note)
	page.WriteString(d.String())
	page.WriteString("</svg>\n")
	return page.String()
}

func (p panel) height() float64 {
	return float64(panelHead + len(p.bars)*barStep + panelFoot)
}

func (p panel) draw(d *drawing, x, y float64) {
	d.text(x, y+14, "head", "start", p.title)
	top := y + panelHead
	bottom := top + float64(len(p.bars)*barStep)
	left := x + labelWidth
	step, end := p.scale()
	at := func(v float64) float64 { return left + min(v/end, 1)*plotWidth }
	for i := 0; float64(i)*step <= end*1.0001; i++ {
		v := float64(i) * step
		d.line(at(v), top-3, at(v), bottom, "grid")
		d.text(at(v), bottom+13, "tick", "middle", short(v))
	}
	for i, b := range p.bars {
		b.draw(d, x, top+float64(i*barStep), at)
	}
	if p.goal > 0 {
		d.line(at(p.goal), top-3, at(p.goal), bottom, "goal")
	}
	d.text(left+plotWidth/2, bottom+28, "note", "middle", p.axis)
}

func (b bar) draw(d *drawing, x, y float64, at func(float64) float64) {
	middle := y + barHeight/2
	d.text(x+labelWidth-6, y+barHeight-2, "label", "end", b.label)
	d.box(at(0), y, at(b.value.Median)-at(0), barHeight, b.class)
	if b.value.Max > b.value.Min {
		d.line(at(b.value.Min), middle, at(b.value.Max), middle, "whisker")
	}
	if b.mark > 0 && at(b.mark) < at(math.Inf(1)) {
		fmt.Fprintf(d, `<circle cx="%.1f" cy="%.1f" r="3.5" class="mark"/>`+"\n", at(b.mark), middle)
	}
	number := short(b.value.Median)
	if b.mark > 0 {
		number += " / " + short(b.mark)
	}
	d.text(x+panelWidth, y+barHeight-2, "tick", "end", number)
}

// scale is the step between two lines of the grid, which is 1, 2 or 5 times a power of ten, and the end of the axis. A
// whisker that goes beyond is cut, and a mark is left out: its number is there.
func (p panel) scale() (step, end float64) {
	most, spread, mark := p.goal, 0.0, 0.0
	for _, b := range p.bars {
		most = max(most, b.value.Median)
		spread = max(spread, b.value.Max)
		mark = max(mark, b.mark)
	}
	// What is far beyond all medians is not to press the bars into a corner.
	most = max(min(spread, 1.5*most), min(mark, 5*most), most)
	if most == 0 {
		return 1, 1
	}
	power := math.Pow(10, math.Floor(math.Log10(most)))
	for _, part := range []float64{0.2, 0.5, 1} {
		if step = part * power; most/step <= 5 {
			break
		}
	}
	if most/step > 5 {
		step = 2 * power
	}
	return step, math.Ceil(most/step*0.9999) * step
}

// short writes a number in three digits or so.
func short(v float64) string {
	switch {
	case v >= 999_500:
		return trimZeros(fmt.Sprintf("%.2f", v/1e6)) + "M"
	case v >= 9_995:
		return fmt.Sprintf("%.0fk", v/1e3)
	case v >= 999.5:
		return trimZeros(fmt.Sprintf("%.1f", v/1e3)) + "k"
	case v >= 99.5:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.95:
		return trimZeros(fmt.Sprintf("%.1f", v))
	default:
		return trimZeros(fmt.Sprintf("%.2f", v))
	}
}

func trimZeros(text string) string {
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

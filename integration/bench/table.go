package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// printTables shows a person every figure, and then how we compare.
func printTables(w io.Writer, r result, colour bool) {
	fmt.Fprintf(w, "\n%s (smallest..largest)\n", r.summary())
	fmt.Fprintf(w, "other processes used %.0f%% of the machine meanwhile; its load was %s before\n", 100*r.Machine.Others, r.Machine.Load)
	if r.Quick {
		fmt.Fprintln(w, paint(colour, red, "-quick: these numbers say only that it runs"))
	}
	for _, c := range r.Cases {
		printCase(w, c, r.Rows)
	}
	printRatios(w, r.Ratios, colour)
	for _, failure := range r.Failures {
		fmt.Fprintln(w, paint(colour, red, "failed: "+failure))
	}
}

func printCase(w io.Writer, c caseResult, rows []string) {
	if len(c.Rows) == 0 { // an interrupted run did not come to it, or all failed
		return
	}
	fmt.Fprintf(w, "\n%s\n", c.Name)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "  \t")
	for _, m := range columns(c.Kind) {
		fmt.Fprintf(t, "%s\t", m.title)
	}
	fmt.Fprintln(t)
	for _, row := range rows {
		if len(c.Rows[row]) == 0 {
			continue
		}
		fmt.Fprintf(t, "  %s\t", row)
		for _, m := range columns(c.Kind) {
			fmt.Fprintf(t, "%s\t", withSpread(c.Rows[row], m))
		}
		fmt.Fprintln(t)
	}
	t.Flush()
}

func withSpread(f map[string]summary, m metric) string {
	s, ok := f[m.name]
	if !ok {
		return "-"
	}
	if len(s.Rounds) == 1 {
		return decimal(s.Median, m.digits)
	}
	return fmt.Sprintf("%s (%s..%s)", decimal(s.Median, m.digits), decimal(s.Min, m.digits), decimal(s.Max, m.digits))
}

func printRatios(w io.Writer, ratios []ratio, colour bool) {
	if len(ratios) == 0 {
		return
	}
	fmt.Fprintln(w, "\nratios, each round's own; \"to\" is the better of its kind")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  row\tto\tcase\tmetric\tratio\twanted\t")
	for _, q := range ratios {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s (%s..%s)\t%s\t%s\n", q.Row, q.To, q.Case, q.Metric,
			decimal(q.Value.Median, 3), decimal(q.Value.Min, 2), decimal(q.Value.Max, 2), q.wanted(), q.verdict(colour))
	}
	t.Flush()
}

func (q ratio) wanted() string {
	switch {
	case q.Goal == 0:
		return ""
	case q.More:
		return ">= " + strconv.FormatFloat(q.Goal, 'g', -1, 64)
	default:
		return "<= " + strconv.FormatFloat(q.Goal, 'g', -1, 64)
	}
}

func (q ratio) verdict(colour bool) string {
	switch {
	case q.Goal == 0:
		return ""
	case q.Met:
		return paint(colour, green, "yes")
	default:
		return paint(colour, red, "no")
	}
}

const (
	red   = "31"
	green = "32"
)

func paint(colour bool, code, text string) string {
	if !colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// decimal writes a number with commas between thousands.
func decimal(v float64, digits int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "-"
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	whole, rest, _ := strings.Cut(text, ".")
	var groups []string
	for len(whole) > 3 {
		groups = append(groups, whole[len(whole)-3:])
		whole = whole[:len(whole)-3]
	}
	groups = append(groups, whole)
	slices.Reverse(groups)
	text = sign + strings.Join(groups, ",")
	if rest != "" {
		text += "." + rest
	}
	return text
}

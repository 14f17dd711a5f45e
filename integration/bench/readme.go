package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// marks are what stands around a section of a document that the benchmark writes.
type marks struct{ begin, end string }

var (
	proxyMarks = marks{"<!-- bench -->", "<!-- /bench -->"}
	agentMarks = marks{"<!-- bench agent -->", "<!-- /bench agent -->"}
)

func marksOf(o options) marks {
	switch {
	case o.sizes != "":
		return sizeMarks
	case o.agent:
		return agentMarks
	default:
		return proxyMarks
	}
}

// update replaces what is between the two marks, and nothing else.
func (m marks) update(file, section string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text, err := m.between(string(old), section)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

// check finds the two marks.
func (m marks) check(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if _, err = m.between(string(text), ""); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func (m marks) between(text, section string) (string, error) {
	before, rest, begun := strings.Cut(text, m.begin)
	_, after, ended := strings.Cut(rest, m.end)
	if !begun || !ended {
		return "", fmt.Errorf("there is no %s followed by %s", m.begin, m.end)
	}
	return before + m.begin + "\n" + section + m.end + after, nil
}

// summary is a line that says where, with what and how a run was made.
func (r result) summary() string {
	parts := []string{
		r.Date.Format("2006-01-02"), r.Machine.CPU, fmt.Sprintf("%d cores", r.Machine.Cores), "Linux " + r.Machine.Kernel,
	}
	for _, name := range []string{"haproxy", "nginx", "libzmq"} {
		if v := r.Versions[name]; v != "" {
			parts = append(parts, bareVersion(name, v))
		}
	}
	return strings.Join(parts, ", ") + "; " + map[bool]string{true: "one round", false: fmt.Sprintf("medians of %d rounds", r.Rounds)}[r.Rounds == 1]
}

// bareVersion finds the number in what a program says of its version: "HAProxy version 2.6.12-1 ...", "nginx version: nginx/1.22.1".
func bareVersion(name, text string) string {
	title := map[string]string{"haproxy": "HAProxy", "nginx": "nginx", "libzmq": "libzmq"}[name]
	for field := range strings.FieldsSeq(text) {
		field = strings.TrimPrefix(field, "nginx/")
		if field[0] >= '0' && field[0] <= '9' {
			number, _, _ := strings.Cut(field, "-")
			return title + " " + number
		}
	}
	return title
}

// markdown is the section of that page: our ratios, CURVE beside NULL.
func markdown(r result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (smallest..largest).\n\n", r.summary())
	fmt.Fprintln(&b, "| | Wanted | CURVE | NULL |")
	fmt.Fprintln(&b, "|---|---|---|---|")
	for _, l := range readmeLines(r) {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", l.title, l.wanted, l.cells[curve], l.cells[null])
	}
	return b.String()
}

// readmeLine is one question, answered for both mechanisms.
type readmeLine struct {
	title, wanted string
	cells         map[string]string // by mechanism
}

// want notes what is wanted: of CURVE first, and of NULL if that is something else.
func (l *readmeLine) want(w string) {
	switch {
	case l.wanted == "":
		l.wanted = w
	case w != "" && w != l.wanted:
		l.wanted += " / " + w
	}
}

func readmeLines(r result) []*readmeLine {
	var lines []*readmeLine
	for _, q := range r.Ratios {
		c, ok := r.caseNamed(q.Case)
		if !ok || strings.HasSuffix(q.Row, "-2") {
			continue
		}
		title := q.title(c)
		at := slices.IndexFunc(lines, func(l *readmeLine) bool { return l.title == title })
		if at < 0 {
			at = len(lines)
			lines = append(lines, &readmeLine{title: title, cells: map[string]string{curve: "", null: ""}})
		}
		lines[at].want(q.wanted())
		lines[at].cells[c.Mechanism] = q.cell()
	}
	return lines
}

// title says what is compared, in which case, without the mechanism.
func (q ratio) title(c caseResult) string {
	of := "the better of HAProxy and nginx"
	if !isPeer(q.To) {
		of = q.To
	}
	what := strings.TrimPrefix(strings.TrimPrefix(c.what(), c.Mechanism), ", ")
	if what != "" {
		what = ", " + what
	}
	return fmt.Sprintf("%s%s: %s to %s", metricNamed(c.Kind, q.Metric).words, what, q.Row, of)
}

func isPeer(row string) bool { return slices.Contains(peerRows(), row) }

// cell is a ratio with its spread and, where there was a choice, beside whom; bold where it is not what is wanted.
func (q ratio) cell() string {
	text := decimal(q.Value.Median, 3)
	if !q.Met {
		text = "**" + text + "**"
	}
	text += fmt.Sprintf(" (%s..%s)", decimal(q.Value.Min, 2), decimal(q.Value.Max, 2))
	if isPeer(q.To) {
		text += " " + q.To
	}
	return text
}

package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/streamq/streamq-proxy/tools/document"
)

const tree = "../.."

// The document shows what is recorded, and every trial is.
func TestDocument(t *testing.T) {
	recorded, err := readRecord(tree)
	if err != nil {
		t.Fatal(err)
	}
	var all []entry
	for _, trial := range trials() {
		e, found := recorded[trial.name]
		switch {
		case !found:
			t.Errorf("nothing is recorded of %s: run make platforms", trial.name)
		case e.System != trial.system || e.Tried != trial.tried:
			t.Errorf("%s is another trial than the one that is recorded: run make platforms", trial.name)
		case e.Failed || (e.Came == "") == (e.NotRun == "") || (e.On == "") != (e.Came == ""):
			t.Errorf("%s is neither passed nor said not to be run: %+v", trial.name, e)
		case trial.notRun != "" && e.NotRun != trial.notRun:
			t.Errorf("%s is not run for another reason: run make platforms", trial.name)
		}
		all = append(all, e)
	}
	if len(recorded) != len(all) {
		t.Errorf("%d trials are recorded, and there are %d", len(recorded), len(all))
	}
	text, err := os.ReadFile(documentFile(tree))
	if err != nil {
		t.Fatal(err)
	}
	if want := document.Made(made, "\n"+table(all)+"\n"); !strings.Contains(string(text), want) {
		t.Errorf("docs/platforms.md has another table than docs/platforms.json: want\n%s", want)
	}
}

func TestTable(t *testing.T) {
	got := table([]entry{
		{System: "A", Tried: "x", Came: "a|b", On: "2026-01-02"},
		{System: "A", Tried: "y", Came: "no", Failed: true, On: "2026-01-02"},
		{System: "B", Tried: "z", NotRun: "no B"},
	})
	const want = "| system | tried | what came of it | run on |\n|---|---|---|---|\n" +
		"| A | x | a\\|b | 2026-01-02 |\n| | y | **fails**: no | 2026-01-02 |\n| B | z | not run: no B | |\n"
	if got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
}

// What a trial needs and the machine lacks is said; what fails is no result.
func TestTry(t *testing.T) {
	p := &platform{t.TempDir(), t.TempDir()}
	if e := p.try(t.Context(), trial{name: "x", needs: []string{"no-such-command"}}); e.NotRun != "no-such-command is not installed" || e.On != "" {
		t.Errorf("%+v", e)
	}
	line := func(script string) trial {
		return trial{name: "x", run: func(ctx context.Context, p *platform) (string, error) { return p.refused(ctx, "sh", "-c", script) }}
	}
	for script, failed := range map[string]bool{
		"echo streamq-proxy: no >&2; exit 1":    false,
		"echo streamq-proxy: no >&2; exit 2":    true,
		"echo streamq-proxy: no >&2":            true,
		"exit 1":                                true,
		"echo streamq-proxy: a; echo b; exit 1": true,
	} {
		if e := p.try(t.Context(), line(script)); e.Failed != failed {
			t.Errorf("%s: %+v", script, e)
		}
	}
}

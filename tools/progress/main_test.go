package main

import (
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	const build = `{"ImportPath":"m/b","Action":"build-output","Output":"b.go:1: broken\n"}` + "\n" +
		`{"ImportPath":"m/b","Action":"build-fail"}`
	for _, c := range []struct {
		name, in string
		ok       bool
		want     []string
	}{
		{"passes", `{"Action":"run","Package":"m/a","Test":"TestX"}
{"Action":"pass","Package":"m/a","Test":"TestX","Elapsed":3}
{"Action":"pass","Package":"m/a","Elapsed":3.1}`, true, []string{"TestX", "ok    a", "1 passed, 0 failed"}},
		{"fails", `{"Action":"run","Package":"m/a","Test":"TestX"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"why it failed\n"}
{"Action":"fail","Package":"m/a","Test":"TestX","Elapsed":3}
{"Action":"fail","Package":"m/a","Elapsed":3.1}`, false, []string{"why it failed", "FAIL  m/a", "2 failed", "failed: m/a TestX\n            why it failed\n"}},
		{"cut short", `{"Action":"run","Package":"m/a","Test":"TestX"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"panic: no\n"}
{"Action":"fail","Package":"m/a","Elapsed":3.1}`, false, []string{"not finished", "panic: no", "failed: m/a TestX (not finished)"}},
		{"does not build", build, false, []string{"b.go:1: broken", "failed: m/b (does not build)"}},
		{"nothing", "", false, []string{"0 passed"}},
		{"no json", "go: no such tool", false, []string{"go: no such tool"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out, func() time.Time { return time.Time{} })
			for line := range strings.Lines(c.in) {
				r.line(line)
			}
			if ok := r.finish(); ok != c.ok {
				t.Errorf("finish() = %v, want %v", ok, c.ok)
			}
			for _, w := range c.want {
				if !strings.Contains(out.String(), w) {
					t.Errorf("%q is not in\n%s", w, out.String())
				}
			}
		})
	}
}

package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCount(t *testing.T) {
	passed, failed := count([]byte(`=== RUN   TestA
    --- PASS: TestA/x (0.01s)
    --- FAIL: TestA/y (0.02s)
        --- FAIL: TestA/y/z (0.02s)
--- FAIL: TestA (0.03s)
--- PASS: TestB (0.00s)
--- SKIP: TestC (0.00s)
    --- PASS: TestD/x (0.00s)
--- FAIL: TestD (0.00s)
`))
	if want := []string{"TestA/y/z", "TestD"}; passed != 3 || !slices.Equal(failed, want) {
		t.Errorf("%d passed and %q failed, want 3 and %q", passed, failed, want)
	}
}

func TestSaid(t *testing.T) {
	out := "=== RUN   TestA\n=== RUN   TestA/x\n    a_test.go:1: why\n=== RUN   TestB\n    b_test.go:2: no\n    --- FAIL: TestA/x (0.0s)\n"
	if got, want := said([]byte(out), "TestA/x"), "=== RUN   TestA/x\n    a_test.go:1: why\n    --- FAIL: TestA/x (0.0s)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTable(t *testing.T) {
	a, b := library{name: "A", version: "4.3.4"}, library{name: "B", version: "4.3.5"}
	m := &matrix{libraries: []library{a, b}, cells: []cell{
		{a, a, 7, nil}, {a, b, 7, nil}, {b, a, 6, []string{"TestX"}}, {b, b, 7, nil},
	}}
	const want = `
| proxy on | peers on 4.3.4 (A) | peers on 4.3.5 (B) |
|---|---|---|
| 4.3.4 (A) | all 7 | all 7 |
| 4.3.5 (B) | 6 of 7 | all 7 |

Run on 2026-01-02: 27 passed, 1 failed.
- proxy on 4.3.5 (B), peers on 4.3.4 (A): ` + "`TestX`" + ` fails

`
	if got := m.table(time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)); got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, strings.TrimSpace(want))
	}
}

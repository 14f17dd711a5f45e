package api

import (
	"cmp"
	"slices"
)

// workerSorts compare workers by a column. Those that are equal stay by pool and name.
var workerSorts = map[string]func(a, b *WorkerRow) int{
	"worker":   func(a, b *WorkerRow) int { return cmp.Compare(a.Worker, b.Worker) },
	"pool":     func(a, b *WorkerRow) int { return cmp.Compare(a.Pool, b.Pool) },
	"state":    func(a, b *WorkerRow) int { return cmp.Compare(a.State, b.State) },
	"pairs":    func(a, b *WorkerRow) int { return cmp.Compare(a.Pairs, b.Pairs) },
	"share":    func(a, b *WorkerRow) int { return cmp.Compare(a.Share, b.Share) },
	"weight":   func(a, b *WorkerRow) int { return cmp.Compare(a.Weight, b.Weight) },
	"slots":    func(a, b *WorkerRow) int { return cmp.Compare(a.Slots, b.Slots) },
	"dial":     func(a, b *WorkerRow) int { return cmp.Compare(a.DialTime.Duration(), b.DialTime.Duration()) },
	"in":       func(a, b *WorkerRow) int { return cmp.Compare(a.BytesIn, b.BytesIn) },
	"out":      func(a, b *WorkerRow) int { return cmp.Compare(a.BytesOut, b.BytesOut) },
	"served":   func(a, b *WorkerRow) int { return cmp.Compare(a.Served, b.Served) },
	"failures": func(a, b *WorkerRow) int { return cmp.Compare(a.Failures, b.Failures) },
	"lost":     func(a, b *WorkerRow) int { return cmp.Compare(a.Lost, b.Lost) },
}

// WorkerSorts are the columns that workers can be sorted by.
func WorkerSorts() []string { return columns(workerSorts) }

// sortWorkers puts workers into the order of a filter.
func sortWorkers(rows []WorkerRow, f Filter) error {
	if err := checkSort(f.Sort, workerSorts); err != nil {
		return err
	}
	if by := workerSorts[f.Sort]; by != nil {
		slices.SortStableFunc(rows, func(a, b WorkerRow) int { return by(&a, &b) })
	}
	if f.Descending {
		slices.Reverse(rows)
	}
	return nil
}

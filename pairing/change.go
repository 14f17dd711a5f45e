package pairing

// Change is something about a worker that others may want to know.
type Change uint8

// The changes.
const (
	WorkerUp    Change = iota + 1 // it takes clients, or will when it is less busy
	WorkerDown                    // it does not
	WorkerEmpty                   // it takes no new clients and has no pair left
)

// WorkerChange is one change of a worker.
type WorkerChange struct {
	Worker string
	Change Change
	State  State
}

// Watch has the table keep the changes of workers from now on, for
// [Table.Changes], which must then be called after every event.
func (t *Table) Watch() { t.watched = true }

// Changes returns the changes since the last call, in order. The slice is valid
// until the next call on the table.
func (t *Table) Changes() []WorkerChange {
	c := t.changes
	t.changes = t.changes[:0]
	return c
}

// note takes note of a change of w from what it was. Its place is next to
// [Table.place], where every change ends.
func (t *Table) note(w *worker) {
	wasReady := w.ready
	w.ready = w.usable && !w.ejected
	switch {
	case w.ready && !wasReady:
		t.warmUp(w)
		if t.cfg.Failback > 0 && t.stats.clients > 0 {
			t.failbacks.start(&w.comeback, t.now)
		}
	case wasReady && !w.ready:
		w.stayCold()
		w.comeback.leave()
	}
	if !t.watched {
		return
	}
	add := func(c Change) {
		t.changes = append(t.changes, WorkerChange{Worker: w.name, Change: c, State: w.current()})
	}
	switch {
	case w.ready && !wasReady:
		add(WorkerUp)
	case wasReady && !w.ready:
		add(WorkerDown)
	}
	empty := (w.state != Ready || w.removed) && w.load() == 0
	if empty && !w.empty {
		add(WorkerEmpty)
	}
	w.empty = empty
}

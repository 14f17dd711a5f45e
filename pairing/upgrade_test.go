package pairing

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
)

// upgrade has another table go on in the place of the machine's, by what is written down.
func (m *machine) upgrade() error {
	m.log = append(m.log, fmt.Sprintf("%v upgrade", m.now))
	for _, one := range append(machines{m}, m.all...) {
		if one.table.refuse != NoReason { // who ends gives nothing away
			return nil
		}
	}
	if m.table.habits.group != nil {
		return m.all.upgrade()
	}
	return m.replace(nil)
}

// upgrade is that of all tables of a group at once.
func (all machines) upgrade() error {
	saved := all[0].table.habits.group.Save()
	g := NewGroup(&sync.Mutex{})
	for _, m := range all {
		if err := m.replace(g); err != nil {
			return err
		}
	}
	var read SavedGroup
	if err := through(saved, &read); err != nil {
		return err
	}
	g.Restore(&read)
	var errs []error
	for _, m := range all {
		errs = append(errs, m.compare())
	}
	return errors.Join(errs...)
}

func through(saved, read any) error {
	text, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, read)
}

// replace has a new table, of a group if that is not nil, take the place of the machine's.
func (m *machine) replace(g *Group) error {
	before := m.table.Save(m.now, func(*Peer) bool { return true })
	var read Saved
	if err := through(before, &read); err != nil {
		return err
	}
	next := New(Config{QueueTimeout: 1, FinishTimeout: 1, RetryMin: 1, RetryMax: 1, Seed: uint64(m.pick(1 << 16))})
	if g != nil {
		next.Join(g, 0)
	}
	if err := next.Restore(&read, make([]any, len(read.Peers.Peers))); err != nil {
		return err
	}
	after := next.Save(m.now, func(*Peer) bool { return true })
	was, _ := json.Marshal(before)
	is, _ := json.Marshal(after)
	if string(was) != string(is) {
		return fmt.Errorf("an upgrade made\n%s\nof\n%s", is, was)
	}
	var all []PeerID
	m.table.EachPeer(func(p *Peer) bool { all = append(all, p.ID); return true })
	if left := m.table.HandOver(m.now, all); len(left) > 0 || m.table.index.n > 0 {
		return fmt.Errorf("the old table did %v, and has %d peers", left, m.table.index.n)
	}
	if err := m.table.check(); err != nil {
		return fmt.Errorf("the old table: %w", err)
	}
	m.table = next
	if g != nil {
		return nil
	}
	return m.compare()
}

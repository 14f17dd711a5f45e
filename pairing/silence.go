package pairing

import "time"

// A client that has its worker and says no more keeps the worker's room in its
// handshake, and of some libraries that of all others: they shake hands with one
// connection after another. It may while nobody is in need of it. While others wait it
// ends, when it is its turn to speak, after silentFor in place of
// Config.HandshakeTimeout, or within as long again: that is looked at every so often.
const silentFor = 2 * time.Second

// AskTurn has the table ask, by the connection of a client whose pair is not open yet,
// whether it is its turn to speak, and since when by the caller's clock. Without it no
// such client ends before the handshake's time.
func (t *Table) AskTurn(turn func(conn any) (since time.Duration, clients bool)) { t.turn = turn }

// watchSilence looks at a client every so often until its pair is open or has ended.
func (t *Table) watchSilence(c *Peer) {
	if t.turn != nil {
		t.silences.start(&c.turn, t.now) // which only those who wait need, else
	}
}

// endSilent ends a client that keeps others waiting, or looks at it again later.
func (t *Table) endSilent(c *Peer) {
	since, clients := t.turn(c.Conn)
	if clients && t.queue.len() > 0 && t.now-since >= t.silences.after {
		t.end(c, HandshakeTimeout)
		return
	}
	t.watchSilence(c)
}

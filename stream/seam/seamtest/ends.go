package seamtest

// What is promised of how connections come to their end.

// ends waits for news of an end in order behind so many reads, and has libzmq find it.
func (d door) ends(h Heard, reads uint64) {
	d.t.Helper()
	d.told(h.FD)
	if e := d.Ended(h.FD); !e.FIN || e.Reads != reads || e.Error {
		d.t.Errorf("%+v, want a FIN behind %d reads", e, reads)
	}
	d.Sever(h.FD)
	d.hear("")
}

func halfCloses(d door) {
	c, h, _ := d.call()
	c.Write("question")
	d.hear("question")
	c.End()
	d.told(h.FD)
	d.silent() // libzmq, which would close, hears nothing of it
	for range 3 {
		d.Send(h.Peer, "answer")
		if got := c.Read(6); got != "answer" {
			d.t.Errorf("the caller reads %q", got)
		}
	}
	if e := d.Ended(h.FD); !e.FIN || e.Gone || e.Error || e.Reads != 1 {
		d.t.Errorf("%+v", e)
	}
	d.must(d.Allow(h.FD, 2*plenty))
	d.silent()
	d.Sever(h.FD)
	d.hear("")
	if c.Told() {
		d.t.Error("it was reset")
	}
	d.Release(h.FD)
	d.inUse(h.FD, false)
}

func resetsBehindEnd(d door) {
	c, h, _ := d.call()
	c.End()
	d.told(h.FD)
	d.silent()
	c.Reset()
	d.told(h.FD)
	if e := d.Ended(h.FD); !e.FIN || !e.Gone || e.Error != d.Resets() {
		d.t.Errorf("%+v", e)
	}
	if _, ok := d.Sent(h.FD); ok {
		d.t.Error("it can be written to")
	}
	d.silent()
	d.Sever(h.FD)
	d.hear("")
	d.Release(h.FD)
	d.inUse(h.FD, false)
}

func resetsHeld(d door) {
	c, h, _ := d.call()
	if d.Await(h.FD, much) {
		d.t.Fatal("is so already")
	}
	c.Write("unread")
	d.silent()
	c.Reset()
	d.told(h.FD)
	if e := d.Ended(h.FD); e.FIN || !e.Gone || e.Error != d.Resets() || e.Reads != 0 {
		d.t.Errorf("%+v", e)
	}
	if !d.Await(h.FD, much) {
		d.t.Error("who cannot be written to is waited for")
	}
	d.Sever(h.FD)
	d.hear("")
	d.Release(h.FD)
	d.inUse(h.FD, false)
}

func seversByReset(d door) {
	c, h, _ := d.call()
	d.Send(h.Peer, "half of it")
	if d.Await(h.FD, 10) || len(d.News()) == 1 {
		d.Reset(h.FD)
	}
	d.hear("")
	if got := c.Read(10); got != "half of it" {
		d.t.Errorf("the caller reads %q", got)
	}
	if c.Told() != d.Resets() {
		d.t.Error("a reset, or none where there are such")
	}
	d.Release(h.FD)
	d.inUse(h.FD, false)
}

package seamtest

func pauses(d door) {
	before, _, _ := d.call()
	d.Pause(true)
	later := d.connect()
	later.Write("hello")
	d.silent()
	before.Write("still here")
	d.hear("still here")
	d.Pause(false)
	if _, b := d.born(); b.Peer != later.Name() {
		d.t.Errorf("the peer is %v, want %v", b.Peer, later.Name())
	}
	d.hear("hello")
}

// marks: who was accepted before keeps the mark of that time, whenever it is claimed.
func marks(d door) {
	if _, _, b := d.call(); b.Mark != 0 {
		d.t.Errorf("mark %d before there is one", b.Mark)
	}
	d.Mark(7)
	d.connect()
	h := d.hear("")
	d.Mark(8)
	if b, err := d.Claim(h.FD); err != nil || b.Mark != 7 {
		d.t.Errorf("%+v (%v), want mark 7", b, err)
	}
	if _, _, b := d.call(); b.Mark != 8 {
		d.t.Errorf("mark %d, want 8", b.Mark)
	}
}

func shuts(d door) {
	before, _, _ := d.call()
	d.must(d.Shut())
	d.must(d.Shut()) // as it is
	if c, err := d.Connect(); err == nil {
		c.Close()
		d.t.Error("a listener that is shut is connected to")
	}
	before.Write("still here")
	d.hear("still here")
	if err := d.Open(); (err == nil) != d.Reopens() {
		d.t.Errorf("opening: %v", err)
	}
	if !d.Reopens() {
		return
	}
	after, _, _ := d.call()
	after.Write("here, too")
	d.hear("here, too")
}

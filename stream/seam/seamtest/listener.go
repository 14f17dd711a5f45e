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

func shuts(d door) {
	before, _, _ := d.call()
	d.must(d.Shut())
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

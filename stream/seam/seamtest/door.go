package seamtest

import (
	"net/netip"

	"github.com/streamq/streamq-proxy/stream/seam"
)

// Door is one listener that an owner follows, with libzmq behind it. What is named
// like a function of package seam is that function.
type Door interface {
	// Connect has somebody call. It fails where the kernel refuses.
	Connect() (Caller, error)
	// Hear is what libzmq says next. patient: it must come; otherwise ok is false if
	// nothing has after a moment.
	Hear(patient bool) (h Heard, ok bool)
	// Send has libzmq send to a peer that it has announced; nothing closes the connection.
	Send(peer, text string)
	// InUse says whether a descriptor's number is anybody's.
	InUse(fd int) bool
	// Read is what the owner itself reads of a descriptor, n bytes of it.
	Read(fd, n int) string

	Claim(fd int) (seam.Birth, error)
	Allow(fd int, reads uint64) error
	Stop(fd int) (reads uint64, ok bool)
	Part(fd int)
	Sent(fd int) (bytes uint64, ok bool)
	Await(fd int, bytes uint64) (already bool)
	Ended(fd int) seam.End
	Sever(fd int)
	Reset(fd int)
	Release(fd int)
	// News waits until there is some.
	News() []int32
	Take(take bool)
	Shut() error
	Open() error
	Pause(paused bool)
	Mark(mark uint64)
	// EndOwner is [seam.Owner.Close].
	EndOwner()

	// Reopens says whether a listener of this kind can be opened again.
	Reopens() bool
	// Resets says whether a far end is told of a reset.
	Resets() bool
}

// Caller is the far end of a connection.
type Caller interface {
	Write(text string)
	// Read reads n bytes; fewer at the end.
	Read(n int) string
	// End ends the sending, and reading goes on.
	End()
	// Told reads to the end and says whether that was a reset.
	Told() (reset bool)
	Close()
	// Reset closes without order, as far as the transport knows of that.
	Reset()
	// Name is its own address; the zero value if it has none.
	Name() netip.AddrPort
}

// Heard is a message of libzmq's: of which peer, on which descriptor, what. An empty
// text is a notice that the peer has come or gone.
type Heard struct {
	Peer, Text string
	FD         int
}

// Package handover is what two processes of the proxy say to each other when one goes on
// in the other's place: messages with descriptors, over a socket that one has given the other.
//
//	old                                            its successor
//	 |---- the socket, by exec ------------------------->|
//	 |<------------------------------------------ Hello -|  the file is right, and is the format known?
//	 |- Offer: listeners ------------------------------->|
//	 |<----------------------------------------- Opened -|  bound; nobody is accepted yet
//	 |- Pool, for each: its table, its connections ----->|  loops stand still from here on, open pairs go on
//	 |<------------------------------------------ Ready -|  all of it is in place
//	 |- Motion: what open pairs were in the middle of -->|  pairs stand still from here on
//	 |<------------------------------------------ Taken -|  and go on in the successor
//	 |- Late: who was in a handshake then -------------->|
//	 |<------------------------------------------ Taken -|
//
// Until Taken everything is the old one's: if the successor fails, ends or is killed, the old one
// goes on as if nothing had been. The successor writes Taken before it moves the first byte, and
// what was written to a socket stays readable when its writer is dead. So whoever reads the socket
// to its end knows which of the two has the pairs, and never both have, or none. Who does not want
// to wait any longer has the other's Taken fail ([Channel.Conclude]); then nothing was taken.
//
// # Versions
//
// [Version] changes when what is said changes its meaning. Fields may be added without that:
// who does not know them leaves them out. Each side refuses a version that it does not know, and
// then nothing has changed. testdata of package stream has what was said by the last release.
package handover

// Version of what is said.
const Version = 1

// Kinds of messages.
const (
	Hello  = "hello"
	Failed = "failed" // in the place of any answer: why
	Offer  = "offer"
	Opened = "opened"
	Pool   = "pool"
	Ready  = "ready"
	Motion = "motion"
	Taken  = "taken"
	Late   = "late"
)

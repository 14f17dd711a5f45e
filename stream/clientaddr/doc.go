// Package clientaddr decides which address a worker is to see of a client: one of a
// prefix that is the client's for as long as its pair lives, or the client's own.
//
//	setting, err := clientaddr.Parse("127.64.0.0/10,stable")
//	chooser := setting.Chooser()
//	address, ok := chooser.Take(now, "192.0.2.7")   // for a dial
//	chooser.Release(later, address)                 // when the pair, or the dial, has ended
//
// # An address's life
//
//	fresh --Take--> in use --Release--> rests for a minute --> may be taken again
//
// [Each] gives every pair an address of its own: what was used longest ago comes last, as
// far as that costs little memory. [Stable] gives all pairs of one client address the
// same one, which follows from that address, and so is the same after a restart.
//
// # What it costs
//
// Take and Release look at a fixed number of addresses, however many there are and
// however many are in use. What is remembered are the addresses that are in use or
// were within the last minute, or [Remembered] where that is more; never above [MaxAddresses].
//
// # What this package does not do
//
// It is pure: no sockets, no clock (time comes in as an argument), no lock. Who calls it
// owns it.
package clientaddr

// Package seamtest is the contract of package seam as tests, and a fake that keeps
// it in memory, without a descriptor, a thread or libzmq.
//
//	seamtest.Contract(t, func(t *testing.T, take bool, reads uint64) seamtest.Door {
//		return seamtest.NewFake(take, reads)
//	})
//
// The same tests run on the fake and, in package seam, on libzmq's STREAM sockets. So a
// test of something that uses the seam may use the fake: what it does is what libzmq and
// the kernel do. The fake does nothing by itself: whatever is asked of it has everything
// happen first that could have happened by then. It is for one goroutine.
package seamtest

// Package seam stands between libzmq and the kernel, so that libzmq asks before it
// touches the descriptor of a connection that it has accepted: who comes, who is
// read, what was written and who is closed is the program's own to decide.
//
//	          libzmq's STREAM socket                   the owner (package stream)
//	  accept4   epoll_ctl   recv   send   close         Claim Allow Await Ended Sever Release
//	     │          │        │      │       │                      │
//	─────┼──────────┼────────┼──────┼───────┼──────────────────────┼──────── libc.c, table.c
//	     │          │        │      │       └ kept until both      │  one entry for
//	     │          │        │      └ counted    have let go       │  each descriptor
//	     │          │        └ not more often than allowed         │
//	     │          └ without EPOLLIN where nothing is allowed     │
//	     └ born: followed from here on, or refused (guard.c)       │
//	─────┼──────────┼────────┼──────┼───────┼──────────────────────┼────────
//	     ▼          ▼        ▼      ▼       ▼                      ▼   kernel
//
// The C functions accept4, accept, epoll_ctl, recv, send, getpeername, getsockname, fcntl and close, and for
// connections that are taken setsockopt, are defined here, as are getnameinfo, for which
// musl has no name of a unix socket's peer, and getpid, which libzmq
// calls ten times a connection, and which is asked of the kernel once for each process that fork(3) makes; and a
// program that this package is part of exports them: the dynamic linker resolves every
// library's use of these names to the program's own before libc's (ld.so(8)). What is not followed goes on to the kernel at once, behind one
// look into a table. Go's runtime makes system calls of its own and is not concerned.
//
// # What is promised
//
// Of a connection that came to a listener which [Owner.Listen] follows:
//
//   - Birth. It is known from accept(2) on, with its peer's address, even if the peer
//     has gone since. libzmq's notice names its descriptor, [Owner.Claim] tells the rest.
//   - Number. The descriptor's number belongs to it as long as libzmq or the owner has
//     it; close(2) comes when both have let go (libzmq by close, the owner by [Release]).
//     So nobody ever meets another connection under it, in whatever order they end.
//   - Hold. libzmq reads it as often as [Allow] says, and not once more. Then its sender
//     is held by the kernel, nobody else is, and its end is not announced before all that
//     came before it has been read. Writing to it goes on.
//   - Bytes. [Sent] is what libzmq has given to the kernel. [Await] answers that a count
//     has been reached, or is told as news; a wake-up is never lost. If libzmq closes
//     before, there is no news: its notice of the end says so.
//   - Take. Of a listener that takes ([Take]), libzmq never reads a byte: it is told at the
//     first look that the connection has ended, announces it, and lets go.
//     Everything that was sent to it is there for the owner to read.
//   - Part. A connection that libzmq had can be the owner's alone later, too ([Stop], [Part]): when
//     everything is heard that libzmq has read, whoever reads the descriptor next misses no byte.
//   - Half-close. A far end that has ended its sending is not lost to libzmq, which would
//     close, and drop what is still to be written: libzmq is told that nothing is there,
//     and the owner by news that all is ([Ended]). Writing goes on until the owner severs it.
//     A reset libzmq finds by itself; when it must not read, or has read all, the owner is told.
//   - End. [Sever] has libzmq find the end at once, whatever is unread or unwritten, and
//     what libzmq still has of a connection cannot keep it. [Reset] does it without a FIN.
//   - Listeners are shut, opened again, paused and left to others ([Shut], [Open], [Pause], [Abandon]) without a
//     zmq_unbind(3), which would end every connection that came that way.
//
// Of all of libzmq's listeners, followed or not ([Guard]): none of them sees EMFILE,
// ENFILE, ENOMEM or ENOBUFS, at which libzmq 4.3.4 aborts the process (ipc) or tries again
// at once, for ever (tcp). A new descriptor is the lowest that is free (open(2)), so its
// number says how many are in use: who would get too high a one is closed at once, and
// libzmq is told ECONNABORTED, a caller who has gone again, from which both of its
// listeners go on. When there is no descriptor at all, one that is kept for that purpose
// makes way; should another thread be faster to take it, the listener rests for 10 ms.
//
// # Who owns what
//
// The table is the process's, as descriptors are. An entry is changed under its lock by
// libzmq's I/O thread, which has the connection, and by its owner's one goroutine; counters
// are atomic. Locks are taken in this order: births, an entry's, an owner's. No function
// waits for anything while it has one. close, recv, send, accept4 and getpeername take none
// for descriptors that are not followed, and stay safe in a signal handler there (signal-safety(7)).
// errno is that of the system call that failed, as in libc.
//
// # What this package does not do
//
// It reads and writes no byte, and decides nothing: how often a connection is read, who is
// taken and when it ends is its owner's. It does not follow connections that libzmq opens
// (connect), and knows of sendmsg, recvfrom or readv nothing, because no libzmq uses them for a
// connection. It does not bound a listener's share.
//
// # Where it is in force
//
// Measured with Go's external linking: as PIE or not, with LTO, with -s -w, by gold, with
// -Bsymbolic, with a static libzmq, in a fully static glibc build and with musl's loader. With
// -linkmode=internal Go keeps the functions out of the program's dynamic symbols, and
// libzmq goes past them without a word. So [Check] tries all of it on a connection of its own
// when a program starts, in milliseconds, and says in one line which functions libzmq finds elsewhere.
//
// What libzmq calls for an accepted connection is the same in 4.3.4, 4.3.5 and the sources
// of 4.3.6 to be:
//
//	accept4      tcp_listener.cpp, ipc_listener.cpp: accept, once for each event; accept(2)
//	             where the build found no accept4 or no SOCK_CLOEXEC
//	getpeername  address.cpp, for stream_engine_base.cpp: without a name a message has
//	             neither Peer-Address nor __fd
//	getnameinfo  ip.cpp, for the same: of a unix socket's peer, too
//	epoll_ctl    epoll.cpp: ADD with nothing, MOD for each change of mind, DEL before close;
//	             a build with another poller (select, poll) has no hold, and Check says so
//	recv, send   tcp.cpp: tcp_read and tcp_write, for ipc as well
//	close        stream_engine_base.cpp
package seam

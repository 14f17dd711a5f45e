// The connections that are followed, by their descriptors.
#ifndef STREAMQ_TABLE_H
#define STREAMQ_TABLE_H

#include "seam.h"

#include <stdatomic.h>
#include <sys/epoll.h>

typedef enum { NOTHING, LISTENER, CONNECTION } seam_kind;

// entry is one descriptor. A connection's number belongs to it as long as libzmq or
// its owner has it, so that neither ever meets another connection under it.
typedef struct {
	atomic_uchar kind; // of a followed descriptor; changes under the lock
	// Under the lock (see seam_lock):
	unsigned char libzmq; // has it, too; its owner does as long as there is one
	unsigned char taken;  // connection: libzmq was told that it has ended, and its watch is not used
	unsigned char held;   // libzmq has read all that it may, and is not told of more
	unsigned char parked; // held, and out of the epoll instance, where its end would be told for ever
	unsigned char added;  // the kernel watches it for libzmq
	unsigned char shut, paused; // listener: does not listen; is not told of connections
	unsigned char queued; // there is news; under the owner's lock
	// Of any thread:
	atomic_uchar take;     // listener: what it accepts is taken; connection: it is
	atomic_uchar favoured; // listener: has the last descriptors, see guard.h
	atomic_uchar failed;   // writing has
	atomic_uchar ended;    // the far end has ended its sending, and libzmq is not told
	atomic_uchar gone;     // both ways have ended
	atomic_uchar error;    // by an error, which reading was told of, or polling
	seam_peer peer;
	seam_owner *owner;     // NULL where nobody owns it; under the lock
	_Atomic uint64_t mark; // listener: of what it accepts; connection: that its listener had
} seam_entry;

// watch is what more there is of a descriptor that libzmq watches. It is apart from the entry so
// that a connection which was taken, of which there may be many for long, costs no memory for it.
typedef struct {
	// Of any thread:
	_Atomic uint64_t reads, allowed;
	atomic_uchar reading;           // a read is under way that was allowed
	_Atomic uint64_t sent, awaited; // bytes; awaited UINT64_MAX for none
	// Under the lock:
	epoll_data_t data;
	int epoll;                // libzmq's instance, -1 before there is one
	uint32_t wanted, applied; // what libzmq asked for, and what the kernel was told
	// Under the owner's lock:
	int next, before; // whose news is told after and before this one's, -1 for nobody's
} seam_watch;

extern seam_entry seam_table[SEAM_DESCRIPTORS];
extern seam_watch seam_watches[SEAM_DESCRIPTORS];

static inline seam_watch *seam_watch_of(const seam_entry *e) { return &seam_watches[e - seam_table]; }

// seam_of is a followed descriptor's entry, NULL for all others.
seam_entry *seam_of(int fd);

void seam_lock(int fd);
void seam_unlock(int fd);

// seam_lock_kind is the entry of a descriptor that is of that kind, locked; NULL when it is not.
seam_entry *seam_lock_kind(int fd, seam_kind kind);

// seam_begin follows a descriptor from now on, under its lock.
seam_entry *seam_begin(int fd, seam_kind kind, seam_owner *owner, int taken);

// seam_forget forgets a descriptor, before its number can become another's.
void seam_forget(seam_entry *entry);

// seam_tell has the owner hear of a connection, under its lock.
void seam_tell(seam_entry *entry, int fd);

// seam_control is the kernel's epoll_ctl(2).
int seam_control(int epoll, int op, int fd, struct epoll_event *event);

// seam_apply has the kernel watch for what libzmq wants, less what it shall not hear of; an errno or 0.
int seam_apply(seam_entry *entry, int fd);

// seam_real_close is the kernel's close(2).
int seam_real_close(int fd);

// seam_is_ip: of other sockets the name is not kept, nor can they be opened again.
static inline int seam_is_ip(const struct sockaddr *name) {
	return name->sa_family == AF_INET || name->sa_family == AF_INET6;
}

// seam_born follows a connection that was accepted from a listener which had that mark.
void seam_born(int listener, uint64_t mark, int fd, const struct sockaddr *peer, socklen_t length);

// seam_interest is libzmq's epoll_ctl(2).
int seam_interest(seam_entry *entry, int epoll, int op, int fd, struct epoll_event *event);

// seam_hold leaves a connection unread; 0 when it may be read after all. errno may be another afterwards.
int seam_hold(seam_entry *entry, int fd);

// seam_conceal keeps from libzmq that a read has found the end of the far end's sending, and tells the owner; 0 when
// libzmq is to have it.
int seam_conceal(seam_entry *entry, int fd);

// seam_wrote takes in what a write came to: bytes, or -1.
void seam_wrote(seam_entry *entry, int fd, ssize_t bytes);

// seam_closed is libzmq's close(2).
int seam_closed(seam_entry *entry, int fd);

#define SEAM_CALLS(X) X(accept) X(interest) X(receive) X(send) X(name) X(close)
#define SEAM_COUNTER(name) extern _Atomic uint64_t seam_##name##_calls;
SEAM_CALLS(SEAM_COUNTER)
#undef SEAM_COUNTER

#endif

#define _GNU_SOURCE
#include "table.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct seam_owner {
	int wake;             // eventfd
	pthread_mutex_t lock; // is taken behind a descriptor's
	int first, last;      // whose news is told first and last, -1 for nobody's
};

// Pages that nobody has touched cost nothing.
seam_entry seam_table[SEAM_DESCRIPTORS];
seam_watch seam_watches[SEAM_DESCRIPTORS];
static _Atomic int64_t followed;
static _Atomic int highest; // descriptor that was ever followed

// Few threads ever meet at one connection, so that few locks are enough for all.
enum { LOCKS = 64 };
static pthread_mutex_t locks[LOCKS] = {[0 ... LOCKS - 1] = PTHREAD_MUTEX_INITIALIZER};

// births is held while a connection gets its owner from its listener, so that no
// owner that ends meanwhile is left with one. It is taken before a descriptor's.
static pthread_mutex_t births = PTHREAD_MUTEX_INITIALIZER;

void seam_lock(int fd) { pthread_mutex_lock(&locks[fd % LOCKS]); }

void seam_unlock(int fd) { pthread_mutex_unlock(&locks[fd % LOCKS]); }

seam_entry *seam_of(int fd) {
	if (fd < 0 || fd >= SEAM_DESCRIPTORS) return NULL;
	seam_entry *e = &seam_table[fd];
	return atomic_load(&e->kind) == NOTHING ? NULL : e;
}

int64_t seam_followed(void) { return atomic_load(&followed); }

seam_entry *seam_lock_kind(int fd, seam_kind kind) {
	if (fd < 0 || fd >= SEAM_DESCRIPTORS) return NULL;
	seam_lock(fd);
	seam_entry *e = &seam_table[fd];
	if (atomic_load(&e->kind) == kind) return e;
	seam_unlock(fd);
	return NULL;
}

static seam_entry *lock_connection(int fd) { return seam_lock_kind(fd, CONNECTION); }

int seam_real_close(int fd) { return (int)syscall(SYS_close, fd); }

int seam_control(int epoll, int op, int fd, struct epoll_event *event) {
	return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

static void wake(seam_owner *owner) {
	uint64_t one = 1;
	ssize_t written = write(owner->wake, &one, sizeof one); // full: it is readable already
	(void)written;
}

// It is put on the list of its owner's news.
void seam_tell(seam_entry *e, int fd) {
	seam_owner *o = e->owner;
	if (!o) return;
	pthread_mutex_lock(&o->lock);
	if (!e->queued) {
		e->queued = 1;
		seam_watch_of(e)->next = -1;
		seam_watch_of(e)->before = o->last;
		if (o->last >= 0)
			seam_watches[o->last].next = fd;
		else
			o->first = fd;
		o->last = fd;
		if (seam_watch_of(e)->before < 0) wake(o);
	}
	pthread_mutex_unlock(&o->lock);
}

// take_off takes a connection off its owner's list.
static void take_off(seam_owner *o, seam_entry *e) {
	if (!e->queued) return;
	e->queued = 0;
	if (seam_watch_of(e)->before >= 0)
		seam_watches[seam_watch_of(e)->before].next = seam_watch_of(e)->next;
	else
		o->first = seam_watch_of(e)->next;
	if (seam_watch_of(e)->next >= 0)
		seam_watches[seam_watch_of(e)->next].before = seam_watch_of(e)->before;
	else
		o->last = seam_watch_of(e)->before;
}

// watch_begins has nothing be known of what libzmq watches and moves.
static void watch_begins(seam_watch *w) {
	w->epoll = -1;
	w->wanted = w->applied = 0;
	atomic_store(&w->reads, 0);
	atomic_store(&w->allowed, 0);
	atomic_store(&w->reading, 0);
	atomic_store(&w->sent, 0);
	atomic_store(&w->awaited, UINT64_MAX);
}

seam_entry *seam_begin(int fd, seam_kind kind, seam_owner *owner, int taken) {
	seam_entry *e = &seam_table[fd];
	int before = atomic_load(&highest);
	while (before < fd && !atomic_compare_exchange_weak(&highest, &before, fd)) {
	}
	e->libzmq = 1;
	e->held = e->parked = e->added = e->shut = e->paused = e->queued = 0;
	e->taken = (unsigned char)taken;
	e->owner = owner;
	memset(&e->peer, 0, sizeof e->peer);
	if (!taken) watch_begins(seam_watch_of(e));
	atomic_store(&e->take, (unsigned char)taken);
	atomic_store(&e->favoured, 0);
	atomic_store(&e->mark, 0);
	atomic_store(&e->failed, 0);
	atomic_store(&e->ended, 0);
	atomic_store(&e->gone, 0);
	atomic_store(&e->error, 0);
	atomic_store(&e->kind, kind);
	return e;
}

void seam_forget(seam_entry *e) {
	if (atomic_load(&e->kind) == CONNECTION) atomic_fetch_sub(&followed, 1);
	atomic_store(&e->kind, NOTHING);
}

// Nothing is asked of the kernel where nothing changes, nor before there is anything to watch for.
int seam_apply(seam_entry *e, int fd) {
	if (e->taken) return 0; // what is taken libzmq shall leave alone
	seam_watch *w = seam_watch_of(e);
	if (w->epoll < 0 || e->parked) return 0;
	uint32_t mask = w->wanted;
	if (e->held || atomic_load(&e->ended)) mask &= ~(uint32_t)EPOLLIN;
	int silent = e->shut || e->paused;
	int op = EPOLL_CTL_MOD;
	if (silent) {
		if (!e->added) return 0;
		op = EPOLL_CTL_DEL;
	} else if (!e->added) {
		if (mask == 0) return 0;
		op = EPOLL_CTL_ADD;
	} else if (mask == w->applied) {
		return 0;
	}
	struct epoll_event event = {.events = mask, .data = w->data};
	if (seam_control(w->epoll, op, fd, &event) != 0) return errno;
	e->added = !silent;
	w->applied = mask;
	return 0;
}

seam_owner *seam_new(int wake) {
	seam_owner *o = calloc(1, sizeof *o);
	if (!o) return NULL;
	o->wake = wake;
	pthread_mutex_init(&o->lock, NULL);
	o->first = o->last = -1;
	return o;
}

// disown is the owner's letting go of a connection; 1 when it was the last who had
// it, so that it must be closed. What only libzmq has is read as libzmq likes.
static int disown(seam_entry *e, int fd) {
	pthread_mutex_lock(&e->owner->lock);
	take_off(e->owner, e);
	pthread_mutex_unlock(&e->owner->lock);
	e->owner = NULL;
	if (!e->libzmq) {
		seam_forget(e);
		return 1;
	}
	if (!e->taken) atomic_store(&seam_watch_of(e)->allowed, UINT64_MAX);
	atomic_store(&e->ended, 0); // libzmq finds it again
	e->held = e->parked = 0;
	seam_apply(e, fd);
	return 0;
}

void seam_end(seam_owner *owner) {
	pthread_mutex_lock(&births);
	int last = atomic_load(&highest);
	for (int fd = 0; fd <= last; fd++) {
		if (!seam_of(fd)) continue;
		seam_lock(fd);
		seam_entry *e = &seam_table[fd];
		seam_kind kind = atomic_load(&e->kind);
		int close_it = 0;
		if (kind != NOTHING && e->owner == owner) {
			if (kind == CONNECTION)
				close_it = disown(e, fd);
			else
				e->owner = NULL;
		}
		seam_unlock(fd);
		if (close_it) seam_real_close(fd);
	}
	pthread_mutex_unlock(&births);
	pthread_mutex_destroy(&owner->lock);
	free(owner);
}

void seam_born(int listener, uint64_t mark, int fd, const struct sockaddr *peer, socklen_t length) {
	if (fd >= SEAM_DESCRIPTORS) return; // the guard has refused it
	pthread_mutex_lock(&births);
	seam_entry *l = &seam_table[listener];
	seam_owner *owner = l->owner;
	if (owner) {
		int take = atomic_load(&l->take);
		seam_lock(fd);
		seam_entry *e = seam_begin(fd, CONNECTION, owner, take);
		if (!take) atomic_store(&seam_watch_of(e)->allowed, atomic_load(&seam_watch_of(l)->allowed));
		atomic_store(&e->mark, mark);
		if (peer && length <= sizeof e->peer && seam_is_ip(peer)) memcpy(&e->peer, peer, length);
		atomic_fetch_add(&followed, 1);
		seam_unlock(fd);
	}
	pthread_mutex_unlock(&births);
}

int seam_claim(seam_owner *owner, int fd, seam_birth *birth) {
	seam_entry *e = lock_connection(fd);
	if (!e) return ENOENT;
	int mine = e->owner == owner;
	if (mine) *birth = (seam_birth){.mark = atomic_load(&e->mark), .taken = e->taken, .peer = e->peer};
	seam_unlock(fd);
	return mine ? 0 : ENOENT;
}

int seam_interest(seam_entry *e, int epoll, int op, int fd, struct epoll_event *event) {
	seam_lock(fd);
	seam_watch *w = seam_watch_of(e);
	int error = 0;
	if (e->taken) {
		// It is not watched.
	} else if (op == EPOLL_CTL_DEL) {
		if (e->added && seam_control(epoll, op, fd, event) != 0) error = errno;
		e->added = e->parked = 0;
		w->epoll = -1;
	} else {
		w->epoll = epoll;
		w->wanted = event->events;
		w->data = event->data;
		error = seam_apply(e, fd); // libzmq is not told of what it is not to have
	}
	seam_unlock(fd);
	if (error) errno = error;
	return error ? -1 : 0;
}

int seam_allow(int fd, uint64_t reads) {
	seam_entry *e = lock_connection(fd);
	if (!e) return EBADF;
	int error = 0;
	atomic_store(&seam_watch_of(e)->allowed, reads);
	if (e->libzmq && e->held && atomic_load(&seam_watch_of(e)->reads) < reads) {
		e->held = e->parked = 0;
		error = seam_apply(e, fd);
	}
	seam_unlock(fd);
	return error;
}

int seam_stop(int fd, uint64_t *reads) {
	seam_entry *e = seam_of(fd);
	if (!e || e->taken) return 0;
	seam_watch *w = seam_watch_of(e);
	atomic_store(&w->allowed, 0);
	if (atomic_load(&w->reading)) return 0;
	*reads = atomic_load(&w->reads);
	return 1;
}

void seam_part(int fd) {
	seam_entry *e = lock_connection(fd);
	if (!e) return;
	atomic_store(&e->take, 1);
	seam_unlock(fd);
}

void seam_wrote(seam_entry *e, int fd, ssize_t bytes) {
	uint64_t sent = atomic_load(&seam_watch_of(e)->sent);
	if (bytes > 0) {
		sent = atomic_fetch_add(&seam_watch_of(e)->sent, (uint64_t)bytes) + (uint64_t)bytes;
	} else {
		atomic_store(&e->failed, 1);
	}
	if (bytes > 0 && sent < atomic_load(&seam_watch_of(e)->awaited)) return;
	seam_lock(fd);
	if (atomic_load(&e->kind) == CONNECTION && atomic_exchange(&seam_watch_of(e)->awaited, UINT64_MAX) != UINT64_MAX) seam_tell(e, fd);
	seam_unlock(fd);
}

uint64_t seam_sent(int fd) {
	seam_entry *e = seam_of(fd);
	if (!e || atomic_load(&e->failed)) return UINT64_MAX;
	return atomic_load(&seam_watch_of(e)->sent);
}

int seam_await(int fd, uint64_t bytes) {
	seam_entry *e = seam_of(fd);
	if (!e) return 1;
	atomic_store(&seam_watch_of(e)->awaited, bytes);
	if (!atomic_load(&e->failed) && atomic_load(&seam_watch_of(e)->sent) < bytes) return 0;
	atomic_store(&seam_watch_of(e)->awaited, UINT64_MAX); // news of it may be under way all the same
	return 1;
}

void seam_release(int fd) {
	seam_entry *e = lock_connection(fd);
	if (!e) return;
	int close_it = e->owner && disown(e, fd);
	seam_unlock(fd);
	if (close_it) seam_real_close(fd);
}

int seam_closed(seam_entry *e, int fd) {
	seam_lock(fd);
	int kept = 0;
	if (atomic_load(&e->kind) == CONNECTION) {
		// A descriptor that is kept would be watched on, for somebody who is no more.
		if (e->added) seam_control(seam_watch_of(e)->epoll, EPOLL_CTL_DEL, fd, NULL);
		e->libzmq = e->added = 0;
		if (!e->taken) seam_watch_of(e)->epoll = -1;
		kept = e->owner != NULL;
	}
	if (!kept) seam_forget(e);
	seam_unlock(fd);
	return kept ? 0 : seam_real_close(fd);
}

int seam_news(seam_owner *owner, int *fds, int most) {
	int n = 0;
	uint64_t count;
	ssize_t got = read(owner->wake, &count, sizeof count); // before looking: what is told from now on wakes again
	(void)got;
	pthread_mutex_lock(&owner->lock);
	while (owner->first >= 0 && n < most) {
		int fd = owner->first;
		fds[n++] = fd;
		take_off(owner, &seam_table[fd]);
	}
	if (owner->first >= 0) wake(owner);
	pthread_mutex_unlock(&owner->lock);
	return n;
}

#define _GNU_SOURCE
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

// What the owner of a listener says of it.

static seam_entry *lock_listener(int fd) { return seam_lock_kind(fd, LISTENER); }

int seam_listen(seam_owner *owner, int listener, int take, uint64_t reads) {
	if (listener < 0 || listener >= SEAM_DESCRIPTORS) return EMFILE;
	seam_lock(listener);
	seam_entry *e = seam_begin(listener, LISTENER, owner, 0);
	atomic_store(&seam_watch_of(e)->allowed, reads);
	atomic_store(&e->take, take != 0);
	seam_unlock(listener);
	return 0;
}

int seam_favour(int listener) {
	if (listener < 0 || listener >= SEAM_DESCRIPTORS) return EMFILE;
	seam_lock(listener);
	seam_entry *e = seam_of(listener);
	if (!e || atomic_load(&e->kind) != LISTENER) e = seam_begin(listener, LISTENER, NULL, 0);
	atomic_store(&e->favoured, 1);
	seam_unlock(listener);
	return 0;
}

void seam_unlisten(int listener) {
	seam_entry *e = lock_listener(listener);
	if (!e) return;
	seam_forget(e);
	seam_unlock(listener);
	seam_real_close(listener);
}

void seam_take(int listener, int take) {
	seam_entry *e = lock_listener(listener);
	if (!e) return;
	atomic_store(&e->take, take != 0);
	seam_unlock(listener);
}

int seam_shut(int listener) {
	seam_entry *e = lock_listener(listener);
	if (!e) return ENOENT;
	if (e->shut) { // a port that the kernel had chosen is not its name any more
		seam_unlock(listener);
		return 0;
	}
	e->shut = 1;
	int error = seam_apply(e, listener);
	socklen_t size = sizeof e->peer;
	if (getsockname(listener, &e->peer.any, &size) != 0 && !error) error = errno; // for seam_open
	if (shutdown(listener, SHUT_RD) != 0 && errno != ENOTCONN) error = errno;
	seam_unlock(listener);
	return error;
}

// rebind gives a listener that was shut its port again, if that was one which the
// kernel had chosen: shutdown(2) takes it, and listen(2) would take any other.
static int rebind(int listener, const struct sockaddr *name) {
	socklen_t size = name->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	return bind(listener, name, size) == 0 || errno == EINVAL ? 0 : -1; // EINVAL: it has it yet
}

int seam_open(int listener, int backlog) {
	seam_entry *e = lock_listener(listener);
	if (!e) return ENOENT;
	int error = 0;
	const struct sockaddr *name = &e->peer.any;
	if (!e->shut) {
		error = EALREADY;
	} else if (!seam_is_ip(name)) {
		error = EOPNOTSUPP; // listen(2) would say nothing, and have accept(2) fail at once, for ever
	} else if (rebind(listener, name) != 0 || listen(listener, backlog) != 0) {
		error = errno;
	} else {
		e->shut = 0;
		error = seam_apply(e, listener);
	}
	seam_unlock(listener);
	return error;
}

int seam_abandon(int listener) {
	int none = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (none < 0) return errno;
	int error = ENOENT;
	seam_entry *e = lock_listener(listener);
	if (e) {
		// The kernel watches what a number stood for as long as anybody has that, and another process does.
		e->paused = 1;
		error = seam_apply(e, listener);
		if (!error && dup3(none, listener, O_CLOEXEC) < 0) error = errno;
		seam_unlock(listener);
	}
	seam_real_close(none);
	return error;
}

void seam_mark(int listener, uint64_t mark) {
	seam_entry *e = lock_listener(listener);
	if (!e) return;
	atomic_store(&e->mark, mark);
	seam_unlock(listener);
}

void seam_pause(int listener, int paused) {
	seam_entry *e = lock_listener(listener);
	if (!e) return;
	e->paused = paused != 0;
	seam_apply(e, listener);
	seam_unlock(listener);
}

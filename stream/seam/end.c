#define _GNU_SOURCE
#include "table.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>

// How a connection comes to its end, or is left unread before it.

// hung_up says whether both ways of a connection have ended, and notes it. Of news of that, and of the
// error, the owner has no other source: libzmq has to read to find out, and must not.
static int hung_up(seam_entry *e, int fd) {
	struct pollfd p = {.fd = fd};
	if (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLHUP | POLLERR))) return 0;
	if (p.revents & POLLERR) atomic_store(&e->error, 1);
	atomic_store(&e->failed, 1); // libzmq would not be told of room, either
	atomic_store(&seam_watch_of(e)->awaited, UINT64_MAX);
	atomic_store(&e->gone, 1);
	seam_tell(e, fd);
	return 1;
}

int seam_hold(seam_entry *e, int fd) {
	seam_lock(fd);
	int ended = atomic_load(&e->ended);
	int hold = !atomic_load(&e->take) && (ended || atomic_load(&seam_watch_of(e)->reads) >= atomic_load(&seam_watch_of(e)->allowed));
	if (hold && !ended && !e->held) {
		e->held = 1;
		seam_apply(e, fd);
	} else if (hold && e->added && hung_up(e, fd)) {
		// An error or the end of both ways is announced whatever is asked for, again and again.
		seam_control(seam_watch_of(e)->epoll, EPOLL_CTL_DEL, fd, NULL);
		e->added = 0;
		e->parked = 1;
	}
	seam_unlock(fd);
	return hold;
}

int seam_conceal(seam_entry *e, int fd) {
	seam_lock(fd);
	int conceal = atomic_load(&e->kind) == CONNECTION && e->owner && !atomic_load(&e->take);
	if (conceal && !atomic_exchange(&e->ended, 1)) {
		seam_apply(e, fd);
		seam_tell(e, fd);
	}
	seam_unlock(fd);
	return conceal;
}

seam_state seam_ended(int fd) {
	seam_state s = {0};
	seam_entry *e = seam_of(fd);
	if (!e) return s;
	s.fin = atomic_load(&e->ended); // before reads, of which there are no more then
	s.gone = atomic_load(&e->gone);
	s.error = atomic_load(&e->error);
	s.reads = atomic_load(&seam_watch_of(e)->reads);
	return s;
}

// abort_connection has the kernel send a reset at once and forget what it holds (connect(2), AF_UNSPEC): a
// shutdown would say FIN before that, and a close with SO_LINGER is libzmq's to make. 0, or -1 for a unix socket.
static int abort_connection(const seam_entry *e, int fd) {
	if (!seam_is_ip(&e->peer.any)) return -1;
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	return connect(fd, &none, sizeof none);
}

void seam_sever(int fd, int reset) {
	seam_entry *e = seam_lock_kind(fd, CONNECTION);
	if (!e) return;
	atomic_store(&e->take, 1);
	if (!reset || abort_connection(e, fd) != 0) shutdown(fd, SHUT_RDWR);
	if (e->libzmq) {
		atomic_store(&e->ended, 0);
		e->held = e->parked = 0;
		seam_apply(e, fd);
	}
	seam_unlock(fd);
}

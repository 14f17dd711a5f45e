// The functions of the C library that libzmq calls for a connection, as it finds them.
#define _GNU_SOURCE
#include "guard.h"
#include "table.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FOUND_BY_LIBZMQ __attribute__((visibility("default")))

#define COUNTER(name) _Atomic uint64_t seam_##name##_calls;
SEAM_CALLS(COUNTER)

static void called(_Atomic uint64_t *calls) { atomic_fetch_add_explicit(calls, 1, memory_order_relaxed); }

void seam_count(seam_calls *calls) {
#define READ(name) calls->name = atomic_load(&seam_##name##_calls);
	SEAM_CALLS(READ)
}

// connection is a followed connection's entry, NULL for all others.
static seam_entry *connection(int fd) {
	seam_entry *e = seam_of(fd);
	return e && atomic_load(&e->kind) == CONNECTION ? e : NULL;
}

FOUND_BY_LIBZMQ int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags) {
	seam_entry *l = seam_of(listener);
	if (!l) return seam_accept(listener, 0, address, length, flags);
	called(&seam_accept_calls);
	struct sockaddr_storage peer;
	socklen_t size = sizeof peer;
	uint64_t mark = atomic_load(&l->mark);
	int fd = seam_accept(listener, atomic_load(&l->favoured), &peer, &size, flags | SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		// A listener that was shut says EINVAL, which libzmq takes for a mistake of its own.
		if (errno == EINVAL) errno = ECONNABORTED;
		return fd;
	}
	if (mark != atomic_load(&l->mark)) { // nobody knows which of the two it had
		seam_real_close(fd);
		errno = ECONNABORTED;
		return -1;
	}
	seam_born(listener, mark, fd, (struct sockaddr *)&peer, size);
	if (address && length) {
		memcpy(address, &peer, size < *length ? size : *length);
		*length = size;
	}
	return fd;
}

FOUND_BY_LIBZMQ int accept(int listener, struct sockaddr *address, socklen_t *length) {
	return accept4(listener, address, length, 0);
}

FOUND_BY_LIBZMQ int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event) {
	seam_entry *e = seam_of(fd);
	if (!e) return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
	called(&seam_interest_calls);
	return seam_interest(e, epoll, op, fd, event);
}

// may_read says whether libzmq may read, and then notes that it does, so that whoever stops it knows (seam_stop).
static int may_read(seam_entry *e) {
	if (atomic_load(&e->take)) return 0;
	seam_watch *w = seam_watch_of(e);
	atomic_store(&w->reading, 1);
	int may = !atomic_load(&e->ended) && atomic_load(&w->reads) < atomic_load(&w->allowed);
	if (may && !atomic_load(&e->take)) return 1; // in this order: who is released may be read, and is taken before
	atomic_store(&w->reading, 0);
	return 0;
}

FOUND_BY_LIBZMQ ssize_t recv(int fd, void *buffer, size_t size, int flags) {
	seam_entry *e = connection(fd);
	if (!e) return syscall(SYS_recvfrom, fd, buffer, size, flags, NULL, NULL);
	called(&seam_receive_calls);
	while (!may_read(e)) {
		if (atomic_load(&e->take)) return 0; // the end: libzmq lets go of it
		if (seam_hold(e, fd)) {
			errno = EAGAIN;
			return -1;
		}
	}
	ssize_t n = syscall(SYS_recvfrom, fd, buffer, size, flags, NULL, NULL);
	if (n > 0) atomic_fetch_add(&seam_watch_of(e)->reads, 1);
	atomic_store(&seam_watch_of(e)->reading, 0);
	if (n == 0 && size > 0 && seam_conceal(e, fd)) {
		errno = EAGAIN;
		return -1;
	} else if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
		atomic_store(&e->error, 1);
	}
	return n;
}

FOUND_BY_LIBZMQ ssize_t send(int fd, const void *bytes, size_t size, int flags) {
	seam_entry *e = connection(fd);
	if (!e) return syscall(SYS_sendto, fd, bytes, size, flags, NULL, 0);
	called(&seam_send_calls);
	ssize_t n = syscall(SYS_sendto, fd, bytes, size, flags | MSG_NOSIGNAL, NULL, 0);
	int error = errno;
	if (n > 0 || (n < 0 && error != EAGAIN && error != EWOULDBLOCK && error != EINTR)) seam_wrote(e, fd, n);
	errno = error;
	return n;
}

FOUND_BY_LIBZMQ int getpeername(int fd, struct sockaddr *address, socklen_t *length) {
	seam_entry *e = connection(fd);
	sa_family_t family = e ? e->peer.any.sa_family : AF_UNSPEC;
	if (family == AF_UNSPEC) return (int)syscall(SYS_getpeername, fd, address, length);
	called(&seam_name_calls);
	// As accept4(2) told it: who has gone since has a name all the same.
	socklen_t size = family == AF_INET ? sizeof e->peer.in : sizeof e->peer.in6;
	memcpy(address, &e->peer, size < *length ? size : *length);
	*length = size;
	return 0;
}

typedef int named(const struct sockaddr *, socklen_t, char *, socklen_t, char *, socklen_t, int);

#ifdef LIBZMQ_STATIC
// There is no next one: tools/static.sh has libzmq call ours by this name, and getnameinfo is libc's.
#define GETNAMEINFO seam_getnameinfo
static named *real_getnameinfo(void) { return getnameinfo; }
#else
#define GETNAMEINFO getnameinfo
static named *real_getnameinfo(void) {
	static _Atomic(named *) found; // asked for at each connection, and the dynamic linker looks through all libraries
	named *real = atomic_load(&found);
	if (!real) atomic_store(&found, real = (named *)dlsym(RTLD_NEXT, "getnameinfo"));
	return real;
}
#endif

// libzmq's messages have a descriptor only where the peer has a name. That of a unix socket is localhost in glibc, and musl
// has none for it.
FOUND_BY_LIBZMQ int GETNAMEINFO(const struct sockaddr *of, socklen_t length, char *host, socklen_t room, char *port, socklen_t port_room, int flags) {
	static const char local[] = "localhost";
	if (of->sa_family == AF_UNIX && host && room >= sizeof local && !port) {
		memcpy(host, local, sizeof local);
		return 0;
	}
	named *real = real_getnameinfo();
	return real ? real(of, length, host, room, port, port_room, flags) : EAI_SYSTEM;
}

// What libzmq asks of a connection at its beginning, and is known, is answered without a system call: its own
// name, which libzmq only tells monitors of sockets, is none, and accept4 has made it as libzmq wants it.
FOUND_BY_LIBZMQ int getsockname(int fd, struct sockaddr *address, socklen_t *length) {
	seam_entry *e = connection(fd);
	if (!e || e->peer.any.sa_family == AF_UNSPEC) return (int)syscall(SYS_getsockname, fd, address, length);
	struct sockaddr_in6 none = {.sin6_family = e->peer.any.sa_family};
	socklen_t size = none.sin6_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof none;
	memcpy(address, &none, size < *length ? size : *length);
	*length = size;
	return 0;
}

FOUND_BY_LIBZMQ int fcntl(int fd, int command, ...) {
	va_list arguments;
	va_start(arguments, command);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);
	if (connection(fd)) {
		if (command == F_GETFL) return O_RDWR | O_NONBLOCK;
		if (command == F_SETFL || command == F_SETFD) return 0;
	}
	return (int)syscall(SYS_fcntl, fd, command, argument);
}

// What is taken is none of libzmq's business.
FOUND_BY_LIBZMQ int setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
	seam_entry *e = connection(fd);
	if (e && e->taken) return 0;
	return (int)syscall(SYS_setsockopt, fd, level, name, value, length);
}

// libzmq asks who it is before and behind each wake-up of another thread of its own, lest it goes on
// in a child of fork(2); no C library has kept the answer since glibc 2.25.
static _Atomic pid_t own_pid;

static void forget_pid(void) { atomic_store(&own_pid, 0); }

__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, forget_pid); }

FOUND_BY_LIBZMQ pid_t getpid(void) {
	pid_t pid = atomic_load_explicit(&own_pid, memory_order_relaxed);
	if (pid == 0) {
		pid = (pid_t)syscall(SYS_getpid);
		atomic_store_explicit(&own_pid, pid, memory_order_relaxed);
	}
	return pid;
}

FOUND_BY_LIBZMQ int close(int fd) {
	seam_entry *e = seam_of(fd);
	if (!e) return (int)syscall(SYS_close, fd);
	called(&seam_close_calls);
	return seam_closed(e, fd);
}

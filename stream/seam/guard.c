#define _GNU_SOURCE
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { REST = 10 * 1000 * 1000 }; // ns, see rest

static atomic_int most_of_all = INT_MAX, most_of_favoured = INT_MAX;
static _Atomic uint64_t refused;

static pthread_mutex_t discarding = PTHREAD_MUTEX_INITIALIZER;
static int seed = -1;  // what the spare one is a duplicate of; both are of discarding
static int spare = -1; // kept open to be closed when there is no other

// keep_spare opens the spare descriptor, behind all bounds if it can be there, so
// that no connection is let in that got its place.
static void keep_spare(void) {
	spare = fcntl(seed, F_DUPFD_CLOEXEC, atomic_load(&most_of_favoured));
	if (spare < 0) spare = fcntl(seed, F_DUPFD_CLOEXEC, 0);
}

static void drop_spare(void) {
	if (spare >= 0) syscall(SYS_close, spare);
}

int seam_guard(int most, int last) {
	atomic_store(&most_of_all, most);
	atomic_store(&most_of_favoured, last);
	pthread_mutex_lock(&discarding);
	if (seed < 0) seed = eventfd(0, EFD_CLOEXEC);
	drop_spare();
	keep_spare();
	int error = spare < 0 ? errno : 0;
	pthread_mutex_unlock(&discarding);
	return error;
}

uint64_t seam_refused(void) { return atomic_load(&refused); }

static int most(int favoured) { return atomic_load(favoured ? &most_of_favoured : &most_of_all); }

static int take(int listener, void *address, void *length, int flags) {
	return (int)syscall(SYS_accept4, listener, address, length, flags);
}

static void refuse(int fd) {
	atomic_fetch_add(&refused, 1); // first, so that who is closed is counted
	syscall(SYS_close, fd);
}

// want says whether accept failed because the process or the system has too little.
static int want(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS; }

// rest lets the caller, who comes again at once as long as somebody waits to be
// accepted, have a moment in which not even that can be changed.
static void rest(void) { nanosleep(&(struct timespec){.tv_nsec = REST}, NULL); }

// discard closes the connection that waits and has no descriptor, in the place of
// the spare one. Another thread may take that place first: then nothing can be
// closed until something becomes free, the spare one comes back as well.
static void discard(int listener) {
	pthread_mutex_lock(&discarding);
	drop_spare();
	int fd = take(listener, NULL, NULL, 0);
	int error = errno;
	if (fd >= 0) refuse(fd);
	keep_spare();
	pthread_mutex_unlock(&discarding);
	if (fd < 0 && want(error)) rest();
}

// passes says whether the caller has to learn of an error of accept(2): that
// nothing is there, or that its own arguments are wrong. All others are the
// network's or the firewall's about one connection.
static int passes(int error) {
	switch (error) {
	case EAGAIN:
	case EINTR:
	case EBADF:
	case EFAULT:
	case EINVAL:
	case ENOTSOCK:
		return 1;
	}
	return 0;
}

int seam_accept(int listener, int favoured, void *address, void *length, int flags) {
	int fd = take(listener, address, length, flags);
	if (fd >= 0 && fd < most(favoured)) return fd;
	if (fd >= 0)
		refuse(fd);
	else if (passes(errno))
		return -1;
	else if (want(errno))
		discard(listener);
	errno = ECONNABORTED;
	return -1;
}

// What a static build needs beside libc.c. musl has all of epoll(7) in one object of
// libc.a, and a linker takes an object as a whole: libzmq's use of any of these would
// bring a second epoll_ctl.
#ifdef LIBZMQ_STATIC

#define _GNU_SOURCE
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

int epoll_create1(int flags) { return (int)syscall(SYS_epoll_create1, flags); }

int epoll_create(int size) {
	(void)size; // the kernel has not looked at it since 2.6.8
	return epoll_create1(0);
}

int epoll_pwait(int epoll, struct epoll_event *events, int most, int timeout, const sigset_t *mask) {
	enum { KERNEL_SET = 64 / 8 }; // bytes of the kernel's signal set, whatever sigset_t is
	return (int)syscall(SYS_epoll_pwait, epoll, events, most, timeout, mask, KERNEL_SET);
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout) { return epoll_pwait(epoll, events, most, timeout, NULL); }

#endif

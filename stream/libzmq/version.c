#define _GNU_SOURCE
#include "version.h"

#include <zmq.h>

#ifdef LIBZMQ_STATIC

// What was linked is what was compiled with: there is one libzmq, and one answer.
void libzmq_version(int *major, int *minor, int *patch) { zmq_version(major, minor, patch); }

#else

#include <dlfcn.h>

// pebbe/zmq4's own, the version of the headers that it was compiled with. Weak: a
// pebbe/zmq4 that has no such variables is told the truth.
extern int zmq4_major __attribute__((weak));
extern int zmq4_minor __attribute__((weak));
extern int zmq4_patch __attribute__((weak));

void libzmq_version(int *major, int *minor, int *patch) {
	*major = *minor = *patch = 0;
	// The next one after the program's own, which is zmq_version below.
	void (*next)(int *, int *, int *) = (void (*)(int *, int *, int *))dlsym(RTLD_NEXT, "zmq_version");
	if (next) next(major, minor, patch);
}

static int compiled_for(int major, int minor) {
	return &zmq4_major && &zmq4_minor && &zmq4_patch && major == zmq4_major && minor >= zmq4_minor;
}

// zmq_version is what pebbe/zmq4 asks, see doc.go.
void zmq_version(int *major, int *minor, int *patch) {
	libzmq_version(major, minor, patch);
	if (!compiled_for(*major, *minor)) return;
	*minor = zmq4_minor;
	*patch = zmq4_patch;
}

#endif

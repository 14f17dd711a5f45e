// The version of the libzmq that is loaded, and what pebbe/zmq4 is told of it.
#ifndef STREAMQ_LIBZMQ_VERSION_H
#define STREAMQ_LIBZMQ_VERSION_H

// libzmq_version is zmq_version(3) of the libzmq that is loaded; zeros if there is none.
void libzmq_version(int *major, int *minor, int *patch);

#endif

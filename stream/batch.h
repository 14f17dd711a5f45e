// Several messages of a ZMQ_STREAM socket by one call from Go.
#ifndef STREAMQ_BATCH_H
#define STREAMQ_BATCH_H

#include <stddef.h>
#include <stdint.h>

enum {
	BATCH_MESSAGES = 64, // at most in one batch
	BATCH_BODY = 8192,   // libzmq's largest read from a peer, and so the largest body
	BATCH_BYTES = BATCH_MESSAGES * BATCH_BODY,
	BATCH_ADDRESS = 128, // with its 0: an IP address, or localhost:uid:gid:pid
};

// batch_run is what one peer said without anything between: bytes, or one notice.
typedef struct {
	uint32_t peer;
	uint32_t messages;
	uint32_t last; // length of the last message
	uint32_t offset, length; // of the bytes; length 0 is a notice
	int32_t fd;              // notice: libzmq's own descriptor, -1 when unknown
	char address[BATCH_ADDRESS];
} batch_run;

typedef struct {
	int32_t runs, messages;
	int32_t empty; // there was nothing more
	batch_run run[BATCH_MESSAGES];
} batch;

// batch_receive takes up to most messages, without waiting. The runs of a peer
// are in order; those of different peers come one peer after the other.
// 0, or errno: EPROTO when the socket has lost step, EMSGSIZE for a body that
// libzmq should not have made.
int batch_receive(void *socket, batch *b, unsigned char *bytes, int most);

enum { BATCH_TAKEN, BATCH_FULL, BATCH_GONE, BATCH_OUT_OF_STEP };

// batch_send sends one message, without waiting; length 0 closes the peer.
int batch_send(void *socket, uint32_t peer, const unsigned char *bytes, size_t length);

// batch_events has libzmq work off its commands: ZMQ_POLLIN and ZMQ_POLLOUT, or -errno.
int batch_events(void *socket);

#endif

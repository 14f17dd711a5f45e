#include "batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

typedef struct {
	uint32_t peer;
	int next; // of the same peer, -1 for none
	zmq_msg_t body;
} message;

// A signal may end any call early; Go's runtime sends many.
static int receive_frame(zmq_msg_t *frame, void *socket, int flags) {
	int n;
	do n = zmq_msg_recv(frame, socket, flags);
	while (n < 0 && errno == EINTR);
	return n;
}

static int send_frame(zmq_msg_t *frame, void *socket, int flags) {
	int n;
	do n = zmq_msg_send(frame, socket, flags);
	while (n < 0 && errno == EINTR);
	return n;
}

// The frame is a 0 and four octets, most significant first.
enum { ID_LENGTH = 5 };

static uint32_t id_of(const unsigned char *f) {
	return (uint32_t)f[1] << 24 | (uint32_t)f[2] << 16 | (uint32_t)f[3] << 8 | f[4];
}

// receive_message takes one message: 0, or errno, EAGAIN when there is none.
// The body is there without waiting, because STREAM queues both frames at once.
static int receive_message(void *socket, message *m) {
	zmq_msg_t id;
	zmq_msg_init(&id);
	int n = receive_frame(&id, socket, ZMQ_DONTWAIT);
	if (n >= 0) m->peer = n == ID_LENGTH ? id_of(zmq_msg_data(&id)) : 0;
	int error = n < 0 ? errno : n != ID_LENGTH || !zmq_msg_more(&id) ? EPROTO : 0;
	zmq_msg_close(&id);
	if (error) return error;
	zmq_msg_init(&m->body);
	n = receive_frame(&m->body, socket, 0);
	if (n >= 0 && n <= BATCH_BODY) return 0;
	error = n < 0 ? errno : EMSGSIZE;
	zmq_msg_close(&m->body);
	return error;
}

static void describe(batch_run *run, zmq_msg_t *notice) {
	const char *fd = zmq_msg_gets(notice, "__fd");
	const char *address = zmq_msg_gets(notice, "Peer-Address");
	run->fd = fd ? atoi(fd) : -1;
	strncpy(run->address, address ? address : "", BATCH_ADDRESS - 1);
	run->address[BATCH_ADDRESS - 1] = 0;
}

// add puts a message behind those that the batch has, into the last run if that
// can take it.
static void add(batch *b, unsigned char *bytes, uint32_t *used, message *m) {
	uint32_t length = (uint32_t)zmq_msg_size(&m->body);
	batch_run *run = b->runs > 0 ? &b->run[b->runs - 1] : NULL;
	if (!run || run->peer != m->peer || run->length == 0 || length == 0) {
		run = &b->run[b->runs++];
		run->peer = m->peer;
		run->messages = 0;
		run->offset = *used;
		run->length = 0;
		if (length == 0) describe(run, &m->body);
	}
	memcpy(bytes + *used, zmq_msg_data(&m->body), length);
	run->messages++;
	run->last = length;
	run->length += length;
	*used += length;
	zmq_msg_close(&m->body);
}

// latest is the last of n messages that is of the same peer as the next one.
static int latest(const message *m, int n) {
	for (int i = n - 1; i >= 0; i--)
		if (m[i].peer == m[n].peer) return i;
	return -1;
}

int batch_receive(void *socket, batch *b, unsigned char *bytes, int most) {
	message m[BATCH_MESSAGES];
	unsigned char first[BATCH_MESSAGES];
	int n = 0, error = 0;
	if (most > BATCH_MESSAGES) most = BATCH_MESSAGES;
	for (; n < most; n++) {
		error = receive_message(socket, &m[n]);
		if (error) break;
		int before = latest(m, n);
		m[n].next = -1;
		first[n] = before < 0;
		if (before >= 0) m[before].next = n;
	}
	b->runs = 0;
	b->messages = n;
	b->empty = error == EAGAIN;
	uint32_t used = 0;
	for (int i = 0; i < n; i++) {
		if (!first[i]) continue;
		for (int j = i; j >= 0; j = m[j].next) add(b, bytes, &used, &m[j]);
	}
	return b->empty ? 0 : error;
}

int batch_send(void *socket, uint32_t peer, const unsigned char *bytes, size_t length) {
	zmq_msg_t id, body;
	// The body comes first: once the id was taken nothing may keep the body back.
	if (zmq_msg_init_size(&body, length) != 0) return BATCH_FULL;
	if (length > 0) memcpy(zmq_msg_data(&body), bytes, length);
	zmq_msg_init_size(&id, ID_LENGTH);
	unsigned char *f = zmq_msg_data(&id);
	f[0] = 0;
	f[1] = (unsigned char)(peer >> 24);
	f[2] = (unsigned char)(peer >> 16);
	f[3] = (unsigned char)(peer >> 8);
	f[4] = (unsigned char)peer;
	if (send_frame(&id, socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
		int outcome = errno == EAGAIN ? BATCH_FULL : BATCH_GONE; // EHOSTUNREACH
		zmq_msg_close(&id);
		zmq_msg_close(&body);
		// A body now would cost the socket its step, and every later message to
		// anyone would be lost.
		return outcome;
	}
	// Taken or silently dropped (the peer went this instant); never refused.
	if (send_frame(&body, socket, 0) < 0) {
		zmq_msg_close(&body);
		return BATCH_OUT_OF_STEP;
	}
	return BATCH_TAKEN;
}

int batch_events(void *socket) {
	int state, error;
	size_t size = sizeof state;
	do error = zmq_getsockopt(socket, ZMQ_EVENTS, &state, &size) == 0 ? 0 : errno;
	while (error == EINTR);
	return error ? -error : state;
}

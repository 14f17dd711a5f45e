// The worker of the benchmark: counts messages or sends them back, as their first byte says.
//
//   worker socket=dealer|router bind=ENDPOINT | connect=ENDPOINT slots=N   hwm=N server-secret=KEY
#include "common.h"

enum { MOST_PARTS = 8 };

static void set_up(void *socket) {
	const char *secret = text("server-secret", NULL);
	if (secret) {
		option_int(socket, ZMQ_CURVE_SERVER, 1);
		option_text(socket, ZMQ_CURVE_SECRETKEY, secret);
	}
	const char *bind = text("bind", NULL);
	if (bind) {
		char endpoint[256];
		size_t size = sizeof endpoint;
		option_int(socket, ZMQ_BACKLOG, 4096);
		if (zmq_bind(socket, bind) != 0) die("zmq_bind");
		if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size) != 0) die("ZMQ_LAST_ENDPOINT");
		printf("ready %s\n", endpoint);
	} else {
		// A slot whose client has left is to be back at once.
		option_int(socket, ZMQ_IMMEDIATE, 1);
		option_int(socket, ZMQ_RECONNECT_IVL, 1);
		for (long i = number("slots", 1); i > 0; i--)
			if (zmq_connect(socket, text("connect", "")) != 0) die("zmq_connect");
		printf("ready\n");
	}
	fflush(stdout);
}

static void send_back(void *socket, zmq_msg_t *parts, int n) {
	for (int i = 0; i < n; i++)
		if (zmq_msg_send(&parts[i], socket, i < n - 1 ? ZMQ_SNDMORE : 0) < 0 && errno != EHOSTUNREACH) die("zmq_msg_send");
}

// report puts the count in the place of a message, behind whatever says whom it is from.
static void report(void *socket, zmq_msg_t *parts, int n, uint64_t count) {
	zmq_msg_t *last = &parts[n - 1];
	zmq_msg_close(last);
	zmq_msg_init_size(last, SMALLEST);
	memset(zmq_msg_data(last), 0, SMALLEST);
	memcpy((char *)zmq_msg_data(last) + COUNT_AT, &count, sizeof count);
	send_back(socket, parts, n);
}

static void serve(void *socket) {
	zmq_msg_t parts[MOST_PARTS];
	uint64_t count = 0;
	for (int i = 0; i < MOST_PARTS; i++) zmq_msg_init(&parts[i]);
	for (;;) {
		int n = 0;
		do {
			if (n == MOST_PARTS) { errno = EMSGSIZE; die("zmq_msg_recv"); }
			if (zmq_msg_recv(&parts[n], socket, 0) < 0) {
				if (errno == EINTR && n == 0) { n = -1; break; }
				die("zmq_msg_recv");
			}
		} while (zmq_msg_more(&parts[n++]));
		if (n <= 0 || zmq_msg_size(&parts[n - 1]) < SMALLEST) continue;
		count++;
		switch (*(char *)zmq_msg_data(&parts[n - 1])) {
		case KIND_ECHO: send_back(socket, parts, n); break;
		case KIND_REPORT: report(socket, parts, n, count);
		}
	}
}

int main(int argc, char **argv) {
	arg_count = argc;
	arg_values = argv;
	void *socket = new_socket(new_context(), strcmp(text("socket", ""), "router") == 0 ? ZMQ_ROUTER : ZMQ_DEALER);
	set_up(socket);
	serve(socket);
}

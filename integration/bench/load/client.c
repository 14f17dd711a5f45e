// The client of the benchmark. Its sockets are DEALERs where nothing else is said.
//
//   client do=throughput endpoint=E size=N count=N warm=N window=N   one connection, one way
//   client do=roundtrip  endpoint=E size=N count=N warm=N clients=N  one request under way at each client
//   client do=connect    endpoint=E size=N count=N warm=N clients=N  connect, one round trip, close; so many at once
//   client do=oneshot    endpoint=E size=N count=N warm=N clients=N  the same by REQ sockets
//   client do=idle       endpoint=E size=N count=N                   connect and stay
//
// All take hwm=N and patience=MS, and for CURVE server-public=KEY client-public=KEY client-secret=KEY.
#include "common.h"
#include <sys/epoll.h>
#include <unistd.h>

enum { AT_ONCE = 64, BY_REFERENCE = 65536 };

static void *context;
static char *payload; // of a request
static int patience;  // milliseconds, for whatever is to come
static int type = ZMQ_DEALER;
static size_t size;

typedef struct {
	void *socket;
	uint64_t since; // when the request under way began
} peer;

static void *connected(void) {
	void *socket = new_socket(context, type);
	const char *key = text("server-public", NULL);
	if (key) {
		option_text(socket, ZMQ_CURVE_SERVERKEY, key);
		option_text(socket, ZMQ_CURVE_PUBLICKEY, text("client-public", ""));
		option_text(socket, ZMQ_CURVE_SECRETKEY, text("client-secret", ""));
	}
	// Where messages were lost the rest waits in vain: it is to end, and to say so.
	option_int(socket, ZMQ_RCVTIMEO, patience);
	option_int(socket, ZMQ_SNDTIMEO, patience);
	if (zmq_connect(socket, text("endpoint", "")) != 0) die("zmq_connect");
	return socket;
}

// ---- throughput ----

static long sent, arrived; // messages, over the whole connection

static void keep(void *data, void *hint) { (void)data, (void)hint; }

// send_one sends a message; a large one without a copy, so that its bytes must stay as they are.
static void send_one(void *socket, char *bytes) {
	if (size < BY_REFERENCE) {
		if (zmq_send(socket, bytes, size, 0) < 0) die("zmq_send");
	} else {
		zmq_msg_t message;
		zmq_msg_init_data(&message, bytes, size, keep, NULL);
		if (zmq_msg_send(&message, socket, 0) < 0) die("zmq_msg_send");
	}
	sent++;
}

static void hear_report(void *socket) {
	char reply[SMALLEST];
	uint64_t count;
	if (zmq_recv(socket, reply, sizeof reply, 0) < 0) die("the worker does not report");
	memcpy(&count, reply + COUNT_AT, sizeof count);
	arrived = (long)count;
}

// deliver sends so many messages and waits until the worker has them all. At most window bytes of them, and at least
// two messages, are under way at a time: the flow control by credit that the ZeroMQ guide has for bulk. Without it, who
// is faster than the worker would fill the memory of whatever cannot hold a sender back.
static void deliver(void *socket, long count) {
	static char *counted, *reported;
	long window = number("window", 1) / (long)size;
	if (window < 2) window = 2;
	long stride = window / 4 ? window / 4 : 1, last = sent + count;
	if (!counted) {
		counted = calloc(1, size);
		reported = calloc(1, size);
		counted[0] = KIND_COUNT;
		reported[0] = KIND_REPORT;
	}
	while (sent < last) {
		while (sent - arrived >= window) hear_report(socket);
		send_one(socket, (sent + 1) % stride == 0 || sent + 1 == last ? reported : counted);
	}
	while (arrived < last) hear_report(socket);
}

static void throughput(void) {
	void *socket = connected();
	deliver(socket, number("warm", 1));
	report_ready("");
	uint64_t begin = now_ns();
	deliver(socket, number("count", 1));
	printf("result seconds=%.9f\n", (double)(now_ns() - begin) / 1e9);
}

// ---- many connections at once ----

static uint32_t *times; // of every measured round trip, in nanoseconds
static long timed;

static void record(uint64_t since) {
	uint64_t took = now_ns() - since;
	times[timed++] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
}

static int ascending(const void *a, const void *b) {
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static double microseconds(double quantile) {
	long at = (long)(quantile * (double)timed);
	return times[at < timed ? at : timed - 1] / 1e3;
}

static void print_times(uint64_t begin) {
	double seconds = (double)(now_ns() - begin) / 1e9;
	qsort(times, (size_t)timed, sizeof *times, ascending);
	printf("result seconds=%.9f p50=%.3f p99=%.3f p999=%.3f max=%.3f\n", seconds, microseconds(0.50), microseconds(0.99),
		microseconds(0.999), microseconds(1));
}

static void watch(int epoll, peer *p) {
	int fd;
	size_t n = sizeof fd;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
	if (zmq_getsockopt(p->socket, ZMQ_FD, &fd, &n) != 0) die("ZMQ_FD");
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

static void ask(peer *p) {
	p->since = now_ns();
	if (zmq_send(p->socket, payload, size, 0) < 0) die("zmq_send");
}

static void open_peer(int epoll, peer *p) {
	uint64_t begin = now_ns();
	p->socket = connected();
	ask(p);
	p->since = begin;
	watch(epoll, p);
}

// answered takes the reply if it is there. After every send it must be asked until it says no: ZMQ_FD tells of news only
// to who has found nothing, and a send may already have taken the news.
static int answered(peer *p) {
	char reply[SMALLEST];
	if (zmq_recv(p->socket, reply, sizeof reply, ZMQ_DONTWAIT) >= 0) return 1;
	if (errno != EAGAIN) die("zmq_recv");
	return 0;
}

// job counts the requests that were made and answered.
typedef struct {
	int epoll;
	long asked, done, count;
} job;

// await calls on_news with every peer that has news, until all is done.
static void await(job *j, void (*on_news)(job *, peer *)) {
	struct epoll_event events[AT_ONCE];
	while (j->done < j->count) {
		int n = epoll_wait(j->epoll, events, AT_ONCE, patience);
		if (n == 0) errno = EAGAIN;
		if (n == 0 || (n < 0 && errno != EINTR)) die("waiting for replies");
		for (int i = 0; i < n; i++) on_news(j, events[i].data.ptr);
	}
}

static void ask_again(job *j, peer *p) {
	while (answered(p)) {
		record(p->since);
		j->done++;
		if (j->asked == j->count) continue;
		j->asked++;
		ask(p);
	}
}

// ask_all makes count round trips over all peers, each with one request under way.
static void ask_all(int epoll, peer *peers, long clients, long count) {
	job j = {.epoll = epoll, .count = count};
	for (long i = 0; i < clients && j.asked < count; i++) {
		j.asked++;
		ask(&peers[i]);
		ask_again(&j, &peers[i]);
	}
	await(&j, ask_again);
}

// ask_one is ask_all for one client, without epoll in the way.
static void ask_one(peer *p, long count) {
	char reply[SMALLEST];
	while (count-- > 0) {
		ask(p);
		if (zmq_recv(p->socket, reply, sizeof reply, 0) < 0) die("waiting for a reply");
		record(p->since);
	}
}

static void count_answers(job *j, peer *p) {
	while (answered(p)) j->done++;
}

// open_all connects so many peers, AT_ONCE at a time, and has one round trip with each.
static void open_all(int epoll, peer *peers, long clients) {
	job j = {.epoll = epoll};
	while (j.asked < clients) {
		j.count = j.asked + AT_ONCE < clients ? j.asked + AT_ONCE : clients;
		while (j.asked < j.count) {
			peer *p = &peers[j.asked++];
			open_peer(epoll, p);
			count_answers(&j, p);
		}
		await(&j, count_answers);
	}
}

static void roundtrip(void) {
	int epoll = epoll_create1(0);
	long clients = number("clients", 1), count = number("count", 1), warm = number("warm", 1);
	peer *peers = calloc((size_t)clients, sizeof *peers);
	times = calloc((size_t)(warm > count ? warm : count), sizeof *times);
	open_all(epoll, peers, clients);
	for (int measured = 0; measured <= 1; measured++) {
		if (measured) report_ready("");
		timed = 0;
		uint64_t begin = now_ns();
		if (clients == 1) ask_one(peers, measured ? count : warm);
		else ask_all(epoll, peers, clients, measured ? count : warm);
		if (measured) print_times(begin);
	}
}

static void unwatch(int epoll, peer *p) {
	int fd;
	size_t n = sizeof fd;
	// Closing removes the descriptor too, but libzmq closes it in a thread of its own, later.
	if (zmq_getsockopt(p->socket, ZMQ_FD, &fd, &n) != 0) die("ZMQ_FD");
	if (epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) != 0) die("epoll_ctl");
}

static void leave_and_come(job *j, peer *p) {
	while (answered(p)) {
		record(p->since);
		j->done++;
		unwatch(j->epoll, p);
		zmq_close(p->socket);
		if (j->asked == j->count) return;
		j->asked++;
		open_peer(j->epoll, p);
	}
}

// come_and_go makes count connections, so many at once, each closed after its first round trip.
static void come_and_go(int epoll, long clients, long count) {
	job j = {.epoll = epoll, .count = count};
	peer *peers = calloc((size_t)clients, sizeof *peers);
	for (long i = 0; i < clients && j.asked < count; i++) {
		j.asked++;
		open_peer(epoll, &peers[i]);
		leave_and_come(&j, &peers[i]);
	}
	await(&j, leave_and_come);
	free(peers);
}

static void connect_many(void) {
	int epoll = epoll_create1(0);
	long clients = number("clients", 1), count = number("count", 1), warm = number("warm", 1);
	times = calloc((size_t)(warm > count ? warm : count), sizeof *times);
	come_and_go(epoll, clients, warm);
	report_ready("");
	timed = 0;
	uint64_t begin = now_ns();
	come_and_go(epoll, clients, count);
	print_times(begin);
}

static void idle(void) {
	long count = number("count", 1);
	open_all(epoll_create1(0), calloc((size_t)count, sizeof(peer)), count);
	report_ready("");
}

int main(int argc, char **argv) {
	arg_count = argc;
	arg_values = argv;
	context = new_context();
	size = (size_t)number("size", 64);
	patience = (int)number("patience", 10000);
	payload = calloc(1, size);
	payload[0] = KIND_ECHO;
	const char *what = text("do", "");
	if (strcmp(what, "throughput") == 0) throughput();
	else if (strcmp(what, "roundtrip") == 0) roundtrip();
	else if (strcmp(what, "connect") == 0) connect_many();
	else if (strcmp(what, "oneshot") == 0) {
		type = ZMQ_REQ;
		connect_many();
	}
	else if (strcmp(what, "idle") == 0) idle();
	else return 2;
	fflush(stdout);
	_exit(0); // the sockets go with the process, the benchmark does not wait for thousands of them
}

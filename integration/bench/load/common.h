// What the client and the worker of the benchmark share: their arguments, their sockets, their talk with the benchmark.
//
// Arguments are key=value. The benchmark and a program talk in lines: the program prints "ready ..." and waits for
// "go"; a client prints "result key=value ..." at its end. The end of standard input ends either.
#ifndef COMMON_H
#define COMMON_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

// The first byte of a message says what the worker is to do with it: count it; count it and say at COUNT_AT of a short
// reply how many it has had; or send it back.
enum { KIND_COUNT = 0, KIND_REPORT = 1, KIND_ECHO = 2, COUNT_AT = 8, SMALLEST = 16 };

static int arg_count;
static char **arg_values;

static inline void die(const char *what) {
	fprintf(stderr, "%s: %s\n", what, zmq_strerror(errno));
	exit(1);
}

static inline const char *text(const char *key, const char *otherwise) {
	size_t n = strlen(key);
	for (int i = 1; i < arg_count; i++)
		if (strncmp(arg_values[i], key, n) == 0 && arg_values[i][n] == '=') return arg_values[i] + n + 1;
	return otherwise;
}

static inline long number(const char *key, long otherwise) {
	const char *value = text(key, NULL);
	return value ? atol(value) : otherwise;
}

static inline uint64_t now_ns(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void option_int(void *socket, int option, int value) {
	if (zmq_setsockopt(socket, option, &value, sizeof value) != 0) die("zmq_setsockopt");
}

static inline void option_text(void *socket, int option, const char *value) {
	if (zmq_setsockopt(socket, option, value, strlen(value)) != 0) die("zmq_setsockopt");
}

static inline void *new_context(void) {
	void *context = zmq_ctx_new();
	if (zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 20000) != 0) die("ZMQ_MAX_SOCKETS");
	return context;
}

static inline void *new_socket(void *context, int type) {
	void *socket = zmq_socket(context, type);
	if (!socket) die("zmq_socket");
	option_int(socket, ZMQ_LINGER, 0);
	option_int(socket, ZMQ_SNDHWM, (int)number("hwm", 1000));
	option_int(socket, ZMQ_RCVHWM, (int)number("hwm", 1000));
	return socket;
}

// report_ready tells the benchmark where we are, and waits until it says go.
static inline void report_ready(const char *detail) {
	char line[64];
	printf("ready %s\n", detail);
	fflush(stdout);
	if (!fgets(line, sizeof line, stdin)) exit(0);
}

#endif

// connect(2) for programs whose connections to this machine go through a proxy: loaded before libc, by LD_PRELOAD.
//
// It asks the gateway, whose unix socket STREAMQ_GATEWAY names, where to connect instead: "connect 127.0.0.1 5555\n" is answered
// by "40001\n", a port at the same address, or by "-\n", which is a refused connection. It asks at listen(2), too, so that
// the proxy is there when somebody connects: many a test gives a connection a quarter of a second.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef int (*call_t)(int, const struct sockaddr *, socklen_t);

// ask is the port to connect to, 0 for none, or -1 where there is no gateway.
static int ask(const char *what, const char *address, int port) {
	call_t real = (call_t)dlsym(RTLD_NEXT, "connect");
	const char *path = getenv("STREAMQ_GATEWAY");
	if (path == NULL)
		return -1;
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	strncpy(to.sun_path, path, sizeof to.sun_path - 1);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int answer = 0;
	if (s >= 0 && real(s, (struct sockaddr *)&to, sizeof to) == 0 && dprintf(s, "%s %s %d\n", what, address, port) > 0) {
		char text[16] = "";
		size_t have = 0;
		for (ssize_t n; have < sizeof text - 1; have += n) {
			do
				n = read(s, text + have, sizeof text - 1 - have);
			while (n < 0 && errno == EINTR); // some suites send themselves signals
			if (n <= 0)
				break;
		}
		answer = atoi(text);
	}
	if (s >= 0)
		close(s);
	return answer;
}

// The Java machine has IPv6 sockets only, and IPv4 addresses within these.
static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

// loopback writes the name of the loopback address that an address is, or, where it is all addresses, that it stands for: any is
// what it is for IPv6. It is false for others.
static int loopback(const union address *a, const char *any, char name[INET6_ADDRSTRLEN]) {
	if (a->any.sa_family == AF_INET && ntohl(a->v4.sin_addr.s_addr) >> 24 == 127)
		return inet_ntop(AF_INET, &a->v4.sin_addr, name, INET6_ADDRSTRLEN) != NULL;
	if (a->any.sa_family == AF_INET && a->v4.sin_addr.s_addr == 0)
		return strcpy(name, "127.0.0.1") != NULL;
	if (a->any.sa_family != AF_INET6)
		return 0;
	const unsigned char *v6 = a->v6.sin6_addr.s6_addr;
	if (memcmp(v6, mapped, sizeof mapped) == 0 && v6[12] == 127)
		return inet_ntop(AF_INET, v6 + 12, name, INET6_ADDRSTRLEN) != NULL;
	if (IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr))
		return strcpy(name, any) != NULL;
	return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr) && strcpy(name, "::1") != NULL;
}

static int is_stream(int fd) {
	int kind = 0;
	socklen_t n = sizeof kind;
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &n) == 0 && kind == SOCK_STREAM;
}

int connect(int fd, const struct sockaddr *address, socklen_t length) {
	call_t real = (call_t)dlsym(RTLD_NEXT, "connect");
	union address to;
	char name[INET6_ADDRSTRLEN];
	memset(&to, 0, sizeof to);
	memcpy(&to, address, length < sizeof to ? length : sizeof to);
	if (!loopback(&to, "::1", name) || !is_stream(fd))
		return real(fd, address, length);
	in_port_t *port = to.any.sa_family == AF_INET ? &to.v4.sin_port : &to.v6.sin6_port;
	int instead = ask("connect", name, ntohs(*port));
	if (instead == 0) {
		errno = ECONNREFUSED;
		return -1;
	}
	if (instead > 0)
		*port = htons(instead);
	return real(fd, &to.any, length);
}

int listen(int fd, int backlog) {
	int failed = ((int (*)(int, int))dlsym(RTLD_NEXT, "listen"))(fd, backlog);
	union address at;
	socklen_t length = sizeof at;
	char name[INET6_ADDRSTRLEN];
	if (failed == 0 && getsockname(fd, &at.any, &length) == 0 && loopback(&at, "127.0.0.1", name)) // where its clients most often come to
		ask("listen", name, ntohs(at.any.sa_family == AF_INET ? at.v4.sin_port : at.v6.sin6_port));
	return failed;
}

/* What libzmq calls by this name is the proxy's own where package seam is part of a program, and libc's in other programs. */
#include <netdb.h>

__attribute__((weak)) int seam_getnameinfo(const struct sockaddr *of, socklen_t length, char *host, socklen_t room, char *port, socklen_t port_room, int flags)
{
	return getnameinfo(of, length, host, room, port, port_room, flags);
}

// What libzmq does to descriptors, as this program sees it. See doc.go.
#ifndef STREAMQ_SEAM_H
#define STREAMQ_SEAM_H

#include <stdint.h>
#include <sys/socket.h>
#include <netinet/in.h>

// Descriptors from this number on are not followed, and never accepted.
enum { SEAM_DESCRIPTORS = 1 << 18 };

// seam_owner has the connections of some listeners, and hears of them.
typedef struct seam_owner seam_owner;

// seam_new makes an owner whose eventfd(2) wake becomes readable when there is news; NULL for want of memory.
seam_owner *seam_new(int wake);

// seam_end lets go of every listener and connection that the owner has, and of the
// owner. libzmq's threads may be using all of them.
void seam_end(seam_owner *owner);

// seam_listen follows what is accepted from a listening socket, which libzmq must not have been
// given yet. What is not taken may be read so many times at first, see seam_allow. 0 or EMFILE.
int seam_listen(seam_owner *owner, int listener, int take, uint64_t reads);

// seam_take changes whether connections of a listener are taken from their birth on.
void seam_take(int listener, int take);

// seam_favour gives a listener that libzmq has not been given yet the last descriptors, see guard.h, until it is closed. 0 or EMFILE.
int seam_favour(int listener);

// seam_unlisten closes a listener that libzmq was not given after all.
void seam_unlisten(int listener);

// seam_shut stops a listener (connections are refused, those in its backlog reset), seam_open has it listen again. 0 or errno.
int seam_shut(int listener);
int seam_open(int listener, int backlog);

// seam_abandon lets go of a listener for good; libzmq has its number, and is never told of anybody. 0 or errno.
int seam_abandon(int listener);

// seam_mark gives a listener a mark, which everything has that it accepts from now on, and nothing that it accepted before.
void seam_mark(int listener, uint64_t mark);

// seam_pause leaves the listener's backlog unread, or goes on.
void seam_pause(int listener, int paused);

// The far end of a connection; of a listener that was shut, its own name.
typedef union {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
} seam_peer;

// What is known of a connection of the owner's.
typedef struct {
	uint64_t mark;  // that its listener had
	int taken;      // libzmq was told that it has ended
	seam_peer peer; // AF_UNSPEC for unix
} seam_birth;

// seam_claim tells of a connection that libzmq has announced under that descriptor; 0, or ENOENT when it is none of the owner's.
int seam_claim(seam_owner *owner, int fd, seam_birth *birth);

// seam_allow lets libzmq have read so many times from a connection over its life, and no more. 0 or errno of epoll_ctl(2).
int seam_allow(int fd, uint64_t reads);

// seam_stop lets libzmq not read any more, and tells how often it has; 0 while it is reading.
int seam_stop(int fd, uint64_t *reads);

// seam_part has libzmq find that a connection has ended, to which nothing is done.
void seam_part(int fd);

// seam_sent is how many bytes libzmq has written, all ones when writing has failed.
uint64_t seam_sent(int fd);

// seam_await has the owner told when so many bytes have been written, or writing has failed; 1 if that is so already.
int seam_await(int fd, uint64_t bytes);

// seam_state is how far a connection has come to its end.
typedef struct {
	uint64_t reads; // that libzmq has had in all
	int fin;        // the far end has ended its sending, and libzmq has had all that came before
	int gone;       // both ways have ended
	int error;      // by an error, as a reset is
} seam_state;

// seam_ended tells how far a connection has come to its end.
seam_state seam_ended(int fd);

// seam_sever ends both directions, whatever is unread or unwritten; with reset by a reset, if the transport has that.
void seam_sever(int fd, int reset);

// seam_release says that the owner is done with a connection: it is closed as soon as libzmq
// is, too, and there is no news of it any more.
void seam_release(int fd);

// seam_news takes up to most descriptors of which there is news (what was awaited, or more of an end), oldest first,
// and what has made wake readable. It is readable again as long as there is more.
int seam_news(seam_owner *owner, int *fds, int most);

// seam_followed is how many connections are followed at present.
int64_t seam_followed(void);

// How many calls of libzmq's have come this way for followed descriptors, see check.go.
typedef struct {
	uint64_t accept, interest, receive, send, name, close;
} seam_calls;

void seam_count(seam_calls *calls);

#endif

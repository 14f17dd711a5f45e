// How many connections may be accepted.
#ifndef STREAMQ_GUARD_H
#define STREAMQ_GUARD_H

#include <stdint.h>

enum { ACCEPT_FAVOURED = 4096 }; // descriptors below this one can be favoured

// accept_guard has connections closed whose descriptor would be most or more, or
// of a favoured listener last or more. 0, or an errno.
int accept_guard(int most, int last);

// accept_favour sets, or takes back, a listener's right to the last descriptors.
void accept_favour(int listener, int favoured);

// accept_refused is how many connections have ever been closed as they came.
uint64_t accept_refused(void);

// seam_accept is accept4(2) within these bounds: ECONNABORTED for a connection that was refused.
int seam_accept(int listener, void *address, void *length, int flags);

#endif

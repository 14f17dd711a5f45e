// How many connections may be accepted.
#ifndef STREAMQ_GUARD_H
#define STREAMQ_GUARD_H

#include <stdint.h>

// seam_guard has connections closed whose descriptor would be most or more, or
// of a favoured listener last or more. 0, or an errno.
int seam_guard(int most, int last);

// seam_refused is how many connections have ever been closed as they came.
uint64_t seam_refused(void);

// seam_accept is accept4(2) within these bounds: ECONNABORTED for a connection that was refused.
int seam_accept(int listener, int favoured, void *address, void *length, int flags);

#endif

#include "memory.h"

#include <stdlib.h> // defines __GLIBC__

#ifdef __GLIBC__
#include <malloc.h>

void memory_keep(int bytes) { mallopt(M_TRIM_THRESHOLD, bytes); }

void memory_share(void) { mallopt(M_ARENA_MAX, 1); }

void memory_trim(void) { malloc_trim(0); }
#else
void memory_keep(int bytes) { (void)bytes; }

void memory_share(void) {}

void memory_trim(void) {}
#endif

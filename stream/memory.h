// What libzmq's memory comes from: malloc's heaps. Other C libraries than glibc
// have nothing to be set.
#ifndef STREAMQ_MEMORY_H
#define STREAMQ_MEMORY_H

// memory_keep lets each heap keep so many free bytes at its end (mallopt(3)).
void memory_keep(int bytes);

// memory_share has all threads use one heap (mallopt(3), M_ARENA_MAX).
void memory_share(void);

// memory_trim gives back what is free, wherever it lies (malloc_trim(3)).
void memory_trim(void);

#endif

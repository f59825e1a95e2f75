/* Memory: allocation that cannot fail (it aborts with a message), scope-bound cleanup, and
 * ownership that moves by name.
 *
 * Every owned local is declared with a cleanup_* attribute and initialised on that line; it is
 * handed over with steal_fd()/steal_ptr(). */
#ifndef AGENT_BASE_MEM_H
#define AGENT_BASE_MEM_H

#include <stddef.h>
#include <stdbool.h>

void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n, size_t size); /* n * size, overflow checked */
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n); /* n bytes exactly, then a NUL */
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void cleanup_freep(void *p);
void cleanup_closep(int *fd);
#define cleanup_free __attribute__((cleanup(cleanup_freep)))
#define cleanup_fd __attribute__((cleanup(cleanup_closep)))

int steal_fd(int *fd); /* returns *fd and leaves -1 */
void *steal_ptr_(void **p);
#define steal_ptr(pp) ((__typeof__(*(pp)))steal_ptr_((void **)(pp)))

/* Overwrites memory in a way the compiler keeps: for keys. */
void mem_wipe(void *p, size_t n);

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif

/* A debug trace to a file (AGENT_DEBUG=FILE), and the words that may never be written anywhere. */
#ifndef AGENT_BASE_LOG_H
#define AGENT_BASE_LOG_H

#include "err.h"
#include "str.h"

int log_open(const char *path, struct err *e); /* appends; created 0600 */
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Registers a secret (a key). It is kept in memory only; at least 6 bytes, or it is ignored. */
void secret_add(const char *secret);
/* Appends `s` with every registered secret replaced by "[redacted]". */
void secret_redact(struct buf *out, struct str s);

#endif

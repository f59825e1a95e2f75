/* What the runs of one day have cost together, kept in a file that runs at the same time share:
 * each request's estimate is put down before it is made, and replaced by its cost afterwards. A run
 * that dies in between leaves its estimate standing: the sum is never too low.
 *
 * The file is DIR/spend/YYYY-MM-DD.log (the day in UTC), lines of "ID NANODOLLARS", the last line
 * of an ID counts. Calls take a file lock for a moment. */
#ifndef AGENT_SPEND_H
#define AGENT_SPEND_H

#include "agent/base/err.h"

struct spend;
/* `dir` is made by the first request, when it is not there. */
struct spend *spend_open(const char *dir);
void spend_free(struct spend *s); /* NULL is fine */

/* Puts down `usd` for the request that follows. With a cap (NAN = none) that the day's sum would
 * pass: -1 with ERR_BUDGET, and nothing is put down. */
int spend_reserve(struct spend *s, double usd, double cap, struct err *e);
/* The request has cost `usd` (0: it was not answered). */
int spend_settle(struct spend *s, double usd, struct err *e);
/* The day's sum. */
int spend_today(struct spend *s, double *ret, struct err *e);

#endif

/* --check and --policy. */
#ifndef SANDBOX_CHECK_H
#define SANDBOX_CHECK_H

#include "sandbox/box.h"

/* The limits that --check runs under, as arguments of --limit; NULL-terminated. */
extern const char *const check_limits[];
/* In the helper: what was found. */
void check_head(const struct box *b);
/* In the command's place, behind all layers; may take seconds. Prints a line a layer; the exit
 * status, 0 if all hold. */
int check_inside(const struct box *b);
/* All tables to stdout; the exit status. */
int policy_print(void);

#endif

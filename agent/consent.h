/* Asking the user on the terminal. --ask: each cell is shown on the terminal and runs only when the
 * user says so. The terminal is /dev/tty, whatever standard input and output are; without one there
 * is nobody to ask, and that is an error before anything has begun. What was typed before the
 * question was shown does not count. Code and description are the model's: they are shown with
 * their control characters visible. */
#ifndef AGENT_CONSENT_H
#define AGENT_CONSENT_H

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/base/str.h"

struct consent;
/* `flag`, a static text, is who asks. NULL with ERR_USAGE when there is no terminal. */
struct consent *consent_open(const char *flag, struct err *e);
void consent_free(struct consent *c); /* NULL is fine */

struct consent_cell {
    int number;
    const char *language;    /* "Python" */
    const char *description; /* NULL = none */
    struct str code;
};
enum consent_answer { CONSENT_YES, CONSENT_NO };
/* Waits for the user under `stop`. 0 with *ret; -1 with ERR_CANCEL for a user who ends the run
 * here, or the stop's own error. After "always" the later cells of the run are not asked about.
 * With CONSENT_NO, *ret_reason is what the user gave as the reason, one clean line, or NULL; caller
 * frees. */
int consent_ask(struct consent *c, const struct consent_cell *cell, const struct stop *stop,
                enum consent_answer *ret, char **ret_reason, struct err *e);
/* Shows `text`, its control characters visible, and waits for a yes or no to `question` (a text of
 * ours). The end of the terminal's input is a no. -1: the stop came, or the terminal is lost. */
int consent_yes(struct consent *c, struct str text, const char *question, const struct stop *stop,
                bool *ret, struct err *e);

#endif

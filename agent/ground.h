/* Grounding: are the numbers and file names of an answer among what the code printed and made?
 *
 * Evidence is collected while the run goes on; ground_check() then looks up every claim. A number
 * is found when a printed value rounds to it, in any notation, as a percentage of one, or loosely
 * after a word such as "about". Numbers of the question, of lists and headings, and within code
 * are no claims. Deterministic; no model is asked. Pure but for memory. */
#ifndef AGENT_GROUND_H
#define AGENT_GROUND_H

#include <stdbool.h>
#include <stddef.h>
#include "agent/base/str.h"

struct ground;
struct ground *ground_new(void);
void ground_free(struct ground *g); /* NULL is fine */

/* What the code printed, returned, or wrote to a text file. */
void ground_printed(struct ground *g, struct str text);
/* What the user said: its numbers may be repeated, as they stand. */
void ground_said(struct ground *g, struct str text);
/* Code that ran: its short constants (0.05, 20) are parameters that may be named; what it computes
 * counts only when it is printed. */
void ground_code(struct ground *g, struct str code);
/* A file that exists: an attachment or an artifact. */
void ground_file(struct ground *g, const char *name);

enum ground_kind { GROUND_NUMBER, GROUND_FILE };
struct ground_miss {
    enum ground_kind kind;
    char *text;   /* as it stands in the answer */
    char *around; /* it with some words before and behind; one line */
};
struct ground_result {
    size_t checked; /* claims looked up */
    struct ground_miss *unmatched;
    size_t n_unmatched;
};
void ground_check(struct ground *g, struct str answer, struct ground_result *ret);
void ground_result_done(struct ground_result *r);

#endif

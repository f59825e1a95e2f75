/* What collects evidence (ground.c), looks numbers up in it (ground_find.c) and knows what in an
 * answer is a claim (ground_claims.c) share. */
#ifndef AGENT_GROUND_PARTS_H
#define AGENT_GROUND_PARTS_H

#include "agent/ground.h"
#include "agent/numbers.h"

struct values {
    double *v;
    size_t n, cap;
    bool sorted;
};
struct date {
    int y, m, d;
};
struct ground {
    struct values printed;  /* absolute values of what was printed */
    struct values percents; /* of these, those with a percent sign, as fractions */
    struct values said;     /* by the user, or constants of the code: good as they stand */
    struct date *dates;
    size_t n_dates, cap_dates;
    bool months[13]; /* named somewhere */
    bool in_units;   /* numbers were printed in millions, or so, and without saying it of each */
    char **files;
    size_t n_files;
};

/* A number of an answer, and what stands around it. */
struct ground_claim {
    struct number n;
    size_t end;                /* in the text, behind all that it says: 2/3, 3:1 */
    const struct number *last; /* the one before it; NULL = there is none */
    size_t last_end;
    bool point_decimals; /* the text writes 2.5 and never 2,5: a comma is of thousands */
};

/* Is it among the evidence? Moves c->end behind a second number that belongs to it. */
bool ground_found(struct ground *g, struct str text, struct ground_claim *c);
/* Is it an attachment, or a file that the code made? Folders do not count. */
bool ground_has_file(const struct ground *g, struct str name);

/* --- claims --- */

/* Blanks in `copy`, which has the bytes of `text`, all that makes no claim: fenced code of a
 * language, inline code with letters, links, the numbers of headings, lists and footnotes. Each
 * file name is told to `fn` and blanked. */
typedef void ground_file_fn(void *arg, size_t at, struct str name);
void ground_take_out(struct str text, struct buf *copy, ground_file_fn *fn, void *arg);
/* Is this number a name ("Table 2", "Python 3.11", "the 80/20 rule") or a convention ("95 %
 * confidence")? Moves c->end behind all of it. */
bool ground_no_claim(struct str text, struct ground_claim *c);
/* Does the text write decimals with points only? */
bool ground_point_decimals(struct str text);

#endif

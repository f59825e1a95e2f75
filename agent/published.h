/* Values that cells published for a report (sandbox/interpreter/report.py): figures, tables,
 * numbers and words, each under a name. They outlive the context that made them. A later value of
 * the same kind and name takes the place of the earlier one.
 *
 * Everything here comes from the sandbox: it is bounded (count and bytes), a name is of a fixed
 * form, texts are one clean line, and a picture is taken only when it is whole. What does not hold
 * is left out, with a line for the user. Pure, but for reading a record's files. */
#ifndef AGENT_PUBLISHED_H
#define AGENT_PUBLISHED_H

#include "agent/saved.h"
#include "sandbox/sandbox.h"

struct cJSON;

enum published_kind { PUBLISHED_FIGURE, PUBLISHED_TABLE, PUBLISHED_NUMBER, PUBLISHED_TEXT };

struct published_value {
    enum published_kind kind;
    char *name;
    char *caption;       /* "" = none */
    char *text;          /* number and text: the words that stand for it; else "" */
    struct cJSON *facts; /* as the code gave them: value, format, unit, formats */
    struct cJSON *data;  /* table: agent/cell_json.h; `texts` holds the formatted cells */
    struct cJSON *chart; /* figure: what it shows; NULL = not known */
    struct buf png;      /* figure */
    struct buf svg, csv; /* figure: the same drawn, and what it shows; empty = not given */
    int cell;            /* that published it */
    size_t bytes;
};
struct published {
    struct published_value *v; /* in the order of their first publication */
    size_t n;
    size_t bytes; /* held in all */
};
void published_done(struct published *p);

/* The word of a kind in references: "fig", "table", "num", "text". */
const char *published_word(enum published_kind kind);
const struct published_value *published_find(const struct published *p, enum published_kind kind,
                                             struct str name);

/* Takes what a cell published. A line for each that was not taken goes to `notes`. */
void published_take(struct published *p, const struct sandbox_result *r, int cell,
                    struct buf *notes);
/* The same from a recorded session; cells that failed count too, as they did then. */
void published_load(struct published *p, const struct saved *s, struct buf *notes);

#endif

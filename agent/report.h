/* Reports: the model's Markdown with references to published values (agent/published.h), made into
 * a page, Markdown with files beside it, a PDF or a spreadsheet. No model takes part, so that a
 * recorded session can be reported again, also with other values.
 *
 *   {{num:NAME}} {{text:NAME}}   the value's words, anywhere in the text
 *   {{fig:NAME}} {{table:NAME}}  alone on a line: it stands there, numbered; within a sentence:
 *                                "Figure 2", and it stands below the paragraph if nowhere else
 *
 * A reference to nothing stays as it is and is marked. Nothing in fenced code is a reference.
 * PDF and spreadsheet are made in a sandbox of their own, from hostile values by code of ours
 * (report_pdf.py, report_xlsx.py). Each output is whole or not there: written beside its place,
 * then renamed. */
#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/published.h"

struct conf;
struct ground_result;
struct ui;

enum report_format { REPORT_HTML, REPORT_MARKDOWN, REPORT_PDF, REPORT_XLSX };
/* By the file's ending. ERR_USAGE says which there are. */
int report_format_of(const char *path, enum report_format *ret, struct err *e);

/* --- the text --- */

/* The text with its references resolved, as Markdown that reads by itself: what the answer is.
 * Tables have at most 20 rows there, figures are named. */
void report_answer(struct str markdown, const struct published *values, struct buf *out);
/* References to nothing: appended one a line, without repetition. Returns how many. */
size_t report_unknown(struct str markdown, const struct published *values, struct buf *lines);
/* Does the text refer to anything, known or not? */
bool report_has_references(struct str markdown);

/* --- the report --- */

struct report_cell {
    int number;
    const char *language, *description; /* description may be NULL */
    struct str code;
    bool ok;
};
/* All borrowed; NULL and 0 = not known. */
struct report {
    struct str markdown;
    const struct published *values;
    const char *title; /* NULL: the first heading, or else the question */
    const char *question, *model, *service, *session;
    const char *made; /* "2026-11-25 19:50 UTC" */
    const char *cost; /* "0.0123 USD"; NULL = not known */
    int turns, cells, cells_ok;
    int64_t duration_ms;
    const struct cJSON *inputs;            /* [{name, bytes, sha256}] */
    const struct ground_result *grounding; /* what stays unproved is marked */
    const struct report_cell *code;
    size_t n_code;
    bool from_record; /* made again without a model: the page says so */
};

/* Are the tools for these formats there? `probe` is a sandbox that has run no cell yet. ERR_CONFIG
 * names what is missing and how it is had. Before anything is paid for. */
int report_check(const char *const *paths, size_t n, struct sandbox *probe, const struct stop *stop,
                 struct err *e);
/* Writes one output; the format is by the ending. Blocks while a sandbox converts. */
int report_write(const struct report *r, const char *path, const struct conf *c,
                 const struct stop *stop, struct err *e);

/* A recorded session as a report. What it holds is borrowed from `s` and from *store. The text is
 * the last answer as the model wrote it, with references. */
struct report_store {
    struct published values;
    struct report_cell *code;
    struct buf markdown;
    char made[40], cost[40];
};
/* A line for each published value that was not taken goes to `notes`. ERR_USAGE: the session has no
 * answer. */
int report_of_saved(const struct saved *s, struct report_store *store, struct report *ret,
                    struct buf *notes, struct err *e);
void report_store_done(struct report_store *s);

#endif

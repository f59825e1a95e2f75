/* Pages that need nothing but themselves: no network, no script, one style sheet, pictures within.
 * Everything that goes in is foreign text and comes out escaped; a strict Content-Security-Policy
 * stands in each page should that ever fail. Exports and reports are made with it. Pure. */
#ifndef AGENT_HTML_H
#define AGENT_HTML_H

#include <stdbool.h>
#include "agent/base/str.h"

struct cJSON;

/* `title` is plain text. Begin leaves <main> open, end closes it. */
void html_page_begin(struct buf *out, const char *title);
void html_page_end(struct buf *out);
/* The same with further style, and a script that the policy names by its hash: ours, never a
 * text from outside. The same `extra` at the end. */
struct html_extra {
    struct str css, script;
};
void html_page_begin_with(struct buf *out, const char *title, const struct html_extra *extra);
void html_page_end_with(struct buf *out, const struct html_extra *extra);

/* Text for an element or a quoted attribute. What is not UTF-8 or could drive a terminal or turn
 * the direction of text is made visible (agent/base/utf8.h). */
void html_text(struct buf *out, struct str s);
/* <pre> of code with static marks for keywords, texts, numbers and comments. */
void html_code(struct buf *out, const char *language, struct str code);
/* <figure> with the bytes as a data: URI; `caption` NULL = none. `alt` says what it shows. */
void html_picture(struct buf *out, const char *mime, struct str bytes, const char *alt,
                  const char *caption);
/* A table from a result's `data` (agent/cell_json.h): at most `max_rows` rows are shown, and what
 * is not shown is counted. False: it is no table, and nothing was written. */
bool html_table(struct buf *out, const struct cJSON *data, size_t max_rows);

/* A picture that Markdown names: appends a whole element and returns true, or false = its text. */
typedef bool html_find_picture(void *arg, struct str name, struct str alt, struct buf *out);
struct html_markdown {
    const char *const *marks; /* texts to be marked where they stand alone; numbers, file names */
    size_t n_marks;
    const char *mark_title; /* what a mark means */
    html_find_picture *picture;
    void *arg;
};
/* Markdown (CommonMark with tables, strike-through and bare links). Raw HTML in it is text. Links
 * lead to http, https and mailto only; pictures are those that `picture` finds. */
void html_markdown(struct buf *out, struct str text, const struct html_markdown *opts);

#endif

/* agent export: a recorded session as a script, a notebook, Markdown or a page. Each format is a
 * file of its own that reads the same steps (export_steps) and pieces (export_pieces). All of the
 * record is foreign text, and may be damaged. */
#ifndef AGENT_EXPORT_H
#define AGENT_EXPORT_H

#include "agent/saved.h"

struct export
{
    const struct saved *s;
    bool embed; /* Markdown: pictures within the text */
    const char
        *name;     /* Markdown: the folder of pictures as the text names it; NULL = none is made */
    int folder_fd; /* and a descriptor on it */
    struct buf *out;   /* the file; its cap is the export's */
    struct buf *notes; /* one line a thing that could not be expressed, for the user */
};

/* What was said and done, in order. */
enum export_step_kind { STEP_QUESTION, STEP_REMARK, STEP_CELL, STEP_ANSWER };
struct export_step {
    enum export_step_kind kind;
    const char *text;              /* borrowed; but for cells */
    const struct saved_cell *cell; /* of STEP_CELL */
};
/* Caller frees the array. */
size_t export_steps(const struct saved *s, struct export_step **ret);

/* What a cell gave, in its order. */
enum export_piece_kind { PIECE_OUT, PIECE_ERR, PIECE_RESULT };
struct export_piece {
    enum export_piece_kind kind;
    struct str text;            /* of a stream: as it was printed */
    const struct cJSON *result; /* agent/cell_json.h */
};
/* Caller frees the array. */
size_t export_pieces(const struct saved_cell *c, struct export_piece **ret);

/* The picture of a result: its bytes appended to `out`, its MIME type, and the extension of its
 * file. NULL when it has none. `missing` is set when the record names a file that cannot be read.
 */
struct export_picture {
    const char *mime, *ext;
    bool missing;
};
bool export_picture(const struct export *x, const struct cJSON *result, struct export_picture *ret,
                    struct buf *out);

/* Text as a terminal would have left it: without colours and what a carriage return wrote over. */
void export_plain(struct buf *out, struct str s);
/* At most `max` bytes of `s`: the beginning and the end, with the exact count of what is left out
 * between them. */
void export_clip(struct buf *out, struct str s, size_t max);
/* A line about what a cell printed and the record did not keep; nothing when all is there. */
void export_lost(const struct saved_cell *c, struct buf *out);
/* "failed: ValueError: ..." or "ran too long"; nothing for a cell that succeeded. */
void export_failure(const struct saved_cell *c, struct buf *out);
bool export_is_python(const struct saved_cell *c);
/* The name of its language: one of ours, or "a language that is not known". */
const char *export_language(const struct saved_cell *c);
/* The first line of text for a heading, cut to `max` columns. */
void export_title(const struct saved *s, size_t max, struct buf *out);
/* The question's files: an array of {name, bytes, sha256}; NULL if none are known. */
const struct cJSON *export_inputs(const struct saved *s);
/* Their names, as far as they can stand in a folder; caller frees the array. */
size_t export_input_names(const struct saved *s, const char ***ret);
/* {"checked", "unmatched"}; NULL if nothing was checked. */
const struct cJSON *export_grounding(const struct saved *s);
/* Of a session that a model repaired (agent/rerun.h): what it is a repair of, one clean line, and
 * the diff of the code. Nothing is appended for another one. */
void export_repair(const struct saved *s, struct buf *what, struct buf *diff);
/* Rows of "what<TAB>value": model, time, cost, sandbox and so on. */
void export_facts(const struct saved *s, struct buf *out);

/* A part ("#: name") of the helpers in export_runtime.py. */
void export_helper(struct buf *out, const char *name);

void export_py(const struct export *x);
void export_ipynb(const struct export *x);
void export_md(const struct export *x);
void export_html(const struct export *x);

#endif

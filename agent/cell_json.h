/* The outcome of one cell as JSON: one shape for the record, for `--json` and for what is made of
 * either later. Pure, but for the caller's `store`.
 *
 *   status       "ok", "error", "timeout", "killed_time", "memory", "output" or "died"
 *   results      what the cell displayed, in order; each
 *                  text html markdown svg latex javascript     strings
 *                  png jpeg pdf                                base64, or in `stored` instead
 *                  json data chart                             JSON values (below)
 *                  extra           {MIME type: value} of all other representations
 *                  stored          {name: file}: what was kept in a file instead of in here
 *                  file            name in the workspace under which the figure was saved
 *                  formats         the names that are there, MIME types for those of `extra`
 *                  is_main_result  true for the value of the cell's last expression
 *   logs         {stdout: [...], stderr: [...]}: the pieces between two results or two changes of
 *                the stream (with opts.logs)
 *   order        [["stdout", bytes] | ["stderr", bytes] | ["result", number], ...]: how these
 *                followed each other; bytes as they were kept, numbers from 1
 *   stdout_bytes, stderr_bytes   all that was written, kept or not
 *   dropped_results              how many results were too many or too large to keep; absent: none
 *   cleared      how often the code took back what it had shown until then; absent: never
 *   error        {name, value, traceback, line}, when the code raised; else null
 *   exit_code, signal            with "died"
 *   lost_names   [...] when the interpreter had to be made anew
 *   denied       [{what, name, count}, ...]: what the kernel refused, counted by the sandbox
 * itself; null where it cannot be counted forged       how many messages did not come from the
 * interpreter; absent: none duration_us, and where known cpu_us, peak_bytes
 *
 * `data` is a table: {columns: [...], dtypes: [...], index_names: [...], index: [...], rows:
 * [[...]], n_rows, n_columns, cut: {rows, columns, cells}}; `chart` is what a figure shows. Both
 * are described in docs/INTERPRETER.md. All of it comes from the sandbox and is a claim. */
#ifndef AGENT_CELL_JSON_H
#define AGENT_CELL_JSON_H

#include "sandbox/sandbox.h"

struct cJSON;

/* Keeps `bytes`, the representation `name` (with `ext`, "png") of result `number` (from 1), in a
 * file and appends how it is called. False: it goes into the JSON. */
typedef bool cell_json_store(void *arg, int number, const char *name, const char *ext,
                             struct str bytes, struct buf *ret_file);

struct cell_json_opts {
    bool logs;              /* with the text of the streams */
    cell_json_store *store; /* asked for each picture; NULL = base64 */
    void *arg;
};

/* The field for a MIME type ("text" for text/plain), NULL when it belongs in `extra`. */
const char *cell_json_field(const char *mime);
/* One result as an object; the caller owns it. `number` is for store. */
struct cJSON *cell_json_result(const struct sandbox_item *it, int number,
                               const struct cell_json_opts *opts);
/* {name, value, traceback, line}; the caller owns it. */
struct cJSON *cell_json_error(const struct sandbox_result *r);
/* Adds `denied`. */
void cell_json_denied(struct cJSON *o, const struct sandbox_result *r);
/* Adds all of the above to `o`. */
void cell_json_put(struct cJSON *o, const struct sandbox_result *r,
                   const struct cell_json_opts *opts);

#endif

/* Attachments: the files a question is about, from --file and from standard input. Checks them
 * before any money is spent, and looks at their first bytes so that the model need not guess.
 * Nothing here changes a file. Blocking: attach_hash and attach_stdin, under their stop. */
#ifndef AGENT_ATTACH_H
#define AGENT_ATTACH_H

#include <stdbool.h>
#include <stdint.h>
#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/base/str.h"
#include "agent/textguess.h"

#define ATTACH_MAX_FILES 100 /* more is a glob gone wrong */
#define ATTACH_HEAD_BYTES 1024
#define ATTACH_HEAD_LINES 5

/* "ascii", "utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "8-bit (latin-1, cp1252, ...)",
 * "binary": a guess from the first 64 KiB. */
const char *attach_encoding_word(enum attach_encoding enc);

struct attach {
    char *path;       /* as given; relative to the working directory */
    char *name;       /* in the sandbox: unique in the list, safe as a file name */
    int64_t size;     /* bytes, > 0 */
    int64_t mtime_ns; /* when it was last written, as the run began */
    enum attach_encoding encoding;
    char *head; /* first lines as clean UTF-8; "" if binary; long lines are clipped with a count */
    bool head_is_all; /* the head shows the whole file */
    char sha256[65];  /* hex; "" until attach_hash */
    bool known;       /* the model was told of it with an earlier question */
};
struct attach_list {
    struct attach *v;
    size_t n;
};

/* Adds `arg`, PATH or PATH:NAME (a path that exists as written wins over the split). One line per
 * visible change (a name that had to be made safe) goes to `notices`. ERR_USAGE says what is wrong
 * with the file and what to do. */
int attach_add(struct attach_list *l, const char *arg, struct buf *notices, struct err *e);
/* The same without a split at a colon, for what was attached before. */
int attach_again(struct attach_list *l, const char *path, const char *name, struct buf *notices,
                 struct err *e);
/* The same for a pattern ("*.csv") or for all files in a folder ("data/"), in the order of their
 * names; anything else goes to attach_add(). A path that exists as written is no pattern. What
 * cannot be attached there (empty files, subfolders, pipes) is left out, with a line in `notices`,
 * and so are hidden files of a folder; that nothing is left is ERR_USAGE. */
int attach_add_all(struct attach_list *l, const char *arg, struct buf *notices, struct err *e);
/* Fills sha256. Reads the whole file, so it is apart from attach_add. ERR_USAGE: it is not what it
 * was when it was added, by size or time of writing, or it changed while it was read. */
int attach_hash(struct attach *a, const struct stop *stop, struct err *e);
void attach_list_cut(struct attach_list *l, size_t n); /* the first `n` stay */
void attach_list_done(struct attach_list *l);

/* Standard input. What is read, and when:
 * - the question is "-" (is_prompt): always, also from a terminal;
 * - a regular file: always;
 * - a pipe or socket: when data or end-of-file is waiting, or comes within a grace of 100 ms (a
 * parent that starts us and then writes). Without either, a pipe is waited for only if its writer
 * stands beside us in a pipeline (psql ... | agent), and then for 5 s at most; a parent, cron or CI
 *   runner that merely keeps a pipe open costs 100 ms and cannot hang a run. `wait` waits as long
 * as the stop allows;
 * - anything else (a terminal, /dev/null): never.
 * Once a first byte was there it is read to its end, within the stop and MAX_STDIN_BYTES.
 *
 * Short text is returned for the prompt. What looks like CSV, TSV, JSON or JSONL, is longer than
 * STDIN_PROMPT_BYTES or is not text is saved in `dir` (a private folder of the caller's, who
 * removes it) as stdin.csv, .tsv, .json, .jsonl, .txt or .bin, mode 0600, and added to the list. */
struct attach_stdin {
    int fd;
    bool is_prompt;
    bool wait;
    const char *dir;
    void (*notice)(void *arg,
                   const char *line); /* may be NULL; e.g. "waiting for standard input" */
    void *arg;
};
/* *ret_text: the text, valid UTF-8 without controls, caller frees; NULL if there is none. With
 * is_prompt it is the question itself and never NULL. */
int attach_stdin(struct attach_list *l, const struct attach_stdin *in, const struct stop *stop,
                 char **ret_text, struct err *e);

/* The question with the text of standard input under it, marked as such. Either may be NULL, not
 * both. Caller frees. */
char *attach_prompt(const char *question, const char *stdin_text);

#endif

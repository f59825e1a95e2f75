/* The record of a session: a folder that loads after a crash at any byte.
 *
 *   events.jsonl   one event a line, written by a single write(2) each, in order; the last line may
 * be cut by a crash and is then ignored by readers. Every event has v (RECORD_VERSION), seq, t
 * (UTC) and type. cells/         N.py, N.stdout, N.stderr: code and whole output of each cell
 *   inputs/        what came by standard input (inputs/N of the Nth question, from the second)
 *   artifacts/     files the cells left
 *   answer.md      the answer
 *   manifest.json  at the end: status, inputs and artifacts with hashes, usage
 *   answer-N.md, manifest-N.json  those of the Nth question, when another followed
 *
 * With `ephemeral` there is no folder and every call is accepted and does nothing, but for
 * record_inputs(). Registered secrets (agent/base/log.h) are redacted in all of it. A record that
 * cannot be written does not stop the run: the first error is kept and record_close() returns it.
 */
#ifndef AGENT_RECORD_H
#define AGENT_RECORD_H

#include <stdbool.h>
#include "agent/base/err.h"
#include "agent/base/str.h"

#define RECORD_VERSION 1

struct cJSON;
struct record;

/* Makes the folder ROOT/ID (0700). `root` may be NULL when ephemeral. `id` NULL makes one of the
 * time; a given one must be a record_is_id() and not be there yet (ERR_USAGE). */
struct record *record_new(const char *root, const char *id, bool ephemeral, struct err *e);
/* At most MAX_SESSION_ID digits, small letters and dashes, no dash first: nothing that leaves a
 * folder. */
bool record_is_id(struct str s);
/* Takes up an existing session's folder: further events follow its last whole one. Events behind a
 * damaged line are put into a file of their own, damaged-N.jsonl. ERR_USAGE when another process is
 * at work on it: a record is locked as long as it is open. */
struct record *record_reopen(const char *dir, struct err *e);
/* Fills a new record with another's whole events and files (a fork). `from_fd` is its folder: links
 * and what is no plain file stay behind. Changes nothing there, and needs no lock. -1 takes the new
 * folder away. */
int record_copy(struct record *r, int from_fd, struct err *e);
/* The question that follows is the Nth (from 2): the answer and the manifest of the one before get
 * its number, and further inputs a folder of their own. */
void record_next_question(struct record *r, int n);
void record_free(struct record *r); /* NULL is fine */
/* What record_reopen found wrong and set aside: one line; NULL = nothing. */
const char *record_damage(const struct record *r);
const char *record_id(const struct record *r);
const char *record_dir(const struct record *r); /* NULL when ephemeral */
/* A private folder for input files: DIR/inputs, or when ephemeral a temporary one, made on first
 * use and removed by record_drop_inputs() (once the sandbox has them) or record_free(). */
const char *record_inputs(struct record *r, struct err *e);
void record_drop_inputs(struct record *r);

/* From now on told of every event, before it is written and also when nothing is (ephemeral). */
typedef void record_watcher(void *arg, const char *type, const struct cJSON *fields);
void record_watch(struct record *r, record_watcher *fn, void *arg);

/* Takes `fields` (an object, may be NULL) and writes the event. */
void record_event(struct record *r, const char *type, struct cJSON *fields);
/* Writes DIR/name whole or not at all. */
void record_file(struct record *r, const char *name, struct str content);
/* A descriptor on DIR/artifacts, -1 when ephemeral. Owned by the record. */
int record_artifacts_fd(struct record *r);

/* Takes `manifest`, writes it, syncs. -1 with the first error of the whole run. */
int record_close(struct record *r, struct cJSON *manifest, struct err *e);

#endif

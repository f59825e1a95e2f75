/* What programs read: the run as a stream of JSON lines (--json, --output-format stream-json), or
 * as one object at its end (--output-format json). Names and shapes are those that other agents'
 * streams have; docs/EVENTS.md and docs/schema/ describe them, and the tests validate against the
 * latter.
 *
 * What happens is told once, to the record; events_record() is the record's watcher and translates.
 * Only what the record has no words for (output while it comes, a cell's text) is told here
 * directly. Every function takes NULL, which is a run without such output. Each line is one
 * write(2); a reader that has gone away ends the writing, not the run. */
#ifndef AGENT_EVENTS_H
#define AGENT_EVENTS_H

#include "agent/base/err.h"
#include "agent/base/str.h"
#include "sandbox/sandbox.h"

#define EVENTS_SCHEMA_VERSION 1

struct cJSON;
struct artifacts;
struct events;
/* `stream`: lines on `fd` as it happens; else the items are kept for events_items(). */
struct events *events_new(int fd, bool stream);
void events_free(struct events *ev);

/* The record's watcher: `arg` is the struct events. */
void events_record(void *arg, const char *type, const struct cJSON *fields);
/* The model's text and the running cell's output, as they come: at most a few updates a second. */
void events_text(struct events *ev, struct str piece);
void events_output(struct events *ev, bool is_stderr, struct str bytes);
/* The code of the cell that cell.start is about to announce. */
void events_code(struct events *ev, struct str code);
/* A cell has ended, and what it made was brought out. */
void events_cell_end(struct events *ev, const struct sandbox_cell *cell,
                     const struct sandbox_result *r, const struct artifacts *a);
/* Says that the run lives when nothing else was said for a while. */
void events_tick(struct events *ev);
/* The end: turn.completed or turn.failed with `summary`, of which it takes ownership. */
void events_end(struct events *ev, const struct err *why, struct cJSON *summary);
/* A failure before there was a session. */
void events_error(struct events *ev, const struct err *why);
/* The completed items; owned by `ev`. NULL for NULL. */
const struct cJSON *events_items(const struct events *ev);
/* 0, or -1 with what went wrong with the descriptor (a full disk; EPIPE in `sys`). */
int events_status(const struct events *ev, struct err *e);

#endif

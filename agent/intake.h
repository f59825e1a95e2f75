/* The intake profile: what the attached files are, found out in the sandbox before the first
 * request, by code of ours (sandbox/interpreter/profile*.py) in a context of its own that is gone
 * before the model's first cell. It runs while other things are prepared: begin, then end.
 *
 * A profile is a help and never an obstacle: when it fails, the text says so and the file's first
 * lines stand in its place (with INTAKE_SCHEMA nothing does). Its words come from hostile files:
 * they are bounded, cleaned, and cannot end the fence around them. */
#ifndef AGENT_INTAKE_H
#define AGENT_INTAKE_H

#include "agent/attach.h"
#include "agent/conf.h"
#include "agent/ui.h"
#include "sandbox/sandbox.h"

struct cJSON;
struct record;

struct intake_file {
    char *text;           /* lines of words; NULL = there is no profile of it */
    char *failed;         /* why not, or why not all of it; NULL = nothing failed */
    struct cJSON *tables; /* their columns (agent/columns.h); NULL = not known */
    struct cJSON *data;   /* the same for programs, when that was asked for */
    bool told;            /* the profile came to this file */
};
struct intake {
    struct sandbox_running *running;
    struct intake_file *v; /* of each attachment */
    size_t n;
    char *joins;        /* "a.csv id = b.csv id: ...\n" lines; NULL = none */
    char *failed;       /* of the whole; NULL = it came to its end */
    bool schema, whole; /* no value of a file may be in it; all columns are */
};

/* Starts it; the sandbox is ready. -1: the stop came. Anything else is told by intake_end. */
int intake_begin(struct intake *in, struct sandbox *s, const struct conf *c,
                 const struct attach_list *files, bool whole, const struct stop *stop,
                 struct err *e);
/* Waits for it and gives its context back; does nothing when it was not begun. */
int intake_end(struct intake *in, struct sandbox *s, const struct attach_list *files,
               const struct stop *stop, struct err *e);
/* What the user should know of it: a line for each file without a whole profile. */
void intake_say(const struct intake *in, const struct attach_list *files, struct ui *ui);
/* Into the record, for a re-run: the event "profile", with the columns of each file. */
void intake_record(const struct intake *in, const struct attach_list *files, struct record *r);
/* Ends what still runs. */
void intake_done(struct intake *in, struct sandbox *s);

#endif

/* What a session that goes on (agent/resume.h) and one that is run again (agent/rerun.h) take from
 * a record alike: its settings, its files, the language of its cells. */
#ifndef AGENT_RECORDED_H
#define AGENT_RECORDED_H

#include "agent/program.h"
#include "agent/saved.h"

struct cJSON;

/* The session's limits into p->conf where they are stricter (resume_policy); what changed is told.
 */
int recorded_policy(struct program *p, const struct saved *s, struct err *e);
/* The files of a session as it was last asked: an array of {name, path, bytes, sha256}, NULL =
 * none, and the folder in which relative paths began (NULL = not known). */
const struct cJSON *recorded_inputs(const struct saved *s, const char **ret_cwd);
/* One of them with its fingerprint, which for a large file is told at the end of the record only.
 */
const struct cJSON *recorded_input(const struct saved *s, const struct cJSON *file);
/* Where it is to be looked for; caller frees. */
char *recorded_input_path(const struct saved *s, const char *path, const char *cwd);
/* The language of a cell, NULL when this run does not have it. */
const struct sandbox_language *recorded_language(const struct run *run, const struct saved_cell *c);

#endif

/* What the files of agent job share: the folder of its reports. */
#ifndef AGENT_JOB_PARTS_H
#define AGENT_JOB_PARTS_H

#include <sys/types.h>
#include "agent/attach.h"
#include "agent/job.h"

struct cJSON;

#define JOB_SUMMARY "job.json" /* in each report's folder */
#define JOB_DIFF "repair.diff" /* beside it, when a model repaired the code */
#define JOB_LOG "log.jsonl"    /* a line for each run */

#define JOB_INPUTS ".inputs" /* files that commands made, by the report's name */

struct program;

struct job_found {
    char *path;
    const char *name;              /* borrowed from the job; NULL = its own */
    const struct job_input *input; /* borrowed too */
    char sha256[65];               /* "" = not known yet */
    int64_t bytes;
    ino_t ino; /* this and the time: when it was hashed */
    struct timespec mtime;
};
struct job_files {
    struct job_found *v;
    size_t n;
};
/* Files of the job's patterns now. ERR_USAGE: a pattern that matches none. */
int job_find_inputs(const struct job *j, time_t now, struct job_files *f, struct err *e);
/* Runs the job's commands and adds their files, which come to lie in JOB_INPUTS/NAME, NAME being
 * that of the report in the making. ERR_USAGE: a command that failed or gave nothing. */
int job_make_inputs(struct program *p, const struct job *j, int folder_fd, const char *name,
                    time_t now, const struct cJSON *params, struct job_files *f, struct err *e);
int job_hash_inputs(struct job_files *f, const struct stop *stop, struct err *e);
void job_files_done(struct job_files *f);

/* --- the keys of a job file: a row each in agent/job_keys.c, and a line in docs/JOBS.md --- */

struct job_key {
    const char *name;
    bool many; /* may stand more than once */
    /* `value` is trimmed and not empty. -1: ERR_CONFIG, without the place. NULL: any text will do.
     */
    int (*set)(struct job *j, struct str value, struct err *e);
    size_t text;         /* without set(): offset of the member, a char *, that gets a copy */
    const char *example; /* a good value, for agent job new */
    const char *help;    /* one line */
};
extern const struct job_key job_keys[];
extern const size_t job_keys_n;    /* at most 64: job.seen */
int job_key_find(struct str name); /* -1: there is none */
int job_key_set(struct job *j, int key, struct str value, struct err *e);
/* Is it a name within the report's folder? */
bool job_is_inside(const char *name);
/* What agent job new writes: all keys with their examples. */
void job_keys_example(struct buf *out);

/* --- parameters --- */

#define JOB_PARAMS "params.json" /* the file by which code knows them */

int job_param_add(struct job *j, struct str given, struct err *e); /* NAME = VALUE */
/* Values of the command line. ERR_USAGE: a name that the job does not have. */
int job_params_override(struct job *j, const struct conf_list *given, struct err *e);
const struct job_param *job_param_find(const struct job *j, struct str name); /* NULL = none */
/* {name: value}, with dates put in. Caller owns. */
struct cJSON *job_params_json(const struct job *j, time_t now, struct err *e);
/* Can a recorded session's code run with the values `now` instead of `before`? Of each parameter
 * that differs it has to read the value and not have the earlier one in it, nor its text. *ret_why
 * says what speaks against it; NULL = nothing. Caller frees. */
int job_params_free_of(const char *session_dir, const struct cJSON *now, const struct cJSON *before,
                       char **ret_why, struct err *e);

/* --- checks; agent/job_check.c has a row for each form --- */

/* Reads one and adds it. ERR_CONFIG lists the forms. */
int job_check_add(struct job *j, struct str value, struct err *e);
void job_check_done(struct job_check *c);
/* The numbers that a session published: an object of names, which the caller owns. */
struct cJSON *job_numbers(const char *record, struct err *e);
/* ERR_CHECK names the first check that does not hold, what was expected and what was found. `last`
 * are the numbers of the latest report; NULL = there is none. Pure. */
int job_check_numbers(const struct job *j, const struct cJSON *now, const struct cJSON *last,
                      struct err *e);

/* --- the folder. Others may be at work in it: its lock is held, but does not hold everywhere ---
 */

/* What killed runs left, of this machine at once, of another one after two days. */
void job_clean(int folder_fd);
/* Files in JOB_INPUTS whose report there is not, or no longer. */
void job_clean_inputs(int folder_fd);
/* The summary of the latest report; NULL = there is none. Caller owns. */
struct cJSON *job_last(int folder_fd);
/* The target of `latest`; NULL = none. Caller frees. */
char *job_latest(int folder_fd);
/* A name for a report, which nobody else can have until job_leave(): "2026-11-23_070004", with "-2"
 * and so on where it is taken. Caller frees. */
char *job_take_name(int folder_fd, time_t now, struct err *e);
/* The folder in which the report of this name is made. Caller frees. */
char *job_stage(const char *name);
/* All of the stage to the disk, then its name, then `latest`. On failure `latest` is what it was.
 */
int job_publish(int folder_fd, const char *name, struct err *e);
/* The run is over: the name is given back, and what is not published goes. */
void job_leave(int folder_fd, const char *name);
/* Takes reports away beyond the last `keep` (0 = none), but never the latest. */
void job_keep(int folder_fd, long keep);

#endif

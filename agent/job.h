/* agent job: a report that makes itself. A job file says what is asked of which files and where the
 * result goes; `agent job run` does it once, without anybody watching. When it runs is the system's
 * affair (cron, a systemd timer): there is no daemon of ours.
 *
 * A run works in a folder of its own, ".new-NAME", beside the finished ones. Only when all is there
 * and checked does that folder get its name, the date and time, and `latest`, a symbolic link, is
 * switched to it by a rename; so at any moment, also after a kill, `latest` is a whole report. One
 * run of a job at a time: the folder is locked while it lasts. */
#ifndef AGENT_JOB_H
#define AGENT_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include "agent/conf.h"

struct job_input {
    char *text;  /* a pattern relative to the job's folder, or a command; dates not yet put in */
    char *name;  /* under which the code knows it; NULL = its own */
    bool newest; /* of those that match, the one changed last */
    bool is_command; /* what it prints is the file */
};
struct job_check {
    char *text; /* as it is written */
    int form;   /* -1: it is an expression */
    char *name; /* of a published number */
    double a, b;
    char *code; /* Python, for --check of the run; NULL = none */
};
struct job_param {
    char *name, *value; /* dates not yet put in */
};
enum job_mode { JOB_RERUN_FIRST, JOB_MODEL_ALWAYS };
struct job {
    char *path, *name;       /* of the file; "weekly" of weekly.job */
    char *question, *folder; /* dates not yet put in; relative to the file's own folder */
    struct job_input *inputs;
    size_t n_inputs;
    struct job_param *params;
    size_t n_params;
    struct job_check *checks;
    size_t n_checks;
    struct conf_list outputs, must_exist;
    struct conf_list settings; /* "--max-cost=1": flags of agent ask */
    int mode;                  /* enum job_mode */
    bool no_repair;            /* code that does not do fails the run: no model is asked */
    bool only_if_changed, overlap_fails;
    long keep; /* finished folders; 0 = all */
    char *on_success, *on_failure;
    char *schedule; /* a good calendar event (agent/calendar.h); NULL = none */
    uint64_t seen;  /* keys that stood there, by their row */
};

/* Reads and checks a job file. ERR_CONFIG names the line and what is wrong with it. */
int job_read(const char *path, struct job *ret, struct err *e);
void job_done(struct job *j);

/* Puts dates in: {{today}}, {{yesterday}}, {{this_week}}, {{last_week}}, {{this_month}},
 * {{last_month}}, {{this_year}}, {{last_year}}, each also as {{last_month:FORMAT}} with a form of
 * strftime(3). Local time of `now`; days and weeks are those of the calendar, whatever the clock
 * does between them. Weeks are those of ISO 8601; the week, month or year that is formatted stands
 * for its first day. ERR_CONFIG: an unknown word. */
struct job; /* its parameters are put in too, as {{NAME}}; NULL = there are none */
int job_expand(const struct job *j, const char *text, time_t now, struct buf *out, struct err *e);
/* The same, but parameters stay {{NAME}}: the question. */
int job_expand_dates(const struct job *j, const char *text, time_t now, struct buf *out,
                     struct err *e);
bool job_is_date(struct str word);

/* One run. *why is ERR_NONE when a new report is published; ERR_UNCHANGED when there was nothing
 * new. The current directory becomes the job file's. */
struct program;
void job_run(struct program *p, struct job *j, struct err *why);

#endif

/* When a job runs is the system's affair: a timer of systemd, or a line of the user's crontab.
 *
 * What is installed is named by the job file's whole path alone, so that it is found again, and
 * taken away, when the file is gone. A file or line that does not carry our mark is never touched.
 * systemctl and crontab are run, each for at most JOB_SYSTEM_MS. */
#ifndef AGENT_JOB_INSTALL_H
#define AGENT_JOB_INSTALL_H

#include "agent/calendar.h"
#include "agent/job_parts.h"
#include "agent/program.h"

#define JOB_SYSTEM_MS 30000

struct job_place {
    char *path; /* of the job file, absolute */
    char *unit; /* "agent-job-weekly-1f2e3d4c5b6a": the name and the path's hash */
};
/* The file need not be there. */
int job_place_of(const char *path, struct job_place *ret, struct err *e);
void job_place_done(struct job_place *w);

/* Runs a program of the system, looked for in PATH, with `input` on its standard input. Its exit
 * status; -1 when it could not be run or did not end in time. */
int job_system(struct program *p, const char *const *argv, struct str input, struct buf *out,
               struct buf *errors, struct err *e);

/* What the run will need that it does not find by itself. */
struct job_needs {
    char *program;                /* this one, absolute */
    char *session_dir;            /* said for this command; NULL = by the settings there */
    struct conf_list environment; /* "XDG_CONFIG_HOME=/x": what says where settings lie */
    struct conf_list credentials; /* "agent-openai:/home/x/.config/agent/keys/openai" */
};

/* --- agent/job_units.c --- */

/* Writes both units and, where a systemd answers, enables the timer; else says how to. */
int job_units_install(struct program *p, const struct job *j, const struct job_place *w,
                      const struct job_needs *n, struct err *e);
/* 0 = taken away, 1 = there were none. */
int job_units_remove(struct program *p, const struct job_place *w, struct err *e);
/* The event of the timer that is installed; NULL = none is. Caller frees. */
char *job_units_event(const struct job_place *w, bool *ret_enabled);

/* --- agent/job_cron.c --- */

int job_cron_install(struct program *p, const struct job *j, const struct job_place *w,
                     const struct job_needs *n, struct err *e);
int job_cron_remove(struct program *p, const struct job_place *w, struct err *e);
/* The user's crontab into `table`, empty where there is none. ERR_CONFIG without a cron. */
int job_cron_read(struct program *p, struct buf *table, struct err *e);
/* The line of this job in it, without its end. */
bool job_cron_line(struct str table, const struct job_place *w, struct str *ret);

/* --- the command --- */

/* The current directory is the job's. */
void job_install(struct program *p, struct job *j, struct err *why);
void job_remove(struct program *p, const char *path, struct err *why);
/* What stands in agent job list about when it runs. `table` as by job_cron_read. */
void job_say_installed(const struct job *j, struct str table, struct buf *out);
/* The schedule with its next times. ERR_CONFIG: there are none any more. */
int job_say_schedule(struct program *p, const struct job *j, struct err *e);

#endif

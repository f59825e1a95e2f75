/* What one invocation of the program holds, and the steps that several commands share. Each command
 * is a function of its own file, a row in main.c's table, and a row in conf_command.c; main.c
 * alone prints the error and exits. */
#ifndef AGENT_PROGRAM_H
#define AGENT_PROGRAM_H

#include "agent/attach.h"
#include "agent/conf.h"
#include "agent/env.h"
#include "agent/fonts.h"
#include "agent/languages.h"
#include "agent/run.h"

struct rerun;
struct resume;

struct intake;
struct loop_result;

struct program {
    struct conf conf;
    struct stop stop; /* the deadline, and SIGINT and SIGTERM */
    struct attach_list files;
    struct fonts fonts;
    struct languages languages;
    struct env env; /* of --env; opened by program_start_sandbox */
    char *question, *stdin_text;
    struct run run;
    struct resume *resume;  /* agent/resume.h; NULL = a new session */
    struct rerun *rerun;    /* agent/rerun.h; NULL = a model is asked */
    size_t shown_artifacts; /* of them the user was told */
    int64_t started_ms;
    bool shows_progress; /* a moving line on the terminal */
    int exit_status; /* a command that ends by another program's status sets it; -1 = by the error
                      */
};
void program_done(struct program *p); /* releases everything, on every path */

/* The commands. *why is ERR_NONE when all went well. */
void ask_command(struct program *p, struct err *why);
void chat_command(struct program *p, struct err *why);
void exec_command(struct program *p, struct err *why);
void env_command(struct program *p, struct err *why);
void models_command(struct program *p, struct err *why);
void usage_command(struct program *p, struct err *why);
void export_command(struct program *p, struct err *why);
void sessions_command(struct program *p, struct err *why);
void profile_command(struct program *p, struct err *why);
void batch_command(struct program *p, struct err *why);
void job_command(struct program *p, struct err *why);
void doctor_command(struct program *p, struct err *why);
void keys_command(struct program *p, struct err *why);
void completion_command(struct program *p, struct err *why);
void report_command(struct program *p, struct err *why);

/* The steps of a question, shared with chat: the record's word of how it begins (`further`: the
 * session goes on with it); the sandbox built and the conversation begun (p->question); the answer
 * recorded and shown, with what came of it; the record closed. The first failure of the last two
 * decides when the run itself had none. */
void ask_record_start(struct program *p, bool further);
int ask_prepare(struct program *p, struct intake *intake, struct err *e);
void ask_deliver(struct program *p, struct loop_result *res);
void ask_close(struct program *p, struct loop_result *res);

/* One warning a line. Code of a model can be their cause: MAX_WARN_LINES are shown, the rest
 * counted. */
void program_warn_lines(struct ui *ui, struct str lines);
/* Whom to ask, with the keys: before anything is started. */
int program_choose_model(struct program *p, struct err *e);
/* The files of -f, opened and described (agent/attach.h). */
int program_attach(struct program *p, struct err *e);
/* Fingerprints of the attachments: small ones while the sandbox is being built, `large` ones
 * afterwards, so that nobody waits for them. */
int program_hash_inputs(struct program *p, bool large, struct err *e);
struct cJSON *program_inputs_json(const struct attach_list *files);
int program_open_record(struct program *p, struct err *e);
/* Starts the sandbox by the settings, with the attachments; returns at once. */
int program_start_sandbox(struct program *p, struct err *e);
/* Once it is ready: into the record, and what is weaker to the user. -1 when the environment of
 * packages does not fit its Python. */
int program_sandbox_ready(struct program *p, struct err *e);
/* Those that it has not shown yet. */
void program_show_artifacts(struct program *p);

#endif

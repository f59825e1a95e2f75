/* A recorded session that goes on with a further question (-c, -r, --fork): its record is taken up,
 * its limits hold, its attachments are bound again, its cells are run again in a fresh sandbox, and
 * its conversation is what the next request continues. Whatever cannot be had again is told to the
 * user, to the model and to the record. */
#ifndef AGENT_RESUME_H
#define AGENT_RESUME_H

#include "agent/program.h"
#include "agent/saved.h"

struct cJSON;

struct resume {
    struct saved saved;
    int question;       /* the number of the one that follows; 2 = the first was asked */
    struct buf differs; /* what is not as it was: "- ..." lines */
};
void resume_free(struct resume *r); /* NULL is fine */

/* --- the steps of agent/ask.c, in their order; each does nothing in a new session --- */

/* By the command line: finds, locks and loads the session, and puts its settings into p->conf where
 * they are stricter. ERR_USAGE for flags that do not go together, and for a session that cannot go
 * on. Before anything is chosen by the settings. */
int resume_open(struct program *p, struct err *e);
/* The attachments of before, behind those of this command: a file that is gone or changed is not
 * attached. Reads them whole. */
int resume_attach(struct program *p, struct err *e);
/* Instead of program_open_record: a copy with --fork, none with --ephemeral. From now on the record
 * is this question's. */
int resume_record(struct program *p, struct err *e);
/* Instead of opening_write, once the sandbox is ready: cells, conversation, question. */
int resume_restore(struct program *p, struct err *e);

/* --- its parts --- */

/* The settings that a resumed session keeps, for the record. Caller owns. */
struct cJSON *resume_settings(const struct conf *c);
/* Of each the stricter one, of what is recorded and what is set now, unless a flag of this command
 * line says it; appends a line to `notes` for each that changed by it. `namespaces`: the whole
 * sandbox was there. A setting that is not recorded counts as its default. */
int resume_policy(struct conf *c, const struct cJSON *settings, bool namespaces, struct buf *notes,
                  struct err *e);
/* The same for whom to ask: the model of before, where the address is the same and no flag chooses
 * another. */
int resume_policy_asked(struct conf *c, const struct cJSON *settings, struct buf *notes,
                        struct err *e);
/* Messages of the record into run->convo. Calls without a result are answered; code in fences stays
 * what it was. `fenced`: calls are written as fences, for a model without tool calls. */
void resume_convo(struct run *run, const struct saved *s, bool fenced, struct buf *differs);
/* Runs the cells again that ended by themselves, each in its context and language, as far as
 * variables and files of before stem from them. -1: the run has to stop. */
int resume_cells(struct run *run, const struct saved *s, struct buf *differs, struct err *e);

#endif

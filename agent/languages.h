/* The languages of a run besides Python: those that the setting `languages` names and whose tool
 * chain was found to work inside the sandbox. Only these are offered to the model. */
#ifndef AGENT_LANGUAGES_H
#define AGENT_LANGUAGES_H

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "sandbox/sandbox.h"

#define MAX_LANGUAGES 16

struct conf;
struct run;
struct ui;

struct languages {
    struct {
        const struct sandbox_language *language;
        char *version; /* "20.11.1"; NULL until it was found to work */
    } v[MAX_LANGUAGES];
    size_t n;
    struct sandbox_program programs[MAX_LANGUAGES]; /* for sandbox_spec; paths are conf's */
};

/* Those of the setting whose program is there. Of each other one the user is told why it is not
 * offered. With --language that one alone; -1 when its program is not there. */
int languages_find(const struct conf *c, struct ui *ui, struct languages *ret, struct err *e);
/* The value of the setting that names its program; NULL = it is looked for in PATH. */
const char *languages_program(const struct conf *c, const struct sandbox_language *l);
/* The language of --language, Python without it. NULL with ERR_USAGE when there is none such. */
const struct sandbox_language *languages_chosen(const struct conf *c, struct err *e);
/* Runs a cell in each, in its default context, unless an earlier run with the same program (path,
 * size, time) did: the answer is kept in $XDG_CACHE_HOME/agent. What does not work is taken out of
 * the list, and said. -1 when the run cannot go on (sandbox lost, stop). */
int languages_probe(struct run *run, struct languages *l, struct err *e);
void languages_done(struct languages *l);

/* "execute_javascript"; caller frees. */
char *languages_tool(const struct sandbox_language *l);
/* Lines for the system prompt, "" without further languages. Caller frees. */
char *languages_text(const struct languages *l);

#endif

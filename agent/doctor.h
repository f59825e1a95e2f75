/* agent doctor: what this machine gives the agent, found out by trying. Shared by doctor*.c. */
#ifndef AGENT_DOCTOR_H
#define AGENT_DOCTOR_H

#include "agent/program.h"

enum finding { FINDING_OK, FINDING_WEAKER, FINDING_MISSING };

struct doctor {
    struct program *p;
    struct buf text;    /* for people */
    struct cJSON *list; /* for programs; NULL = text is wanted */
    const char *section;
    int counts[3];
    bool no_sandbox; /* it would not start: exit status 5 */
};

/* Begins a part of the report. */
void doctor_section(struct doctor *d, const char *title);
/* One line of it. `mend` is a command to type, or a setting to change; NULL = nothing to do. */
void doctor_say(struct doctor *d, enum finding how, const char *what, const char *mend,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Each adds its lines; -1 only when the stop came. */
int doctor_sandbox(struct doctor *d, struct err *e);     /* every layer, probed */
int doctor_interpreter(struct doctor *d, struct err *e); /* a real cell; libraries, fonts */
int doctor_service(struct doctor *d, struct err *e);     /* keys, the endpoint, the clock */

#endif

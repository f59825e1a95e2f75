/* What one run holds: made by main.c, used by the loop and the tools. */
#ifndef AGENT_RUN_H
#define AGENT_RUN_H

#include "agent/artifacts.h"
#include "agent/attach.h"
#include "agent/base/stop.h"
#include "agent/conf.h"
#include "agent/convo.h"
#include "agent/ground.h"
#include "agent/published.h"
#include "agent/record.h"
#include "agent/ui.h"
#include "providers/client.h"
#include "sandbox/sandbox.h"

struct env;
struct events;
struct languages;
struct intake;
struct schema;
struct consent;

struct run {
    const struct conf *conf;
    const struct stop *stop;
    struct ui *ui;
    struct record *record;
    struct events *events; /* for programs; NULL = none */
    struct sandbox *sandbox;
    struct asking *asking;
    struct artifacts *artifacts;
    const struct env *env;             /* of packages; the program's */
    const struct languages *languages; /* besides Python, found to work; NULL = none */
    char *libraries; /* what imports, as the model is told; owned; NULL = not known yet */
    struct convo convo;

    int turns;           /* model turns so far: requests that went out */
    int replies;         /* of these, how many were answered */
    int cells, cells_ok; /* cells that ran, and that ran to their end */
    /* Of the session before this question: */
    int turns_before, cells_before; /* the highest numbers used */
    bool rests_on_cells;            /* a cell succeeded then */
    /* grounding.c: what the answer is checked against, and what came of it. */
    struct ground *evidence;
    int evidence_cell; /* what cells up to this one wrote is evidence already */
    struct ground_result grounding;
    bool grounded;
    const struct attach_list *files;
    const struct intake *intake;  /* the files' profile; NULL = not made yet */
    struct reporting {            /* reporting.c */
        struct published values;  /* by the code, for a report */
        struct report_cell *code; /* what ran; owned, with its texts */
        size_t n_code;
        char *markdown; /* the answer as the model wrote it, with references; NULL = it has none */
        bool wanted;    /* also without --report: the session that is repaired has one */
    } reporting;
    struct schema *schema;   /* of the answer; owned; NULL = none */
    struct consent *consent; /* asks before each cell; owned; NULL = nobody is asked */
    bool goes_on;            /* a stop ends the turn alone: cells are spared (chat) */
    bool told_of_env;        /* the user was told how a missing package can be had */
    struct err artifact_err; /* first artifact that could not be written */
};

#endif

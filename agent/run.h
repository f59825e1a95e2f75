/* What one run holds: made by main.c, used by the loop and the tools. */
#ifndef AGENT_RUN_H
#define AGENT_RUN_H

#include "agent/artifacts.h"
#include "agent/base/stop.h"
#include "agent/conf.h"
#include "agent/convo.h"
#include "agent/record.h"
#include "agent/ui.h"
#include "providers/client.h"
#include "sandbox/sandbox.h"

struct languages;

struct run {
    const struct conf *conf;
    const struct stop *stop;
    struct ui *ui;
    struct record *record;
    struct sandbox *sandbox;
    struct asking *asking;
    struct artifacts *artifacts;
    const struct languages *languages; /* besides Python, found to work; NULL = none */
    struct convo convo;

    int turns;               /* model turns so far: requests that went out */
    int replies;             /* of these, how many were answered */
    int cells, cells_ok;     /* cells that ran, and that ran to their end */
    struct err artifact_err; /* first artifact that could not be written */
};

#endif

/* matplotlib's list of fonts, kept in $XDG_CACHE_HOME/agent/mpl-KEY/fontlist-*.json, because making
 * it costs every run that plots a second. It is made inside the sandbox before any code of the
 * model's runs, and read there only: a spoilt file costs time and nothing else. */
#ifndef AGENT_FONTS_H
#define AGENT_FONTS_H

#include "agent/base/stop.h"
#include "sandbox/sandbox.h"

struct ui;
struct fonts {
    char *dir, *name; /* owned; name NULL = there is no list yet, dir NULL = no place to keep one */
    int fd;           /* owned; -1 */
};

/* Opens the list for this interpreter (the setting, NULL = the default one) and these fonts. */
void fonts_open(const char *python, struct fonts *ret);
/* Looks whether the content is a list, which takes longer than opening; a spoilt one is removed and
 * forgotten. */
void fonts_check(struct fonts *f);
/* Makes and keeps the list when there is none. Blocks in the sandbox, once for a machine; what
 * cannot be made or kept is no error. -1 only when the sandbox is lost or the stop came. */
int fonts_make(struct fonts *f, struct sandbox *s, struct ui *ui, const struct stop *stop,
               struct err *e);
void fonts_done(struct fonts *f);

#endif

/* The questions of agent chat, one at a time: typed at a prompt (libedit: history, editing,
 * completion), or the lines of a standard input that is no terminal.
 *
 * A line that ends in a backslash goes on in the next one; all between two lines of """ is one
 * question; what is pasted into a terminal that marks pastes is one too, its line ends shown as ␤.
 * The history is $XDG_STATE_HOME/agent/history (mode 0600), else ~/.local/state/agent/history. */
#ifndef AGENT_CHAT_LINE_H
#define AGENT_CHAT_LINE_H

#include <stdbool.h>
#include "agent/base/err.h"
#include "agent/base/stop.h"

struct chat_line;
/* `complete` are the words that a line can begin with (the commands), NULL-terminated, the
 * caller's; after a word in `paths` a file name is completed. Interactive when standard input and
 * standard error are terminals. */
struct chat_line *chat_line_new(const struct stop *stop, const char *const *complete,
                                const char *const *paths);
void chat_line_free(struct chat_line *l); /* writes the history, gives the terminal back */
bool chat_line_interactive(const struct chat_line *l);

enum chat_got { CHAT_LINE, CHAT_END, CHAT_BREAK };
/* Waits for a question: the caller frees *ret. CHAT_END: no more will come, or the stop came with
 * *e saying why (a signal that ends the program, the deadline, a question that is too long).
 * CHAT_BREAK: Ctrl-C at the prompt; what was typed is dropped. */
enum chat_got chat_line_read(struct chat_line *l, char **ret, struct err *e);

#endif

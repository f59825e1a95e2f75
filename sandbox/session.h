/* What the files of the agent's side share: one running sandbox as the agent holds it. */
#ifndef SANDBOX_SESSION_H
#define SANDBOX_SESSION_H

#include <sys/types.h>
#include "sandbox/frame.h"
#include "sandbox/launch.h"

struct msghdr;

#define MAX_OUT_QUEUE (4 * MIB) /* the code, and acks to a context that reads none */

/* One context. Its four channels go to two processes: control, out and err to the context, where
 * hostile code has them; guard to the guardian, which is ours. */
struct context {
    const struct sandbox_language *language;
    char *name;
    int control, out, err, guard; /* -1 = it does not live */
    struct buf in, guard_in, out_queue;
    int stdin_in, stdin_out; /* the caller's input, and our end of the pipe it goes to; -1 = none */
    struct buf stdin_queue;
    struct buf env; /* NAME=VALUE, each with a NUL behind */
    char *cwd;      /* NULL = the workspace */
    int64_t timeout_ms;
    int cells;
    bool ready;
    char *names; /* the names it said it holds, after its last cell */
};

struct sandbox {
    struct sandbox_spec spec; /* owned copies, for starting anew */
    char *python;
    struct helper h;
    struct buf control_in, status_in, log, weaker;
    struct buf network_in; /* the proxy's lines that nobody took yet; outlives a restart */
    bool network_ending;
    int workspace_fd; /* its number stays the same over a restart */
    bool started, ready, lost;
    int restarts;
    char version[32], limits[16], backend[16];
    char workspace_dir[80], data_dir[80], output_dir[80];
    int64_t oom_kills;
    struct err why; /* why it was lost */
    struct context *contexts;
    size_t n_contexts;
};

/* Takes in what the helper and the base process said, without waiting. A frame other than `ready`
 * and `warm` is given to `fn` (may be NULL). Sets s->lost when the helper has ended. */
typedef void session_frame(void *arg, const struct frame *f);
void session_hear(struct sandbox *s, session_frame *fn, void *arg);
/* Ends the proxy and reads its last words (network.c). */
void session_end_network(struct sandbox *s);
/* Declares it lost, with the reason; the first reason stays. */
void session_lose(struct sandbox *s, const char *why);
/* The context of that language (NULL = Python) and name, made if there is none. The pointer is good
 * until the next. */
struct context *session_context(struct sandbox *s, const struct sandbox_language *language,
                                const char *name);
void context_done(struct context *c);
/* Closes the channels: the guardian then kills all that the context left. Keeps `names`. */
void context_close(struct context *c);
/* -1 with the reason when the sandbox is lost. */
int session_alive(const struct sandbox *s, struct err *e);
/* Sends a frame with descriptors to the base process. */
int session_send(struct sandbox *s, const struct buf *frame, const int *fds, size_t n_fds,
                 const struct stop *stop, struct err *e);
/* sendmsg(2) that is not refused because of what the sandbox's code has on its way. */
ssize_t session_pass(int fd, const struct msghdr *msg);
/* A question to the base process; appends the field `error` of the frame `answer` to `error`. */
int session_ask(struct sandbox *s, const struct buf *frame, const int *fds, size_t n_fds,
                const char *answer, struct buf *error, const struct stop *stop, struct err *e);
/* A copy with descriptors of its own, and its end; NULL stays NULL. */
struct sandbox_image *image_copy(const struct sandbox_image *from);
void image_free(const struct sandbox_image *image);
/* Reads what is there, at most `max` bytes, without waiting. 1 = more may come, 0 = the other end
 * has closed. */
int session_read(int fd, struct buf *out, size_t max);

#endif

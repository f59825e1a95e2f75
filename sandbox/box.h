/* The sandbox under construction, and the steps that build it. Internal to agent-sandbox: every
 * file of the helper fills its part of struct box; main.c holds the order of the steps.
 *
 * A step returns 0, or -1 with *e saying what failed, why, and what mends it. The layer's name is
 * put before it by main.c. Nothing here blocks, except box_watch() and init_run(), which wait for
 * the command. */
#ifndef SANDBOX_BOX_H
#define SANDBOX_BOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "agent/base/err.h"
#include "agent/base/str.h"
#include "sandbox/spec.h"

enum { INNER_ID = 1000 }; /* uid and gid that the code sees */

/* One entry of the file tree to be built, with its source open: sources.c makes the list, mounts.c
 * works it off in order. */
enum op_kind {
    OP_DIR,     /* an empty directory */
    OP_TMPFS,   /* `text` holds the mount options */
    OP_TREE,    /* `fd`: a detached mount to be attached at dst */
    OP_SYMLINK, /* `text` is the target */
    OP_TEXT,    /* a file of ours with this text */
    OP_COPY,    /* `fd`: an open file whose bytes are copied to dst, `size` of them */
    OP_PROC,    /* with its covers */
};
struct op {
    enum op_kind kind;
    char *dst;     /* owned; absolute */
    char *text;    /* owned */
    int fd;        /* owned; -1 if none */
    bool is_dir;   /* OP_TREE */
    bool writable; /* OP_COPY */
    int64_t size;  /* OP_COPY */
    unsigned mount_flags;
};

enum limits_backend { BACKEND_RLIMITS, BACKEND_CGROUP1, BACKEND_CGROUP2 };
struct cgroup {
    enum limits_backend backend;
    int attach_fds[2]; /* the child writes "0" to each: it moves itself */
    size_t n_attach;
    int events_fd; /* memory.events or memory.oom_control: holds the oom_kill count */
    int notify_fd; /* cgroup1: eventfd that counts out-of-memory events; -1 */
    int peak_fd;   /* highest memory use, bytes; -1 where the kernel lacks it */
    int cpu_fd;    /* processor time used; -1 */
    int share_fd;  /* with cpu-share: how long it made the code wait; -1 */
    bool has_cpu;  /* cpu-share can be enforced */
    pid_t keeper;  /* 0 = none */
    bool answered; /* the above is filled in */
    int keeper_fd; /* held by the helper and init: when both are closed the keeper cleans up */
};

enum { METER_DIRS = 4 };
struct box {
    const struct spec *spec;
    bool from_root;
    bool trees_open; /* opened as root already */
    bool lone;       /* without namespaces: lone.c */
    char root[64];   /* lone: the private directory; "" = none */
    int64_t tasks; /* lone, ordinary user: what it runs already, all of which RLIMIT_NPROC counts */
    int64_t room_next_us; /* lone: when the files are added up again */
    uid_t uid;            /* on the host: what the sandbox's 1000 is outside */
    gid_t gid;
    struct op *ops;
    size_t n_ops;
    struct cgroup cg;
    struct buf weaker;         /* one line a weakness */
    long landlock;             /* level, 0 = none */
    int info_fd;               /* init and the command's process -> helper: struct info records */
    int leash_fd;              /* helper -> init: hangs up when the helper is gone */
    int leash_out;             /* the helper's end */
    int meter_fds[METER_DIRS]; /* the tmpfs that the meter counts; -1 until init sent them. Lone:
                                  what lone_over() adds up */
    struct denied_counts *denied; /* shared with the caller; NULL = not wanted */
    int listener;                 /* of refused calls; -1 = none */
    int64_t start_us;
};

/* What init and the command's process tell the helper, over one pipe. */
enum info_kind {
    INFO_FAILED = 1,
    INFO_NOT_RUN,
    INFO_ENDED,
    INFO_DIRS,    /* carries the meter's descriptors */
    INFO_LISTENER /* carries the listener of refused calls (denied.h) */
};
struct info {
    enum info_kind kind;
    int status;     /* INFO_ENDED: wait status of the command; INFO_NOT_RUN: 126 or 127 */
    char layer[32]; /* INFO_FAILED */
    struct err err;
};

/* --- sources.c: opens everything that comes from the host, by the caller's rights --- */
int sources_open_files(struct box *b,
                       struct err *e); /* data and file descriptors; before any change of id */
int sources_open_trees(struct box *b,
                       struct err *e); /* mounts: where CAP_SYS_ADMIN is, root or child */
void sources_print(struct buf *out);

/* --- devices.c: --device --- */
/* A descriptor (O_PATH) of the device at `path`, judged; -1 if it may not be shown. */
int device_open(const char *path, struct err *e);
int devices_check(struct box *b, struct err *e); /* inside: may the code open them? */
void devices_print(struct buf *out);
void ops_free(struct box *b);

/* --- cgroup.c --- */
int cgroup_make(struct box *b,
                struct err *e); /* as root: starts the keeper, which makes the group */
/* Until it is made; blocks as long as that takes. Helper and init each for itself: so the one
 * starts the other meanwhile. */
int cgroup_await(struct box *b, struct err *e);
int cgroup_join(struct box *b, struct err *e); /* in the child */
/* Nothing more is to be read: the keeper may remove the group as soon as init is gone. */
void cgroup_let_go(struct cgroup *cg);
/* When init is gone: waits until the keeper has removed the group. */
void cgroup_release(struct cgroup *cg);
/* Times that the memory limit killed something; peak in bytes; processor time in ms (-1 unknown).
 */
int64_t cgroup_oom_kills(const struct cgroup *cg);
int64_t cgroup_peak(const struct cgroup *cg);
int64_t cgroup_cpu_ms(const struct cgroup *cg);
/* How long cpu-share made the code wait; 0 without that limit. */
int64_t cgroup_throttled_ms(const struct cgroup *cg);

/* --- ns.c --- */
int ns_drop_root(struct box *b, struct err *e);
/* Forks into new namespaces; 0 in the child, the child's pid and *ret_pidfd in the helper. */
pid_t ns_fork(struct box *b, int *ret_pidfd, struct err *e);
int ns_map_ids(struct box *b, struct err *e);
int ns_counters(struct box *b, struct err *e);
/* Starts a process that makes the network namespace, and later takes the old root away. */
int ns_aside_begin(struct box *b, struct err *e);
int ns_net_join(struct box *b, struct err *e); /* waits until it is made: no network from here on */
void ns_aside_pivoted(void);                   /* the old root lies on the new one, and may go */
/* Waits until it is gone. In init, or in what shares its memory. */
int ns_aside_join(struct box *b, struct err *e);
int ns_names(struct box *b, struct err *e);
int ns_linger(struct box *b, struct err *e); /* what takes long at the end does not hold it up */
int ns_session(struct box *b, struct err *e);

/* --- mounts.c --- */
int mounts_build(struct box *b, struct err *e);
int mounts_pivot(struct box *b, struct err *e);
void mounts_print(struct buf *out);            /* what of /proc is left visible */
int egress_send(struct box *b, struct err *e); /* between the two above: --egress-fd */
int workspace_send(struct box *b, struct err *e);

/* Without namespaces: copies the caller's files and context.so below `root`. */
int mounts_place(struct box *b, int root, struct err *e);

/* --- lone.c: the back end without namespaces --- */
int lone_level(struct box *b,
               struct err *e); /* does this kernel have what it takes? Says what is weaker */
int lone_files(struct box *b, struct err *e); /* the private directory and what is in it */
int lone_count(struct box *b, struct err *e);
int lone_reaper(struct box *b, struct err *e); /* orphans below the caller become its children */
int lone_rights(struct box *b, struct err *e); /* no capabilities, no_new_privs */
const char *lone_over(struct box *b);          /* the limit on files that is passed, NULL if none */
void lone_kill(pid_t keep);      /* everything below the caller but `keep` (0 = nothing) */
void lone_remove(struct box *b); /* the private directory */
void lone_print(struct buf *out);
/* Where a path of the sandbox lies: itself, or below b->root. Caller frees. */
char *box_place(const struct box *b, const char *path);

/* --- limits.c, caps.c, landlock.c, seccomp.c --- */
int limits_apply(struct box *b, struct err *e);
int limits_threads(const struct box *b); /* how many threads numpy may start */
void limits_print(struct buf *out);
void ns_print(struct buf *out);
int caps_drop(struct box *b,
              struct err *e); /* all of them, and no_new_privs; reads back that they are gone */
int landlock_apply(struct box *b, struct err *e);
long landlock_level(void);
void landlock_ro(const struct box *b,
                 struct buf *out); /* paths of --ro, each ended by a line end */
void landlock_devices(const struct box *b, struct buf *out); /* likewise those of --device */
void landlock_print(struct buf *out);
int seccomp_command(struct box *b, struct err *e);
int seccomp_init_filter(struct box *b, struct err *e);
void seccomp_print(struct buf *out);

/* --- command.c, init.c: both end the process --- */
/* The command is not run before init has written to the gate that it is ready. Returns the pid of
 * its process, or -1 with errno. */
pid_t command_start(struct box *b, const int gate[2]);
/* Who runs out of memory goes first. Without namespaces the command's process alone, since init has
 * to clean up; else init, from which the command inherits it. */
int command_oom_score(struct box *b, struct err *e);
/* Does it share init's memory until then? It makes that uninspectable itself then. */
bool command_shares_memory(const struct box *b);
void init_run(struct box *b, pid_t command, int gate_fd) __attribute__((noreturn));
void environment_print(struct buf *out);
/* Reports a failure of set-up to the helper and ends the process. */
void box_fail(struct box *b, const char *layer, const struct err *e) __attribute__((noreturn));

/* --- watch.c: the helper's wait; returns its exit status. `ready_fd` hangs up when the command
 * runs --- */
int box_watch(struct box *b, pid_t init, int pidfd, int info_fd, int ready_fd);
/* --- main.c --- */
void steps_print(struct buf *out);
/* Text on stderr and the "error" event; returns `exit_status` --- */
int box_report(const struct spec *s, const char *layer, const struct err *e, int exit_status);

/* --- meter.c: without a memory cgroup --- */
int meter_send(struct box *b, struct err *e); /* in init: the directories to be counted */
/* Receives one record, and the descriptors if it carries them. false: none waiting, or the other
 * side is gone. */
bool meter_receive(struct box *b, int info_fd, struct info *ret);
/* All processes below `top`, theirs included. Caller frees *ret. */
size_t meter_below(pid_t top, pid_t **ret);
struct meter;
struct meter *meter_new(const struct box *b, pid_t init);
/* Sums memory; over the limit it kills the largest process and returns 1, else 0. */
int meter_check(struct meter *m);
int64_t meter_peak(const struct meter *m);
int64_t meter_cpu_ms(struct meter *m);
void meter_free(struct meter *m);

/* --- hints.c: why this kernel or its configuration refused, and what to type --- */
int hint_namespace(struct err *e, int sys, const char *what);
int hint_mount(struct err *e, int sys, const char *what);

#endif

/* The sandbox, as the agent sees it: start one per session, run cells in its contexts, read what
 * they left. The isolation itself is a program of its own, agent-sandbox (exec'd, never forked
 * from the agent's memory); inside it runs sandbox/interpreter/driver.py.
 *
 * The code failing is a result, not an error: sandbox_run() returns 0 and the result's status says
 * what happened; -1 means that the sandbox itself could not be made or is lost (ERR_SANDBOX), or
 * that the stop came (ERR_DEADLINE, ERR_CANCEL).
 *
 * Everything that comes out is untrusted: bounded (agent/base/limits.h), parsed defensively, and
 * never cleaned here: bytes are as the code wrote them. Blocking: sandbox_wait_ready, sandbox_run
 * and sandbox_put, each under its stop. */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/base/str.h"

/* The languages of cells, one row each; what a driver owes is in docs/LANGUAGES.md. */
enum sandbox_start {
    START_PYTHON, /* the context is a fork of the template */
    START_EXEC,   /* it becomes the runtime, which has the control channel at its descriptor */
    START_RELAY,  /* likewise, through two pipes: runtimes that can open no socket by number */
    START_FORK,   /* it stays a Python that runs the driver; the runtime is its child */
};
struct sandbox_language {
    const char *name;      /* "javascript": in settings, messages and the record */
    const char *title;     /* "JavaScript": for people and the model */
    const char *other;     /* further names that sandbox_language() takes, space separated */
    const char *extension; /* of a file of its code, without the dot */
    const char *mime;      /* of its code */
    const char *runtime;   /* its program's name in PATH */
    const char *setting;   /* that names the program */
    const char
        *marks; /* what an installation PREFIX/bin/RUNTIME has beneath PREFIX, one of these */
    enum sandbox_start start;
    const char *driver; /* in sandbox/interpreter, "" for Python */
    const char *args;   /* words; {driver} is its path, {heap}, {half} MiB for its heap */
    const char *env;    /* NAME=VALUE words on top of the usual environment */
    const char *needs;  /* patterns of what else it must see, outside /usr; space separated */
    const char *probe;  /* a cell that prints the version in one line, or fails */
};
extern const struct sandbox_language sandbox_languages[]; /* the first is Python */
extern const size_t sandbox_languages_n;
/* By name or other name; NULL is Python. NULL when there is none of that name. */
const struct sandbox_language *sandbox_language(const char *name);

struct sandbox_program {
    const struct sandbox_language *language;
    const char *path; /* of the runtime; NULL or "" = its name in PATH */
};

struct sandbox_file {
    const char *path; /* on this machine; opened by the caller's rights */
    const char *name; /* under /data, and by this name in /workspace */
};

/* How matplotlib's figures come out, until the code chooses otherwise. */
enum sandbox_figures { FIGURES_PNG, FIGURES_SVG, FIGURES_BOTH, FIGURES_FULL };

struct sandbox_spec {
    const char *helper; /* path of agent-sandbox; NULL = beside this program, then PATH */
    const char *python; /* path of the interpreter; NULL = /usr/bin/python3, then PATH */
    const struct sandbox_program *programs; /* languages besides Python that cells may be in */
    size_t n_programs;
    const struct sandbox_file *files;
    size_t n_files;
    int64_t memory_bytes, workspace_bytes, file_bytes; /* 0 = the helper's default */
    int max_processes, max_open_files, cpu_seconds;    /* 0 = the helper's default */
    int cpu_share;                                     /* per cent of one processor; 0 = no limit */
    const char *devices; /* paths below /dev that the code may use, space separated; NULL = none */
    bool best; /* where namespaces are forbidden, go on without them (sandbox_info says so) */
    const char *network; /* hosts that the code may reach, space separated; NULL = none */
    enum sandbox_figures figures;
    const char *preload; /* modules the template imports ahead, space separated; NULL = none */
    /* matplotlib's list of fonts, as sandbox_fonts gave it in an earlier session, and its file
     * name; NULL = none. The descriptor stays the caller's and is used only in sandbox_start; any
     * content is harmless, since only code inside reads it. */
    const char *fonts_name;
    int fonts_fd;
    /* An environment of packages (agent/env.h): a folder of this machine whose modules contexts can
     * import, read-only; NULL = none. No template imports from it: its code is as hostile as a
     * cell's. `wheels` is a folder shown for building one. sandbox_place says where they are
     * inside. */
    const char *packages, *wheels;
    /* The memory of a warm template that another sandbox of the same settings wrote
     * (sandbox_image), which this one's then shares; NULL = none. It stays the caller's and is used
     * only in sandbox_start. Where it does not fit, the sandbox makes its own as without it. */
    const struct sandbox_image *image;
};
struct sandbox_image {
    int fd;   /* a memfd */
    int gate; /* the reading end of a pipe: it hangs up when the image is done or never will be */
};
enum sandbox_shown { SHOWN_PACKAGES, SHOWN_WHEELS };
/* Where the code finds that folder: valid as long as the spec is. */
const char *sandbox_place(const struct sandbox_spec *spec, enum sandbox_shown which);
/* The source of the cell that builds an environment: it defines build(folder of its inputs). */
struct str sandbox_installer(void);
/* The source of the cell that profiles files: it defines profile(a dict that agent/intake.c makes).
 */
struct str sandbox_profiler(void);

/* The agent-sandbox program that a spec with this `helper` starts. ERR_SANDBOX when there is none.
 * Caller frees. */
char *sandbox_helper_path(const char *helper, struct err *e);
/* Runs agent-sandbox --check: every layer is built and probed for real. Its exit status (0 = all
 * hold, 1 = one does not, 125 = no sandbox could be made) or -1. What it prints, a line a layer
 * ("holds", "absent" or "FAILS", the layer, what was tried: in columns of 8 and 18) after lines of
 * what it stands on, goes to `out`, its complaint to `errors`. Takes a second or so. */
int sandbox_check(const char *helper, bool best, const struct stop *stop, struct buf *out,
                  struct buf *errors, struct err *e);

struct sandbox;
/* Starts the helper and returns at once; set-up goes on while the caller does other things. */
struct sandbox *sandbox_start(const struct sandbox_spec *spec, struct err *e);
/* Waits until the sandbox is built and its interpreter answers. -1 with ERR_SANDBOX names the
 * layer that failed, why, and the command that mends it. */
int sandbox_wait_ready(struct sandbox *s, const struct stop *stop, struct err *e);
/* Starts it anew if it has ended by itself. 1 = it was started anew: variables and the files of
 * /workspace are gone (sandbox_workspace_fd keeps its number); 0 = it lives; -1 = it cannot be had.
 */
int sandbox_revive(struct sandbox *s, const struct stop *stop, struct err *e);
/* Kills everything inside and waits for it. NULL is fine. */
void sandbox_free(struct sandbox *s);

/* Facts, valid after sandbox_wait_ready. */
struct sandbox_info {
    const char *python_version; /* "3.11.2" */
    const char *python_path;
    const char *limits_backend;                        /* "cgroup2", "cgroup1", "rlimits" */
    const char *backend;                               /* "namespaces", "landlock" */
    const char *workspace_dir, *data_dir, *output_dir; /* as the code sees them */
    const char *weaker; /* one line a weakness, newline separated; "" = none */
};
void sandbox_get_info(const struct sandbox *s, struct sandbox_info *ret);

enum sandbox_status {
    SANDBOX_OK,          /* the cell ran to its end */
    SANDBOX_ERROR,       /* it raised; `error` says what */
    SANDBOX_TIMEOUT,     /* it was interrupted at the time limit; variables survive */
    SANDBOX_KILLED_TIME, /* it did not heed the interrupt and was killed; the context is new */
    SANDBOX_MEMORY,      /* killed at the memory limit; the context is new */
    SANDBOX_OUTPUT,      /* killed at the output limit; the context is new */
    SANDBOX_DIED,        /* the interpreter ended: exit or signal below; the context is new. With
                            an error "StartError" a further language's runtime did not start */
};
const char *sandbox_status_word(enum sandbox_status s); /* "ok", "error", "timeout", ... */

/* -1 with ERR_CONFIG: the language's runtime was not found, or cannot be shown inside. Whether it
 * works there is for a cell to tell. */
int sandbox_check_program(const struct sandbox_program *p, struct err *e);
/* The program itself, absolute; NULL as above. Caller frees. */
char *sandbox_program_path(const struct sandbox_program *p, struct err *e);

/* A value the cell displayed: one representation an entry. */
struct sandbox_repr {
    char *mime;
    char *data; /* bytes, NUL-terminated after n for convenience */
    size_t n;
};
enum sandbox_item_kind { ITEM_STDOUT, ITEM_STDERR, ITEM_RESULT };
/* What came out, in the order it came. */
struct sandbox_item {
    enum sandbox_item_kind kind;
    char *text; /* stdout, stderr: bytes */
    size_t n;
    struct sandbox_repr *reprs; /* result */
    size_t n_reprs;
    bool is_main; /* result: the value of the cell's last expression */
    int number;   /* result: 1.. in the order in which they came */
    char *id;     /* result: the name by which later code may replace it, NULL if none */
    char *file;   /* result: name in /workspace of the saved figure, NULL if none */
};
/* What the kernel refused to the code, by its own word and not by what the code printed. */
struct sandbox_denied {
    const char *what; /* "network", "system call" */
    char name[40];    /* "socket(AF_INET)", "ptrace" */
    int64_t count;
};
struct sandbox_result {
    enum sandbox_status status;
    struct sandbox_item *items;
    size_t n_items;
    char *error_name, *error_value, *traceback; /* SANDBOX_ERROR and SANDBOX_TIMEOUT; else NULL */
    int error_line;                             /* line in the cell, 0 = unknown */
    int exit_code, signal; /* SANDBOX_DIED: one of them is not 0, or both are 0 for exit(0).
                              SANDBOX_ERROR: the status that the cell asked for, 0 = it did not */
    int64_t stdout_bytes, stderr_bytes; /* all that was written, kept or not */
    int64_t dropped_results;            /* beyond MAX_CELL_EVENTS or MAX_FRAME_BYTES */
    int64_t cleared; /* how often the code took back what it had shown (clear_output) */
    int64_t duration_us;
    int64_t peak_bytes, cpu_us; /* of the whole context, known when it ended; else 0 */
    char *lost_names; /* the context had to be made anew, before or after the code: the names
                         that were lost, space separated; NULL = nothing was lost */
    struct sandbox_denied *denied; /* while the cell ran, by any process of the code */
    size_t n_denied;
    bool denied_known; /* false: refusals are not counted here (sandbox_info.weaker says so) */
    int forged;        /* messages on the control channel that the driver did not send */
};
void sandbox_result_done(struct sandbox_result *r);

/* While it runs, in the order in which it came; every slot may be NULL. What is given is valid
 * during the call. A result that takes the place of an earlier one has its number. The error's
 * fields are those of a sandbox_result; a later error (of a forger) replaces it. */
struct sandbox_sink {
    void (*output)(void *arg, bool is_stderr, struct str bytes);
    void (*result)(void *arg, const struct sandbox_item *item, int number);
    void (*error)(void *arg, const char *name, const char *value, const char *traceback, int line);
    void *arg;
};

/* Code as a program instead of a notebook's cell: what python3 would do with it, to the exit status
 * (status SANDBOX_DIED, also with 0). Nothing is a result but a figure. */
struct sandbox_program_unit {
    const char *script;      /* its name in tracebacks: "<stdin>", "<string>" or a path inside */
    const char *const *argv; /* sys.argv, NULL-terminated; at least one */
    bool last;               /* the program ends with it; else more units of this context follow */
};
struct sandbox_cell {
    const char *context;                        /* "default"; each language has its own contexts */
    int number;                                 /* 1..; tracebacks say "cell N" */
    struct str code;                            /* UTF-8 without NUL; a program: any bytes */
    int64_t timeout_ms;                         /* 0 = the context's */
    const struct sandbox_language *language;    /* NULL = Python */
    const struct sandbox_program_unit *program; /* NULL = a notebook's cell */
    /* When the stop comes by a signal: the cell is interrupted as at its time limit, and only if it
     * does not heed that is its context killed. sandbox_run() returns -1 in either case. */
    bool spare;
};
int sandbox_run(struct sandbox *s, const struct sandbox_cell *cell, const struct stop *stop,
                const struct sandbox_sink *sink, struct sandbox_result *ret, struct err *e);
/* The same in two steps, so that the caller can do other things while it runs: begin returns once
 * the code was sent, end waits for it and takes what came. What it prints meanwhile waits in its
 * pipe, and beyond that it waits itself. Its time counts from begin. A sandbox that was lost in
 * between is a cell that died. end frees; so does drop, which kills what still runs. NULL is fine.
 */
struct sandbox_running;
int sandbox_run_begin(struct sandbox *s, const struct sandbox_cell *cell, const struct stop *stop,
                      struct sandbox_running **ret, struct err *e);
int sandbox_run_end(struct sandbox *s, struct sandbox_running *running, const struct stop *stop,
                    const struct sandbox_sink *sink, struct sandbox_result *ret, struct err *e);
void sandbox_run_drop(struct sandbox *s, struct sandbox_running *running);

/* --- contexts: interpreters that share the workspace and nothing else ---
 *
 * sandbox_run makes a context at its first use, with the defaults. One that died is made anew at
 * its next cell, from the template, with the same options. Each language has its own (NULL =
 * Python). */
struct sandbox_context_options {
    const char *cwd;        /* absolute; NULL = the workspace */
    const char *const *env; /* NAME=VALUE on top of the usual ones, NULL-terminated; NULL = none */
    int64_t timeout_ms;     /* of its cells that name none; 0 = they must */
    int input; /* a descriptor whose bytes become the code's standard input while cells run, up to
                  its end; not owned, valid as long as the context; -1 = there is none */
};
struct sandbox_context_info {
    const struct sandbox_language *language;
    const char *name;
    bool lives;
    int cells;         /* run in it, over all its lives */
    const char *names; /* that it held after its last cell, space separated; never NULL */
};
/* ERR_USAGE: a name that is none (1 to 64 of a-z A-Z 0-9 . _ -, no dot or dash first), one that
 * is taken, or more than MAX_CONTEXTS. Its process comes with its first cell. */
int sandbox_context_create(struct sandbox *s, const struct sandbox_language *language,
                           const char *name, const struct sandbox_context_options *o,
                           struct err *e);
/* Both kill all that runs in it. The restarted one is empty when its next cell comes, and nothing
 * counts as lost. ERR_USAGE: there is none of that name. */
int sandbox_context_delete(struct sandbox *s, const struct sandbox_language *language,
                           const char *name, struct err *e);
int sandbox_context_restart(struct sandbox *s, const struct sandbox_language *language,
                            const char *name, struct err *e);
size_t sandbox_context_count(const struct sandbox *s);
void sandbox_context_get(const struct sandbox *s, size_t i, struct sandbox_context_info *ret);

/* Places a read-only file for the next cells to read, at /output/NAME. */
int sandbox_put(struct sandbox *s, const char *name, struct str content, const struct stop *stop,
                struct err *e);
/* Which of these modules import in this sandbox: "name version\n" for each that does. Slow the
 * first time a Python is met (it really imports them); the caller caches. */
int sandbox_probe(struct sandbox *s, const char *modules, const struct stop *stop, struct buf *ret,
                  struct err *e);
/* Which of these imports and calls (dotted names, space separated) Python code names: "import NAME
 * LINE\n" or "call NAME LINE\n" for each. Its own parser looks, in a process that runs none of it.
 */
int sandbox_names(struct sandbox *s, struct str code, const char *imports, const char *calls,
                  const struct stop *stop, struct buf *ret, struct err *e);
/* Makes matplotlib's list of fonts: its file name and content, or two empty texts when matplotlib
 * is not there or does not work. For the next session's spec; slow. Call it before any cell has
 * run. */
int sandbox_fonts(struct sandbox *s, const struct stop *stop, struct buf *name, struct buf *ret,
                  struct err *e);
/* Writes the memory of the template that imports the preload list into a memfd that permits seals,
 * and seals it. For the specs of later sandboxes. Call it where no cell runs. ERR_SANDBOX: it
 * cannot be had here. */
int sandbox_image(struct sandbox *s, int fd, const struct stop *stop, struct err *e);
/* One word of sandbox_spec.network: "host", "host:port" or "*.host". ERR_USAGE says what is wrong
 * with it. */
int sandbox_check_host(struct str word, struct err *e);
/* A connection that the code made or wanted; the strings live during the call. Host and port are
 * what was asked for ("" and 0: it did not get that far), the reason says why not, or why it ended
 * early. */
struct sandbox_connection {
    const char *host;
    int port;
    bool allowed;
    const char *reason;
    int64_t bytes_in, bytes_out, duration_us;
};
typedef void sandbox_connection_fn(void *arg, const struct sandbox_connection *c);
/* Tells each that ended since the last call. `last` ends the way to the network first (it waits at
 * most 3 s), so that the open ones are told too. */
void sandbox_network(struct sandbox *s, bool last, sandbox_connection_fn *fn, void *arg);
/* --- files of the workspace, for callers beside the code ---
 *
 * A name is relative to the workspace and made of bytes; ERR_USAGE: an empty one, or one with an
 * empty, "." or ".." part, or too long. No link in it is followed. */
/* An open plain file, the caller's; what it holds is hostile, and may change while it is read. */
int sandbox_file_open(struct sandbox *s, struct str name, int64_t *ret_size, struct err *e);
/* All that the descriptor of a plain file gives, under the name, in folders made on the way; what
 * was there is replaced. */
int sandbox_file_write(struct sandbox *s, struct str name, int fd, const struct stop *stop,
                       struct err *e);
int sandbox_file_remove(struct sandbox *s, struct str name, const struct stop *stop, struct err *e);
/* Each plain file, in no order. 1 = all; 0 = there were more than MAX_SCAN_ENTRIES. */
typedef void sandbox_file_fn(void *arg, struct str name, int64_t size);
int sandbox_file_list(struct sandbox *s, sandbox_file_fn *fn, void *arg, struct err *e);
/* A directory descriptor on /workspace, owned by the sandbox. Look files up beneath it with
 * openat2(RESOLVE_BENEATH | NO_SYMLINKS | NO_MAGICLINKS): what is there is hostile. */
int sandbox_workspace_fd(const struct sandbox *s);

#endif

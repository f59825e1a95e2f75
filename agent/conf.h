/* Settings: one table (agent/conf_table.c) gives every setting its flag, its agent.conf key, its
 * environment variable, kind, range, default and help. It drives the parsing of all four, --help
 * and --print-config.
 *
 * Precedence: flag > AGENT_* environment > ./agent.conf > $XDG_CONFIG_HOME/agent/agent.conf (or
 * ~/.config/agent/agent.conf) > default. Within a file, [profile NAME] stands above the plain keys
 * when that profile is chosen. A list (--file) from a higher place replaces the one from a lower.
 *
 * ./agent.conf belongs to whoever made the directory, so it may not set what runs a command, moves
 * the key, or names a file to read or write elsewhere, unless the user trusts projects
 * (trust_project). Nothing here blocks, prints or exits. */
#ifndef AGENT_CONF_H
#define AGENT_CONF_H

#include <stdint.h>
#include "agent/base/err.h"
#include "agent/base/str.h"

/* The first word of a command line names a command when it is exactly one of conf_command.c's
 * names; any other word begins a question. */
enum conf_command {
    CMD_ASK,
    CMD_CHAT,
    CMD_EXEC,
    CMD_ENV,
    CMD_MODELS,
    CMD_USAGE,
    CMD_SESSIONS,
    CMD_BATCH,
    CMD_EXPORT,
    CMD_RERUN,
    CMD_JOB,
    CMD_DOCTOR,
    CMD_KEYS,
    CMD_COMPLETION,
    CMD_REPORT,
    CMD_PROFILE,
    CMD_HELP,
    CMD_COUNT
};
enum conf_action { CONF_RUN, CONF_HELP, CONF_VERSION, CONF_PRINT };
/* The wire formats, in the order of the setting's choices; conf_wires[] holds the codecs' names. */
enum conf_wire { WIRE_AUTO, WIRE_COUNT = 6 };
extern const char *const conf_wires[WIRE_COUNT];
enum conf_format { FORMAT_TEXT, FORMAT_JSON, FORMAT_STREAM };
enum conf_inline { INLINE_AUTO, INLINE_NEVER, INLINE_KITTY, INLINE_ITERM, INLINE_SIXEL };
enum conf_color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };
enum conf_validate { VALIDATE_OFF, VALIDATE_WARN, VALIDATE_STRICT };
enum conf_sandbox { SANDBOX_STRICT, SANDBOX_BEST };
enum conf_tools { TOOLS_NATIVE, TOOLS_FENCED };
enum conf_images { IMAGES_AUTO, IMAGES_ON, IMAGES_OFF };
enum conf_intake { INTAKE_FULL, INTAKE_SCHEMA, INTAKE_OFF };
enum conf_repair { REPAIR_NEVER, REPAIR_ASK, REPAIR_AUTO };
enum conf_stdin { STDIN_AUTO, STDIN_NO, STDIN_WAIT };

struct conf_list {
    char **v;
    size_t n;
};
void conf_list_add(struct conf_list *l, const char *s); /* a copy of it */
void conf_list_done(struct conf_list *l);

/* A section of agent.conf about a service, about models, or about prices. Later ones win. */
enum conf_rule_kind { RULE_SERVICE, RULE_MODEL, RULE_PRICE, RULE_COUNT };
struct conf_change {
    char *path, *json; /* json NULL = the member is left out */
};
struct conf_rule {
    enum conf_rule_kind kind;
    char *name;  /* of the service, or a pattern for "model" or "service/model" */
    char *where; /* "/home/x/.config/agent/agent.conf:12" */
    bool project;
    char *base_url, *api_key_env, *api_key_file, *api_key_cmd; /* NULL = not set here */
    int wire;                                                  /* enum conf_wire */
    char *headers;                                             /* "Name: value\n" lines, or NULL */
    struct conf_change *changes;
    size_t n_changes;
    long context_window;                     /* 0 = not set here */
    double in, out, cache_read, cache_write; /* USD per million tokens; NAN = not set here */
};

/* Plain typed fields; a char * is owned by the struct and NULL when the setting is empty. */
struct conf {
    enum conf_command command;
    enum conf_action action;
    char **args; /* the words that are no flags, in order, without the command; owned */
    size_t n_args;
    struct conf_list given; /* flags of the command line that agent ask obeys: "--model=x" */

    /* agent exec */
    struct conf_list code, context; /* the Nth context is the Nth code's; one stands for all */
    bool notebook, json;
    struct conf_list put, get; /* PATH[:NAME]; NAME[:PATH] */
    char *cwd;                 /* inside */
    struct conf_list setenv;   /* NAME=VALUE */

    /* model */
    char *model;
    char *provider; /* a service's name; NULL = by the model's name. "replay" only with `replay` */
    char *base_url; /* without a trailing slash; NULL = the service's own */
    int wire;       /* enum conf_wire */
    char *api_key_env, *api_key_file, *api_key_cmd;
    bool stream;
    long max_tokens;    /* 0 = the service's default */
    double temperature; /* NAN = not sent */
    int effort;         /* conf_effort_word() */
    bool show_reasoning;
    int tools;           /* enum conf_tools */
    int images;          /* enum conf_images */
    long max_images;     /* pictures in one request */
    int64_t image_bytes; /* of one picture */
    long num_ctx;        /* 0 = by estimate */
    char *system_prompt; /* replaces the built-in one */
    char *append_system;
    char *prompts_dir;
    struct conf_list fallback;         /* models that take over, in order */
    long context_window;               /* tokens; 0 = as known of the model */
    double max_cost, max_cost_per_day; /* USD; NAN = no limit */
    long max_tokens_total;             /* 0 = no limit */

    /* the run */
    struct conf_list file; /* PATH[:NAME], as given */
    int standard_input;    /* enum conf_stdin */
    long max_turns;
    int64_t deadline_ms;    /* 0 = none; the whole run */
    int64_t timeout_ms;     /* one cell */
    long output_cap;        /* characters of one stream that the model is shown */
    int intake;             /* enum conf_intake */
    bool grounding;         /* check the answer's numbers against what was printed */
    bool strict;            /* what is not found fails the run */
    int repair;             /* enum conf_repair: of a re-run that fails */
    struct conf_list param; /* of agent job: NAME=VALUE */
    struct conf_list check; /* Python that must be true in the end */
    char *schema;           /* a file, or the JSON Schema itself; NULL = none */
    bool ask;               /* before each cell */

    /* output and record */
    char *output;            /* the answer's file */
    struct conf_list report; /* files of the report, one a format */
    int output_format;       /* enum conf_format: what standard output carries */
    char *out_dir;           /* further copies of the artifacts; NULL = none */
    char *session_dir;       /* NULL = the default place (conf_session_root) */
    bool cron;               /* agent job install: by cron, not by systemd */
    bool go_on;              /* with the session used last */
    char *resume;            /* with this one; NULL = a new session */
    bool fork;               /* with a copy of it */
    char *session_id;        /* of the new one; NULL = made */
    bool replay_cells;       /* the cells of the session are run again */
    bool ephemeral, quiet, verbose, show_code, usage;
    int color;         /* enum conf_color */
    int inline_images; /* enum conf_inline */
    char *debug;

    /* sandbox */
    int64_t memory_bytes, workspace_bytes, file_bytes;
    long max_processes;
    int64_t cpu_ms; /* 0 = no limit */
    long cpu_share; /* per cent of one processor, 0 = no limit */
    char *network;  /* hosts that the code may reach, separated by a space; NULL = none */
    char *devices;  /* paths below /dev, separated by a space; NULL = none */
    char *python, *preload, *sandbox_helper;
    int figures;                       /* enum sandbox_figures */
    char *language;                    /* of agent exec; NULL = Python */
    char *languages;                   /* separated by a space, Python among them */
    char *node, *bash, *r, *java, *go; /* programs of further languages; NULL = in PATH */
    bool contexts;                     /* the model may name the interpreter of a cell */
    int validate;                      /* enum conf_validate */
    char *forbid_imports, *forbid_calls, *forbid_patterns; /* space separated; NULL = none */
    int sandbox;                                           /* enum conf_sandbox */
    char *env; /* the environment of packages; NULL = none */

    /* agent env create */
    char *package_index, *package_hosts; /* a URL, and further hosts of its files */
    int64_t env_bytes;
    char *requirements, *wheels, *lock; /* flags only */

    /* network; times in ms, 0 = none */
    long retries;
    int64_t connect_ms, first_byte_ms, stall_ms, request_ms;
    char *replay, *record;

    /* agent batch */
    long jobs;
    char *out, *shard;
    long slurm; /* tasks of an array job; 0 = here */
    bool resume_batch;
    char *pause_file; /* providers/pause.h; NULL = none */
    bool share_template;
    char *template_image; /* batch_image.h; NULL = none */

    /* agent sessions */
    long limit, keep; /* keep -1 = no rule */
    int64_t older_ms, max_size;
    bool dry_run; /* also of a question */

    /* agent export */
    bool export_py, export_ipynb, export_md, export_html, embed;
    /* agent doctor */
    bool offline, all;

    char *profile;
    bool trust_project;

    struct conf_rule *rules; /* the sections, from the lowest file up */
    size_t n_rules;

    char *user_file;        /* the user's agent.conf that was looked for; NULL = no home */
    char **origin;          /* of each table row; conf_origin() */
    struct conf_list notes; /* one line each, worth a warning: main shows them */
};

/* Reads all four sources. argv[0] is skipped. On failure (ERR_USAGE for the command line,
 * ERR_CONFIG for files and environment) *c is still fit for conf_done(). With --help or --version
 * nothing but the command line is looked at, so that they work with a broken agent.conf. */
int conf_load(struct conf *c, int argc, char **argv, struct err *e);
void conf_done(struct conf *c);

/* The question: all words joined by a space; NULL if there is none. Caller frees. "-" alone means
 * that the question is read from standard input (conf_prompt_is_stdin). */
char *conf_prompt(const struct conf *c);
bool conf_prompt_is_stdin(const struct conf *c);

/* Where a setting's value came from, for messages: "default", "--model", "AGENT_MODEL",
 * "./agent.conf:3". Valid while *c lives. `name` is the agent.conf key; an unknown one is a bug. */
const char *conf_origin(const struct conf *c, const char *name);

/* The word of reasoning_effort; NULL when it is left to the service. */
const char *conf_effort_word(const struct conf *c);

/* Was the setting given for this run: by a flag, or by its AGENT_ variable? */
bool conf_said_now(const struct conf *c, const char *name);

/* The folder of what outlives a run: $XDG_DATA_HOME/agent, else ~/.local/share/agent. NULL if there
 * is no home. Caller frees. */
char *conf_data_dir(void);
/* The folder that holds the sessions: session_dir, else $XDG_DATA_HOME/agent/sessions, else
 * ~/.local/share/agent/sessions. NULL with ERR_CONFIG if there is no home. Caller frees. */
char *conf_session_root(const struct conf *c, struct err *e);

void conf_help(enum conf_command command, struct buf *out); /* at most 80 columns */
void conf_print(const struct conf *c, struct buf *out);     /* --print-config: a valid agent.conf */

/* True for http(s) URLs whose host is 127.0.0.0/8, ::1 or localhost. */
bool conf_url_is_loopback(const char *url);

#endif

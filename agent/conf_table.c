#include "agent/conf_table.h"
#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

#define F(field) offsetof(struct conf, field)
#define SECOND 1000.0
#define HOUR 3600e3
#define DAY 86400e3

/* Why a project may not set it. */
#define RUNS "it runs a command"
#define KEY "it decides who gets your API key"
#define READS "it can send files of yours to the model's service"
#define WRITES "it can overwrite files of yours"
#define REACHES "it opens a way out of the sandbox for your data"
#define PROGRAM "it chooses the program that runs the code"
#define TRUST "a project cannot vouch for itself"

/* The order here is the order of --help and of agent.conf.example. */
const struct conf_setting conf_table[] = {
    { .name = "code",
      .letter = 'c',
      .kind = K_TEXTS,
      .group = G_CODE,
      .offset = F(code),
      .def = "",
      .arg = "CODE",
      .flag_only = true,
      .only = "exec",
      .help = "runs this text; may be given many times: each goes on where the one before ended" },
    { .name = "context",
      .kind = K_TEXTS,
      .group = G_CODE,
      .offset = F(context),
      .def = "",
      .arg = "NAME",
      .flag_only = true,
      .only = "exec",
      .help = "the interpreter that runs the code: each has variables of its own, all share the "
              "files; given once for all of the code, or once for each -c, in their order" },
    { .name = "notebook",
      .kind = K_BOOL,
      .group = G_CODE,
      .offset = F(notebook),
      .def = "false",
      .flag_only = true,
      .only = "exec",
      .help = "runs the code as a notebook's cells: the value of the last expression is shown, "
              "display() and top-level await work" },
    { .name = "json",
      .kind = K_BOOL,
      .group = G_CODE,
      .offset = F(json),
      .def = "false",
      .flag_only = true,
      .only = "exec",
      .help = "prints nothing but one JSON object at the end: results, output, error, files, "
              "refusals, status; runs the code as --notebook does" },
    { .name = "cwd",
      .kind = K_STR,
      .group = G_CODE,
      .offset = F(cwd),
      .def = "",
      .arg = "DIR",
      .flag_only = true,
      .only = "exec",
      .help = "the working directory of the code, an absolute path inside the sandbox" },
    { .name = "setenv",
      .kind = K_TEXTS,
      .group = G_CODE,
      .offset = F(setenv),
      .def = "",
      .arg = "NAME=VALUE",
      .flag_only = true,
      .only = "exec",
      .help = "an environment variable of the code; may be given many times" },
    { .name = "model",
      .letter = 'm',
      .kind = K_STR,
      .group = G_MODEL,
      .offset = F(model),
      .def = "gpt-4.1-mini",
      .arg = "NAME",
      .help = "the model that answers, as its service calls it" },
    { .name = "provider",
      .kind = K_CHOICE,
      .group = G_MODEL,
      .offset = F(provider),
      .def = "openai",
      .choices = "openai replay",
      .arg = "NAME",
      .guard = KEY,
      .help = "what answers: openai for any OpenAI-compatible service, replay for a recorded "
              "conversation" },
    { .name = "base_url",
      .kind = K_URL,
      .group = G_MODEL,
      .offset = F(base_url),
      .def = "https://api.openai.com/v1",
      .env = "OPENAI_BASE_URL",
      .arg = "URL",
      .guard = KEY,
      .help = "where the service is; a server on this machine needs no key" },
    { .name = "api_key_env",
      .kind = K_ENVNAME,
      .group = G_MODEL,
      .offset = F(api_key_env),
      .def = "OPENAI_API_KEY",
      .arg = "NAME",
      .guard = KEY,
      .help = "the environment variable that holds the API key" },
    { .name = "api_key_file",
      .kind = K_PATH,
      .group = G_MODEL,
      .offset = F(api_key_file),
      .def = "",
      .arg = "FILE",
      .guard = KEY,
      .help = "a file that holds the API key, your own and mode 0600; used when the variable is "
              "not set" },
    { .name = "api_key_cmd",
      .kind = K_STR,
      .group = G_MODEL,
      .offset = F(api_key_cmd),
      .def = "",
      .arg = "COMMAND",
      .guard = RUNS,
      .help = "a shell command that prints the API key, such as \"pass show openai\"; used when "
              "neither variable nor file is set" },
    { .name = "stream",
      .kind = K_BOOL,
      .group = G_MODEL,
      .offset = F(stream),
      .def = "true",
      .help = "receive the reply while it is written" },
    { .name = "max_tokens",
      .kind = K_LONG,
      .group = G_MODEL,
      .offset = F(max_tokens),
      .def = "0",
      .min = 1,
      .max = 1000000,
      .zero_ok = true,
      .arg = "N",
      .help = "the longest reply of one turn, in tokens; 0 leaves it to the service" },
    { .name = "temperature",
      .kind = K_NUM,
      .group = G_MODEL,
      .offset = F(temperature),
      .def = "",
      .min = 0,
      .max = 2,
      .arg = "T",
      .help = "how freely the model chooses its words; empty leaves it to the service" },
    { .name = "reasoning_effort",
      .kind = K_CHOICE,
      .group = G_MODEL,
      .offset = F(effort),
      .def = "auto",
      .choices = "auto none minimal low medium high xhigh max",
      .arg = "LEVEL",
      .help = "how hard the model thinks before it answers; auto leaves it to the service" },
    { .name = "show_reasoning",
      .kind = K_BOOL,
      .group = G_MODEL,
      .offset = F(show_reasoning),
      .def = "false",
      .help = "show the model's reasoning on standard error, and ask for it where that is needed" },
    { .name = "tools",
      .kind = K_CHOICE,
      .group = G_MODEL,
      .offset = F(tools),
      .def = "native",
      .choices = "native fenced",
      .arg = "HOW",
      .help = "how the model runs code: native is by tool calls; fenced is for models without "
              "them, whose ```python blocks are run" },
    { .name = "images",
      .kind = K_CHOICE,
      .group = G_MODEL,
      .offset = F(images),
      .def = "auto",
      .choices = "auto on off",
      .arg = "WHEN",
      .help = "whether the model sees the charts it makes; auto shows them to models known to "
              "look at pictures" },
    { .name = "max_images",
      .kind = K_LONG,
      .group = G_MODEL,
      .offset = F(max_images),
      .def = "4",
      .min = 0,
      .max = 100,
      .arg = "N",
      .help = "pictures in one request; the newest are kept" },
    { .name = "image_size",
      .kind = K_SIZE,
      .group = G_MODEL,
      .offset = F(image_bytes),
      .def = "3m",
      .min = 1024,
      .max = 20.0 * MIB,
      .arg = "SIZE",
      .help = "the largest picture that the model is shown" },
    { .name = "num_ctx",
      .kind = K_LONG,
      .group = G_MODEL,
      .offset = F(num_ctx),
      .def = "0",
      .min = 512,
      .max = 16e6,
      .zero_ok = true,
      .arg = "N",
      .help = "the context window, in tokens, that an Ollama server makes; 0 is by the length of "
              "the conversation" },
    { .name = "system",
      .letter = 's',
      .kind = K_STR,
      .group = G_MODEL,
      .offset = F(system_prompt),
      .def = "",
      .aliases = "system-prompt",
      .arg = "TEXT",
      .help = "replaces the built-in instructions to the model" },
    { .name = "append_system",
      .kind = K_STR,
      .group = G_MODEL,
      .offset = F(append_system),
      .def = "",
      .aliases = "append-system-prompt",
      .arg = "TEXT",
      .help = "is added to the instructions to the model" },
    { .name = "prompts_dir",
      .kind = K_PATH,
      .group = G_MODEL,
      .offset = F(prompts_dir),
      .def = "",
      .arg = "DIR",
      .guard = READS,
      .help = "a folder whose files replace built-in prompts of the same name" },

    { .name = "file",
      .letter = 'f',
      .kind = K_LIST,
      .group = G_RUN,
      .offset = F(file),
      .def = "",
      .arg = "PATH[:NAME]",
      .guard = READS,
      .help = "attaches a file, under another name if one is given; may be given many times" },
    { .name = "stdin",
      .kind = K_CHOICE,
      .group = G_RUN,
      .offset = F(standard_input),
      .def = "auto",
      .choices = "auto no wait",
      .arg = "WHEN",
      .help = "whether redirected input is read: auto takes a file, or a pipe with data; wait "
              "waits for a pipe's data as long as it takes" },
    { .name = "max_turns",
      .letter = 'n',
      .kind = K_LONG,
      .group = G_RUN,
      .offset = F(max_turns),
      .def = "8",
      .min = 1,
      .max = 1000,
      .arg = "N",
      .help = "stop after this many turns of the model; the last one must answer" },
    { .name = "deadline",
      .kind = K_DURATION,
      .group = G_RUN,
      .offset = F(deadline_ms),
      .def = "0",
      .min = SECOND,
      .max = 30 * DAY,
      .zero_ok = true,
      .arg = "TIME",
      .help = "end the whole run after this time; 0 is no limit" },
    { .name = "timeout",
      .kind = K_DURATION,
      .group = G_RUN,
      .offset = F(timeout_ms),
      .def = "30s",
      .min = SECOND / 10,
      .max = DAY,
      .arg = "TIME",
      .help = "the time one piece of code may run" },
    { .name = "output_cap",
      .kind = K_LONG,
      .group = G_RUN,
      .offset = F(output_cap),
      .def = "10000",
      .min = 500,
      .max = 1000000,
      .arg = "N",
      .help = "how many characters of an output the model is shown; it can read the rest from a "
              "file" },

    { .name = "output",
      .letter = 'o',
      .kind = K_PATH,
      .group = G_OUTPUT,
      .offset = F(output),
      .def = "",
      .arg = "FILE",
      .guard = WRITES,
      .help = "writes the answer to a file as well" },
    { .name = "out_dir",
      .kind = K_PATH,
      .group = G_OUTPUT,
      .offset = F(out_dir),
      .def = "",
      .arg = "DIR",
      .guard = WRITES,
      .help = "copies the files that the code makes to a folder, besides artifacts/ in the "
              "session's folder" },
    { .name = "session_dir",
      .kind = K_PATH,
      .group = G_OUTPUT,
      .offset = F(session_dir),
      .def = "",
      .arg = "DIR",
      .guard = WRITES,
      .help = "where sessions are kept; empty is ~/.local/share/agent/sessions" },
    { .name = "ephemeral",
      .kind = K_BOOL,
      .group = G_OUTPUT,
      .offset = F(ephemeral),
      .def = "false",
      .help = "keep no record of the run" },
    { .name = "quiet",
      .letter = 'q',
      .kind = K_BOOL,
      .group = G_OUTPUT,
      .offset = F(quiet),
      .def = "false",
      .help = "show nothing but the answer, warnings and errors" },
    { .name = "verbose",
      .letter = 'v',
      .kind = K_BOOL,
      .group = G_OUTPUT,
      .offset = F(verbose),
      .def = "false",
      .help = "show the model's text, the code and its output as well" },
    { .name = "show_code",
      .kind = K_BOOL,
      .group = G_OUTPUT,
      .offset = F(show_code),
      .def = "false",
      .help = "show the code that is run" },
    { .name = "color",
      .kind = K_CHOICE,
      .group = G_OUTPUT,
      .offset = F(color),
      .def = "auto",
      .choices = "auto always never",
      .aliases = "colour",
      .arg = "WHEN",
      .help = "colour in messages; auto heeds NO_COLOR, FORCE_COLOR and TERM" },
    { .name = "debug",
      .kind = K_PATH,
      .group = G_OUTPUT,
      .offset = F(debug),
      .def = "",
      .arg = "FILE",
      .guard = WRITES,
      .help = "appends a trace for bug reports to a file" },

    { .name = "memory",
      .kind = K_SIZE,
      .group = G_SANDBOX,
      .offset = F(memory_bytes),
      .def = "2g",
      .min = 64.0 * MIB,
      .max = 1024.0 * 1024 * MIB,
      .arg = "SIZE",
      .help = "memory of all the code together" },
    { .name = "workspace_size",
      .kind = K_SIZE,
      .group = G_SANDBOX,
      .offset = F(workspace_bytes),
      .def = "512m",
      .min = 1.0 * MIB,
      .max = 1024.0 * 1024 * MIB,
      .arg = "SIZE",
      .help = "room for the files the code makes" },
    { .name = "file_size",
      .kind = K_SIZE,
      .group = G_SANDBOX,
      .offset = F(file_bytes),
      .def = "512m",
      .min = 1.0 * MIB,
      .max = 1024.0 * 1024 * MIB,
      .arg = "SIZE",
      .help = "the largest single file the code may write" },
    { .name = "max_processes",
      .kind = K_LONG,
      .group = G_SANDBOX,
      .offset = F(max_processes),
      .def = "128",
      .min = 16,
      .max = 30000,
      .arg = "N",
      .help = "processes and threads of the code at one time" },
    { .name = "cpu_time",
      .kind = K_DURATION,
      .group = G_SANDBOX,
      .offset = F(cpu_ms),
      .def = "0",
      .min = SECOND,
      .max = 30 * DAY,
      .zero_ok = true,
      .arg = "TIME",
      .help = "processor time of one process of the code, in whole seconds; 0 is no limit" },
    { .name = "network",
      .kind = K_HOSTS,
      .group = G_SANDBOX,
      .offset = F(network),
      .def = "none",
      .arg = "HOSTS",
      .guard = REACHES,
      .help =
          "hosts that the code may reach by HTTPS and HTTP, separated by spaces, such as "
          "\"pypi.org *.example.org example.net:8443\"; what the code sends there is its choice" },
    { .name = "python",
      .kind = K_PATH,
      .group = G_SANDBOX,
      .offset = F(python),
      .def = "",
      .arg = "FILE",
      .guard = PROGRAM,
      .help = "the Python that runs the code; empty is /usr/bin/python3" },
    { .name = "languages",
      .kind = K_LANGUAGES,
      .group = G_SANDBOX,
      .offset = F(languages),
      .def = "python",
      .arg = "NAMES",
      .help = "languages the model may write, separated by spaces: python, which is always among "
              "them, javascript, typescript, bash; offered where their tools work" },
    { .name = "node",
      .kind = K_PATH,
      .group = G_SANDBOX,
      .offset = F(node),
      .def = "",
      .arg = "FILE",
      .guard = PROGRAM,
      .help = "the node for JavaScript and TypeScript; empty is the one in PATH" },
    { .name = "bash",
      .kind = K_PATH,
      .group = G_SANDBOX,
      .offset = F(bash),
      .def = "",
      .arg = "FILE",
      .guard = PROGRAM,
      .help = "the bash that runs Bash cells; empty is the one in PATH" },
    { .name = "preload",
      .kind = K_STR,
      .group = G_SANDBOX,
      .offset = F(preload),
      .def = "numpy pandas matplotlib.pyplot",
      .arg = "MODULES",
      .help = "modules that are imported while the model thinks" },
    { .name = "sandbox",
      .kind = K_CHOICE,
      .group = G_SANDBOX,
      .offset = F(sandbox),
      .def = "strict",
      .choices = "strict best",
      .arg = "HOW",
      .guard = "it can weaken the sandbox",
      .help = "strict runs code only in the whole sandbox; best goes on without namespaces where a "
              "container forbids them, and says what is weaker then" },
    { .name = "sandbox_helper",
      .kind = K_PATH,
      .group = G_SANDBOX,
      .offset = F(sandbox_helper),
      .def = "",
      .arg = "FILE",
      .guard = RUNS,
      .help = "the agent-sandbox program; empty is the one beside agent" },

    { .name = "retries",
      .kind = K_LONG,
      .group = G_NETWORK,
      .offset = F(retries),
      .def = "4",
      .min = 0,
      .max = 100,
      .arg = "N",
      .help = "how often a failed request is tried again" },
    { .name = "connect_timeout",
      .kind = K_DURATION,
      .group = G_NETWORK,
      .offset = F(connect_ms),
      .def = "20s",
      .min = SECOND / 10,
      .max = HOUR,
      .zero_ok = true,
      .arg = "TIME",
      .help = "the wait for a connection" },
    { .name = "first_byte_timeout",
      .kind = K_DURATION,
      .group = G_NETWORK,
      .offset = F(first_byte_ms),
      .def = "300s",
      .min = SECOND / 10,
      .max = DAY,
      .zero_ok = true,
      .arg = "TIME",
      .help = "the wait for the first byte of a reply" },
    { .name = "stall_timeout",
      .kind = K_DURATION,
      .group = G_NETWORK,
      .offset = F(stall_ms),
      .def = "120s",
      .min = SECOND / 10,
      .max = DAY,
      .zero_ok = true,
      .arg = "TIME",
      .help = "the longest silence inside a reply" },
    { .name = "request_timeout",
      .kind = K_DURATION,
      .group = G_NETWORK,
      .offset = F(request_ms),
      .def = "0",
      .min = SECOND / 10,
      .max = DAY,
      .zero_ok = true,
      .arg = "TIME",
      .help = "the time of one whole request; 0 is no limit" },
    { .name = "replay",
      .kind = K_PATH,
      .group = G_NETWORK,
      .offset = F(replay),
      .def = "",
      .arg = "FILE",
      .guard = READS,
      .help = "plays the model's replies from a recording: no key, no network" },
    { .name = "record",
      .kind = K_PATH,
      .group = G_NETWORK,
      .offset = F(record),
      .def = "",
      .arg = "FILE",
      .guard = WRITES,
      .help = "records the model's replies to a file" },

    { .name = "profile",
      .letter = 'P',
      .kind = K_STR,
      .group = G_FILES,
      .offset = F(profile),
      .def = "",
      .arg = "NAME",
      .help = "uses the section [profile NAME] of agent.conf as well" },
    { .name = "trust_project",
      .kind = K_BOOL,
      .group = G_FILES,
      .offset = F(trust_project),
      .def = "false",
      .guard = TRUST,
      .help = "lets ./agent.conf set what runs commands, moves the key, or reads and writes "
              "files elsewhere" },
};
const size_t conf_table_n = ARRAY_LEN(conf_table);

const char *conf_effort_word(const struct conf *c)
{
    static const char *const words[] = { NULL,     "none", "minimal", "low",
                                         "medium", "high", "xhigh",   "max" };

    return (size_t)c->effort < ARRAY_LEN(words) ? words[c->effort] : NULL;
}

const char *const conf_group_title[G_COUNT] = {
    [G_CODE] = "The code",        [G_MODEL] = "The model",
    [G_RUN] = "The run",          [G_OUTPUT] = "Output and record",
    [G_SANDBOX] = "The sandbox",  [G_NETWORK] = "The network",
    [G_FILES] = "Settings files",
};

const struct conf_flag conf_flags[] = {
    { "help", 'h', CONF_HELP, "shows this text" },
    { "version", 'V', CONF_VERSION, "shows the version" },
    { "print-config", 0, CONF_PRINT, "prints the settings in force, as an agent.conf" },
};
const size_t conf_flags_n = ARRAY_LEN(conf_flags);

int conf_find(struct str key)
{
    for (size_t i = 0; i < conf_table_n; i++)
        if (str_is(key, conf_table[i].name))
            return (int)i;
    return -1;
}

char *conf_flag_name(const struct conf_setting *s)
{
    char *r = xasprintf("--%s", s->name);

    for (char *p = r; *p; p++)
        if (*p == '_')
            *p = '-';
    return r;
}

char *conf_env_name(const struct conf_setting *s)
{
    char *r = xasprintf("AGENT_%s", s->name);

    for (char *p = r; *p; p++)
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    return r;
}

/* Edit distance with swaps of neighbours; words here are short, so the plain table does. */
static size_t distance(struct str a, struct str b)
{
    enum { MAX = 40 };
    size_t d[MAX + 1][MAX + 1];

    if (a.n > MAX || b.n > MAX)
        return MAX;
    for (size_t i = 0; i <= a.n; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= b.n; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        for (size_t j = 1; j <= b.n; j++) {
            size_t best = d[i - 1][j - 1] + (a.p[i - 1] != b.p[j - 1]);
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[a.n][b.n];
}

const char *conf_nearest(struct str word, const char *const *candidates, size_t n)
{
    const char *best = NULL;
    size_t best_d = 0;

    for (size_t i = 0; i < n; i++) {
        struct str c = str_of(candidates[i]);
        size_t d = distance(word, c), limit = c.n < 5 ? 1 : c.n < 9 ? 2 : 3;
        /* A word cut short is nearer than its distance says. */
        if (word.n >= 3 && c.n > word.n && d > 1 && memcmp(c.p, word.p, word.n) == 0)
            d = 1;
        if (d <= limit && d < word.n && (best == NULL || d < best_d)) {
            best = candidates[i];
            best_d = d;
        }
    }
    return best;
}

/* Settings: every kind of value, every source, who wins, and what mistakes are told. */
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/conf.h"
#include "agent/conf_table.h"
#include "tests/unit/tap.h"
#include "agent/base/banned.h"

static char root[] = "/tmp/agent-conf-XXXXXX";

static void put(const char *name, const char *text)
{
    struct err e = ERR_INIT;

    if (io_write_atomic(AT_FDCWD, name, str_of(text), 0600, &e) < 0)
        printf("Bail out! %s\n", e.msg);
}

/* Loads with these words; at most 9. The project's file is agent.conf, the user's user.conf. */
static int load(struct conf *c, struct err *e, const char *const *words)
{
    char *argv[12] = { (char[]){ "agent" } };
    int argc = 1;

    for (; words && argc < 10 && words[argc - 1]; argc++)
        argv[argc] = xstrdup(words[argc - 1]);
    *e = (struct err)ERR_INIT;
    int r = conf_load(c, argc, argv, e);
    for (int i = 1; i < argc; i++)
        free(argv[i]);
    return r;
}
#define WORDS(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

/* --- commands --- */

static void test_commands(void)
{
    struct conf c;
    struct err e;

    CHECK(load(&c, &e, WORDS("ask", "why?")) == 0 && c.command == CMD_ASK && c.n_args == 1,
          "the first word names a command");
    conf_done(&c);
    CHECK(load(&c, &e, WORDS("-q", "ask", "why?")) == 0 && c.quiet && c.n_args == 1,
          "flags may stand before it");
    conf_done(&c);
    CHECK(load(&c, &e, WORDS("help me", "ask")) == 0 && c.command == CMD_ASK && c.n_args == 2,
          "a word that is not exactly a command begins a question");
    conf_done(&c);
    CHECK(load(&c, &e, WORDS("--", "help")) == 0 && c.command == CMD_ASK && c.n_args == 1,
          "what stands behind -- is no command");
    conf_done(&c);
    CHECK(load(&c, &e, WORDS("ask", "help")) == 0 && c.command == CMD_ASK && c.n_args == 1,
          "nor is the word behind a command");
    conf_done(&c);
    CHECK(load(&c, &e, WORDS("help", "-m", "x")) < 0 && e.code == ERR_USAGE &&
              strstr(e.msg, "-m is no flag of agent help"),
          "a flag that the command does not obey is refused: %s", e.msg);
    conf_done(&c);
    CHECK(load(&c, &e, WORDS("env", "list", "--quiet", "--wheels", "w")) == 0 && c.quiet &&
              !strcmp(c.wheels, "w"),
          "a command takes its own flags, and those of other groups that it obeys too: %s", e.msg);
    conf_done(&c);
    CHECK(load(&c, &e, WORDS("env", "list", "--network", "example.org")) < 0 &&
              strstr(e.msg, "--network is no flag of agent env"),
          "and no others of those groups: %s", e.msg);
    conf_done(&c);
    CHECK(load(&c, &e, WORDS("--wheels", "w", "q")) < 0, "its flags are no flags of a question");
    conf_done(&c);
    for (int k = 0; k < CMD_COUNT; k++) {
        cleanup_buf struct buf help = BUF_MAX(1 << 20);
        size_t widest = 0;
        conf_help((enum conf_command)k, &help);
        struct str rest = buf_str(&help), line;
        while (rest.n) {
            (void)str_cut(&rest, '\n', &line);
            widest = line.n > widest ? line.n : widest;
        }
        CHECK(widest <= 79 && strstr(buf_cstr(&help), "\nExamples:\n  "),
              "the help of agent %s starts with examples and is %zu columns wide",
              conf_commands[k].name, widest);
    }
}

/* --- kinds --- */

static void test_values(void)
{
    /* want: what conf_value_text() gives back; NULL: refused, and `says` is in the message. */
    static const struct {
        const char *key, *in, *want, *says;
    } cases[] = {
        { "max_turns", "8", "8", NULL },
        { "max_turns", " 8 ", "8", NULL },
        { "max_turns", "1", "1", NULL },
        { "max_turns", "1000", "1000", NULL },
        { "max_turns", "0", NULL, "1 to 1000" },
        { "max_turns", "1001", NULL, "out of range" },
        { "max_turns", "", NULL, "not a whole number" },
        { "max_turns", "8.5", NULL, "not a whole number" },
        { "max_turns", "99999999999999999999", NULL, "not a whole number" },
        { "max_turns", "0x10", NULL, "not a whole number" },
        { "max_tokens", "0", "0", NULL },
        { "max_tokens", "-1", NULL, "0, or 1 to 1000000" },
        { "temperature", "", "", NULL },
        { "temperature", "0", "0", NULL },
        { "temperature", "0.7", "0.7", NULL },
        { "temperature", "2", "2", NULL },
        { "temperature", "2.01", NULL, "0 to 2" },
        { "temperature", "-0.1", NULL, "out of range" },
        { "temperature", "nan", NULL, "not a number" },
        { "temperature", "inf", NULL, "not a number" },
        { "temperature", "1e0", NULL, "not a number" },
        { "temperature", "0,5", NULL, "not a number" },
        { "cpu_share", "50%", "50%", NULL },
        { "cpu_share", "250", "250%", NULL },
        { "cpu_share", "0", "0", NULL },
        { "cpu_share", "%", NULL, "whole number" },
        { "cpu_share", "0.5%", NULL, "whole number" },
        { "cpu_share", "-5%", NULL, "out of range" },
        { "devices", "none", "none", NULL },
        { "devices", " /dev/nvidia0, /dev/dri/renderD128 ", "/dev/nvidia0 /dev/dri/renderD128",
          NULL },
        { "devices", "/dev/nvidia0 none", NULL, "stands alone" },
        { "devices", "nvidia0", NULL, "no path of a device" },
        { "devices", "/etc/shadow", NULL, "no path of a device" },
        { "devices", "/dev/", NULL, "no path of a device" },
        { "devices", "/dev/a\tb\001", NULL, "no device's name" },
        { "network", "none", "none", NULL },
        { "network", "", "none", NULL },
        { "network", " a.org,  *.b.org\tc.org:8443 ", "a.org *.b.org c.org:8443", NULL },
        { "network", "a.org none", NULL, "stands alone" },
        { "network", "10.0.0.1", NULL, "address" },
        { "network", "*.org", NULL, "top-level" },
        { "network", "a.org:99999", NULL, "no port" },
        { "network", "https://a.org/", NULL, "no port" },
        { "memory", "512m", "512m", NULL },
        { "memory", "2g", "2g", NULL },
        { "memory", "2G", "2g", NULL },
        { "memory", "1.5g", "1536m", NULL },
        { "memory", "2 GiB", "2g", NULL },
        { "memory", "131072k", "128m", NULL },
        { "memory", "134217728", "128m", NULL },
        { "memory", "134217729", "134217729", NULL },
        { "memory", "63m", NULL, "64m to 1024g" },
        { "memory", "2t", NULL, "not a size" },
        { "memory", "m", NULL, "not a size" },
        { "memory", "-2g", NULL, "not a size" },
        { "memory", "1..5g", NULL, "not a size" },
        { "memory", "9999999999999999999999999999999g", NULL, "" },
        { "timeout", "30", "30s", NULL },
        { "timeout", "30s", "30s", NULL },
        { "timeout", "500ms", "500ms", NULL },
        { "timeout", "0.5", "500ms", NULL },
        { "timeout", "1.5s", "1s500ms", NULL },
        { "timeout", "90s", "90s", NULL },
        { "timeout", "5m", "300s", NULL },
        { "timeout", "10m", "10m", NULL },
        { "timeout", "1h30m", "1h30m", NULL },
        { "timeout", "1h5s", "1h5s", NULL },
        { "timeout", "1d", "1d", NULL },
        { "timeout", "24h", "1d", NULL },
        { "timeout", "25h", NULL, "100ms to 1d" },
        { "timeout", "0", NULL, "out of range" },
        { "timeout", "1m30", NULL, "not a time" },
        { "timeout", "soon", NULL, "not a time" },
        { "timeout", "", NULL, "not a time" },
        { "timeout", "10 m", NULL, "not a time" },
        { "deadline", "0", "0", NULL },
        { "deadline", "none", "0", NULL },
        { "deadline", "999ms", NULL, "0, or 1s to 30d" },
        { "quiet", "true", "true", NULL },
        { "quiet", "yes", "true", NULL },
        { "quiet", "on", "true", NULL },
        { "quiet", "1", "true", NULL },
        { "quiet", "off", "false", NULL },
        { "quiet", "maybe", NULL, "true or false" },
        { "quiet", "", NULL, "neither yes nor no" },
        { "color", "always", "always", NULL },
        { "color", "Always", NULL, "auto, always or never" },
        { "color", "alw", NULL, "one of the choices" },
        { "color", "", NULL, "one of the choices" },
        { "color", "auto always", NULL, "one of the choices" },
        { "base_url", "https://example.org/v1", "https://example.org/v1", NULL },
        { "base_url", "http://127.0.0.1:8080/v1///", "http://127.0.0.1:8080/v1", NULL },
        { "base_url", "", "", NULL },
        { "base_url", "example.org", NULL, "https://" },
        { "base_url", "ftp://example.org", NULL, "https://" },
        { "base_url", "https://", NULL, "names no host" },
        { "base_url", "https:///v1", NULL, "names no host" },
        { "base_url", "https://a b/", NULL, "character" },
        { "base_url", "https://a/\r\nX: y", NULL, "character" },
        { "base_url", "https://a/v1?x=1", NULL, "query" },
        { "base_url", "https://a/v1?api-version=1&key=secretword", NULL, "query" },
        { "base_url", "https://a/v1?api-version=", NULL, "query" },
        { "base_url", "https://?api-version=1", NULL, "names no host" },
        { "base_url", "https://a/v1?api-version=2024-10-21#x", NULL, "fragment" },
        { "base_url", "https://a/v1#x", NULL, "fragment" },
        { "base_url", "https://a/v1?api-version=2024-10-21", "https://a/v1?api-version=2024-10-21",
          NULL },
        { "base_url", "https://user:secretword@a/v1", NULL, "user name or password" },
        { "api_key_env", "MY_KEY2", "MY_KEY2", NULL },
        { "api_key_env", "sk-secretword", NULL, "not the key itself" },
        { "api_key_env", "2KEY", NULL, "not the name" },
        { "model", "a b", "a b", NULL },
        { "model", "", "", NULL },
        { "system", "  kept  ", "  kept  ", NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct conf_setting *s = &conf_table[conf_find(str_of(cases[i].key))];
        union {
            char *p;
            long l;
            int64_t i64;
            double d;
            bool b;
            int i;
        } v = { NULL }, again = { NULL };
        cleanup_buf struct buf text = BUF_MAX(4096), text2 = BUF_MAX(4096);
        struct err e = ERR_INIT;
        int r = conf_value_set(s, &v, str_of(cases[i].in), NULL, &e);

        if (cases[i].want == NULL) {
            CHECK(r < 0 && strstr(e.msg, cases[i].says) && !strstr(e.msg, "secretword"),
                  "%s: \"%s\" is refused: %s", cases[i].key, cases[i].in, e.msg);
            CHECK(conf_value_set(s, NULL, str_of(cases[i].in), NULL, &e) < 0,
                  "%s: and refused when only checked", cases[i].key);
            conf_value_free(s, &v);
            continue;
        }
        if (r == 0)
            conf_value_text(s, &v, 0, &text);
        CHECK(r == 0 && !strcmp(buf_cstr(&text), cases[i].want), "%s: \"%s\" is %s (%s%s)",
              cases[i].key, cases[i].in, cases[i].want, buf_cstr(&text), e.msg);
        if (r == 0 && conf_value_set(s, &again, buf_str(&text), NULL, &e) == 0)
            conf_value_text(s, &again, 0, &text2);
        CHECK(str_eq(buf_str(&text), buf_str(&text2)), "%s: \"%s\" comes back", cases[i].key,
              cases[i].in);
        conf_value_free(s, &v);
        conf_value_free(s, &again);
    }
    struct err e = ERR_INIT;
    char *p = NULL;
    CHECK(conf_value_set(&conf_table[conf_find(STR("model"))], &p, (struct str){ "a\0b", 3 }, NULL,
                         &e) < 0 &&
              p == NULL,
          "a NUL in a value is refused");
}

/* --- the table itself --- */

static void test_table(void)
{
    struct conf c;
    struct err e;
    bool unique = true, sorted = true, letters = true;

    CHECK(load(&c, &e, NULL) == 0, "every default passes its own parser: %s", e.msg);
    conf_done(&c);
    for (size_t i = 0; i < conf_table_n; i++) {
        const struct conf_setting *s = &conf_table[i];
        for (size_t j = 0; j < i; j++) {
            /* Two flags of one name may belong to two commands. */
            bool apart = s->flag_only && conf_table[j].flag_only && s->only && conf_table[j].only &&
                         strcmp(s->only, conf_table[j].only) != 0;
            unique = unique && (strcmp(s->name, conf_table[j].name) || apart) &&
                     s->offset != conf_table[j].offset;
            for (int k = 0; k < CMD_COUNT; k++)
                letters = letters && (!s->letter || s->letter != conf_table[j].letter ||
                                      !conf_in_scope(s, (enum conf_command)k) ||
                                      !conf_in_scope(&conf_table[j], (enum conf_command)k));
        }
        for (size_t j = 0; j < conf_flags_n; j++)
            letters = letters && (!s->letter || s->letter != conf_flags[j].letter);
        sorted = sorted && (i == 0 || conf_table[i - 1].group <= s->group);
        if (!(s->help && *s->help && (s->kind == K_BOOL || s->arg)))
            CHECK(false, "%s has help and a name for its value", s->name);
    }
    CHECK(unique, "no name and no field is there twice");
    CHECK(letters, "no letter means two things to one command");
    CHECK(sorted, "groups stand together");
    /* What must not be left to whoever wrote a directory. A row whose guard is lost shows here. */
    static const char *const guarded[] = {
        "api_key_cmd", "api_key_file", "api_key_env", "base_url",      "provider", "sandbox_helper",
        "python",      "output",       "out_dir",     "session_dir",   "debug",    "record",
        "file",        "prompts_dir",  "replay",      "trust_project", "sandbox",  "network",
        "node",        "bash",         "r",           "java",          "go",       "devices"
    };
    for (size_t i = 0; i < ARRAY_LEN(guarded); i++) {
        int k = conf_find(str_of(guarded[i]));
        CHECK(k >= 0 && conf_table[k].guard, "%s is kept from projects", guarded[i]);
    }
}

/* --- the command line --- */

static void test_args(void)
{
    static const struct {
        const char *name;
        const char *words[9];
        const char *origin_of, *origin, *line; /* a line that --print-config then has */
    } good[] = {
        { "next word", { "--model", "m1" }, "model", "--model", "model = m1" },
        { "equals", { "--model=m=1" }, "model", "--model", "model = m=1" },
        { "letter", { "-m", "m1" }, "model", "-m", "model = m1" },
        { "letter, no space", { "-mm1" }, "model", "-m", "model = m1" },
        { "cluster", { "-vn5" }, "max_turns", "-n", "max_turns = 5" },
        { "cluster with value in next word", { "-vn", "5" }, "max_turns", "-n", "max_turns = 5" },
        { "last wins",
          { "-n", "5", "--max-turns", "6" },
          "max_turns",
          "--max-turns",
          "max_turns = 6" },
        { "switch", { "--ephemeral" }, "ephemeral", "--ephemeral", "ephemeral = true" },
        { "switch with value", { "--stream=no" }, "stream", "--stream", "stream = false" },
        { "negative switch", { "--no-stream" }, "stream", "--no-stream", "stream = false" },
        { "negative choice", { "--no-stdin" }, "stdin", "--no-stdin", "stdin = no" },
        { "negative colour", { "--no-color" }, "color", "--no-color", "color = never" },
        { "alias", { "--system-prompt", "x" }, "system", "--system-prompt", "system = x" },
        { "flags after words", { "a", "-q", "b" }, "quiet", "-q", "quiet = true" },
        { "repeated", { "-f", "a", "--file=b" }, "file", "--file", "file = a\nfile = b" },
        { "negative number as value",
          { "--append-system", "-5" },
          "append_system",
          "--append-system",
          "append_system = -5" },
        { "newline in a value",
          { "-s", "a\n\"b\"\\ " },
          "system",
          "-s",
          "system = \"a\\n\\\"b\\\"\\\\ \"" },
    };
    static const struct {
        const char *name;
        const char *words[4];
        const char *says;
    } bad[] = {
        { "unknown", { "--wibble" }, "unknown flag --wibble" },
        { "unknown, short", { "--zzyx" }, "unknown flag --zzyx; agent --help" },
        { "near", { "--max-trns" }, "did you mean --max-turns?" },
        { "near with value", { "--modle=secretword" }, "did you mean --model?" },
        { "near negative", { "--no-strem" }, "did you mean --no-stream?" },
        { "cut short", { "--deadl", "3s" }, "did you mean --deadline?" },
        { "negative of a value", { "--no-model" }, "unknown flag --no-model" },
        { "underscore", { "--max_turns", "3" }, "did you mean --max-turns?" },
        { "single dash", { "-quiet" }, "unknown flag -quiet; did you mean --quiet?" },
        { "unknown letter", { "-qz" }, "unknown flag -z" },
        { "no value", { "--model" }, "--model needs a value: --model NAME" },
        { "no value, letter", { "-qm" }, "-m needs a value" },
        { "flag as value", { "-m", "--quiet" }, "--model=--quiet" },
        { "value for a negative", { "--no-stream=yes" }, "takes no value" },
        { "value for help", { "--help=x" }, "takes no value" },
        { "bad number", { "-n", "x" }, "-n: \"x\" is not a whole number" },
        { "bad switch", { "--quiet=perhaps" }, "--quiet: \"perhaps\"" },
        { "quiet and verbose", { "-qv" }, "contradict" },
        { "the key", { "--api-key", "secretword" }, "api_key_file" },
        { "the key with equals", { "--api-key=secretword" }, "api_key_cmd" },
        { "replay and record", { "--replay=a", "--record=b" }, "exclude each other" },
        { "escape codes", { "--\033[31mred" }, "\\x1b[31mred" },
    };
    struct conf c;
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        cleanup_buf struct buf out = BUF_MAX(1 << 20);
        int r = load(&c, &e, good[i].words);
        conf_print(&c, &out);
        cleanup_free char *line = xasprintf("\n%s\n", good[i].line);
        CHECK(r == 0 && strstr(buf_cstr(&out), line), "%s: %s %s", good[i].name, good[i].line,
              e.msg);
        CHECK(!strcmp(conf_origin(&c, good[i].origin_of), good[i].origin), "%s: from %s",
              good[i].name, conf_origin(&c, good[i].origin_of));
        conf_done(&c);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int r = load(&c, &e, bad[i].words);
        CHECK(r < 0 && err_exit_status(&e) == 2 && strstr(e.msg, bad[i].says) &&
                  !strstr(e.msg, "secretword"),
              "%s: %s", bad[i].name, e.msg);
        conf_done(&c);
    }

    load(&c, &e, WORDS("top", "-q", "ten", "--", "-n", "--model"));
    cleanup_free char *q = conf_prompt(&c);
    CHECK(c.n_args == 4 && q && !strcmp(q, "top ten -n --model"), "words make the question: %s", q);
    conf_done(&c);
    put("stray.csv", "a,b\n");
    load(&c, &e, WORDS("-f", "a.csv", "stray.csv", "sum it"));
    CHECK(c.notes.n == 1 && strstr(c.notes.v[0], "stray.csv is a file"), "a file among the words");
    conf_done(&c);
    load(&c, &e, WORDS("stray.csv"));
    CHECK(c.notes.n == 0, "one word alone is a question");
    conf_done(&c);
    load(&c, &e, WORDS("-"));
    CHECK(conf_prompt_is_stdin(&c), "- is the question on standard input");
    conf_done(&c);
    load(&c, &e, NULL);
    CHECK(conf_prompt(&c) == NULL && !conf_prompt_is_stdin(&c), "no words, no question");
    CHECK(isnan(c.temperature) && c.stream && c.max_turns == 8 && c.timeout_ms == 30000 &&
              c.output_cap == 10000 && c.deadline_ms == 0 && c.first_byte_ms == 300000 &&
              c.stall_ms == 120000 && c.request_ms == 0 && c.system_prompt == NULL,
          "defaults are in the fields");
    conf_done(&c);
    CHECK(load(&c, &e, WORDS("--replay=x")) == 0 && c.replay != NULL,
          "a recording needs no provider");
    conf_done(&c);
    CHECK(load(&c, &e, WORDS("--provider=replay")) < 0 && strstr(e.msg, "--replay FILE"),
          "replay wants a recording: %s", e.msg);
    conf_done(&c);

    char key[] = "--api-key=secretword", *argv[] = { (char[]){ "agent" }, key, NULL };
    conf_load(&c, 2, argv, &e);
    CHECK(strstr(key, "secret") == NULL, "a key on the command line is overwritten");
    conf_done(&c);
}

/* --- files --- */

static void test_files(void)
{
    static const struct {
        const char *name, *text, *says;
    } bad[] = {
        { "unknown", "model = x\nmax_turn = 3\n",
          "user.conf:2: unknown setting \"max_turn\"; did you "
          "mean max_turns?" },
        { "far from all", "wibblewobble = 3\n", "--print-config lists all" },
        { "bad value", "\n\nmax_turns = many\n", "user.conf:3: max_turns: \"many\"" },
        { "no equals", "model = x\nwhat is this\n", "user.conf:2: \"what is this\"" },
        { "a flag's name", "max-turns = 3\n", "did you mean max_turns?" },
        { "twice", "model = a\nstream = no\nmodel = b\n",
          "user.conf:3: model is set twice: in line 1" },
        { "unknown section", "[server]\nmodel = x\n", "unknown section [server]" },
        { "section without name", "[profile ]\nmodel = x\n", "unknown section" },
        { "section not closed", "[profile a\nmodel = x\n", "user.conf:1:" },
        { "bad value in a profile not chosen", "[profile a]\nmax_turns = 0\n",
          "user.conf:2: max_turns" },
        { "quote not closed", "system = \"abc\n", "must end with one" },
        { "text after the quote", "system = \"a\" b\n", "must end with one" },
        { "bad escape", "system = \"\\x\"\n", "stands before" },
        { "the key", "api_key = secretword\n", "mode 0600" },
        { "empty number", "max_turns =\n", "not a whole number" },
        { "first mistake first", "a = 1\nb = 2\n", "user.conf:1" },
        { "quiet and verbose", "quiet = yes\nverbose = yes\n", "contradict" },
    };
    struct conf c;
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cleanup_free char *text = xasprintf("%s", bad[i].text);
        put("xdg/agent/agent.conf", text);
        int r = load(&c, &e, NULL);
        /* The file's real name is longer than the table wants to say. */
        const char *says = bad[i].says + (strncmp(bad[i].says, "user.conf", 9) ? 0 : 9);
        CHECK(r < 0 && err_exit_status(&e) == 3 && strstr(e.msg, says) &&
                  strstr(e.msg, "agent.conf") && !strstr(e.msg, "secretword"),
              "%s: %s", bad[i].name, e.msg);
        conf_done(&c);
    }

    /* 600 bytes with all that libinih would take for something else. */
    cleanup_buf struct buf text = BUF_MAX(65536), value = BUF_MAX(65536);
    for (int i = 0; i < 40; i++)
        buf_puts(&value, "echo a ; b # c =");
    buf_putf(&text,
             "\xEF\xBB\xBF# comment\r\n; comment\r\n\r\n  api_key_cmd = %s\r\nmax_turns: 9\r\n"
             "   timeout=5m\r\nsystem = \"two\\nlines \\\"q\\\" \\\\ \"",
             buf_cstr(&value));
    put("xdg/agent/agent.conf", buf_cstr(&text));
    CHECK(load(&c, &e, NULL) == 0, "CR LF, byte order mark, comments, indents: %s", e.msg);
    CHECK(c.api_key_cmd && !strcmp(c.api_key_cmd, buf_cstr(&value)), "a long value arrives whole");
    CHECK(c.max_turns == 9 && c.timeout_ms == 300000, "a colon, and an indented line");
    CHECK(c.system_prompt && !strcmp(c.system_prompt, "two\nlines \"q\" \\ "), "a quoted value");
    CHECK(strstr(conf_origin(&c, "max_turns"), "/xdg/agent/agent.conf:5"), "line %s",
          conf_origin(&c, "max_turns"));
    conf_done(&c);

    cleanup_buf struct buf long_name = BUF_MAX(65536);
    for (int i = 0; i < 500; i++)
        buf_puts(&long_name, "ab");
    buf_puts(&long_name, " = 1\n");
    put("xdg/agent/agent.conf", buf_cstr(&long_name));
    CHECK(load(&c, &e, NULL) < 0 && strstr(e.msg, ":1: the name or section is too long"), "%s",
          e.msg);
    conf_done(&c);
    struct err we = ERR_INIT;
    io_write_atomic(AT_FDCWD, "xdg/agent/agent.conf", STR("model = a\nsystem = a\0b\n"), 0600, &we);
    CHECK(load(&c, &e, NULL) < 0 && strstr(e.msg, ":2: a NUL byte"), "%s", e.msg);
    conf_done(&c);

    /* Paths in a file. */
    put("xdg/agent/agent.conf",
        "python = ~/py\nout_dir = sub\ndebug = /abs\nfile = ~/a.csv\nfile = b:c\n");
    CHECK(load(&c, &e, NULL) == 0, "paths: %s", e.msg);
    cleanup_free char *py = xasprintf("%s/home/py", root),
                      *sub = xasprintf("%s/xdg/agent/sub", root),
                      *a = xasprintf("%s/home/a.csv", root),
                      *b = xasprintf("%s/xdg/agent/b:c", root);
    CHECK(c.python && !strcmp(c.python, py), "~ is the home: %s", c.python);
    CHECK(c.out_dir && !strcmp(c.out_dir, sub), "relative to the file: %s", c.out_dir);
    CHECK(c.debug && !strcmp(c.debug, "/abs"), "absolute stays");
    CHECK(c.file.n == 2 && !strcmp(c.file.v[0], a) && !strcmp(c.file.v[1], b), "lists too");
    conf_done(&c);
    CHECK(load(&c, &e, WORDS("-f", "z")) == 0 && c.file.n == 1 && !strcmp(c.file.v[0], "z"),
          "a list from a flag replaces the file's");
    conf_done(&c);

    unlink("xdg/agent/agent.conf");
    mkdir("xdg/agent/agent.conf", 0700);
    CHECK(load(&c, &e, NULL) < 0 && strstr(e.msg, "not a regular file"), "a folder: %s", e.msg);
    conf_done(&c);
    rmdir("xdg/agent/agent.conf");
    mkfifo("xdg/agent/agent.conf", 0600);
    CHECK(load(&c, &e, NULL) < 0 && strstr(e.msg, "not a regular file"), "a FIFO does not hang: %s",
          e.msg);
    conf_done(&c);
    unlink("xdg/agent/agent.conf");
    put("xdg/agent/agent.conf", "broken\n");
    CHECK(load(&c, &e, WORDS("--help")) == 0 && c.action == CONF_HELP, "--help works all the same");
    conf_done(&c);
    CHECK(load(&c, &e, WORDS("-V")) == 0 && c.action == CONF_VERSION, "-V too");
    conf_done(&c);
    put("xdg/agent/agent.conf", "model = x\n");
    chmod("xdg/agent/agent.conf", 0666);
    CHECK(load(&c, &e, NULL) == 0 && c.notes.n == 1 && strstr(c.notes.v[0], "chmod o-w"),
          "a file that everyone may write is told");
    conf_done(&c);
    unlink("xdg/agent/agent.conf");
}

static void test_precedence(void)
{
    static const char *const levels[] = { "default",   "user", "profile", "project",
                                          "other env", "env",  "flag" };
    struct conf c;
    struct err e;

    put("xdg/agent/agent.conf",
        "model = user\nmax_turns = 2\n[profile p]\nmodel = profile\nmax_turns = 3\n");
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (i == 0)
            continue;
        if (i == 3)
            put("agent.conf", "model = project\n");
        if (i == 5)
            setenv("AGENT_MODEL", "env", 1);
        if (i == 4)
            continue; /* below: base_url */
        int r = i == 6   ? load(&c, &e, WORDS("-P", "p", "-m", "flag"))
                : i >= 2 ? load(&c, &e, WORDS("-P", "p"))
                         : load(&c, &e, NULL);
        CHECK(r == 0 && c.model && !strcmp(c.model, levels[i]), "%s wins: %s %s", levels[i],
              c.model ? c.model : "", e.msg);
        conf_done(&c);
    }
    unsetenv("AGENT_MODEL");
    unlink("agent.conf");
    CHECK(load(&c, &e, WORDS("--profile", "q")) < 0 && strstr(e.msg, "[profile q]") &&
              err_exit_status(&e) == 3,
          "a profile that is nowhere: %s", e.msg);
    conf_done(&c);

    setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1", 1);
    CHECK(load(&c, &e, NULL) == 0 && !strcmp(conf_origin(&c, "base_url"), "OPENAI_BASE_URL"),
          "OPENAI_BASE_URL counts");
    conf_done(&c);
    setenv("AGENT_BASE_URL", "http://127.0.0.1:2/v1", 1);
    CHECK(load(&c, &e, NULL) == 0 && !strcmp(c.base_url, "http://127.0.0.1:2/v1"),
          "AGENT_BASE_URL counts more");
    conf_done(&c);
    setenv("AGENT_BASE_URL", "", 1);
    CHECK(load(&c, &e, NULL) == 0 && !strcmp(c.base_url, "http://127.0.0.1:1/v1"),
          "an empty variable is none");
    conf_done(&c);
    unsetenv("AGENT_BASE_URL");
    unsetenv("OPENAI_BASE_URL");
    setenv("AGENT_TIMEOUT", "never", 1);
    CHECK(load(&c, &e, NULL) < 0 && err_exit_status(&e) == 3 &&
              strstr(e.msg, "AGENT_TIMEOUT: \"never\""),
          "%s", e.msg);
    conf_done(&c);
    unsetenv("AGENT_TIMEOUT");
    setenv("AGENT_MODLE", "secretword", 1);
    setenv("AGENT_OF_SOMEONE_ELSE", "x", 1);
    setenv("AGENT_HOME", "x", 1);
    CHECK(load(&c, &e, NULL) == 0 && c.notes.n == 1 && strstr(c.notes.v[0], "AGENT_MODEL?") &&
              !strstr(c.notes.v[0], "secretword"),
          "a misspelt variable is told, once");
    conf_done(&c);
    unsetenv("AGENT_MODLE");
    unsetenv("AGENT_OF_SOMEONE_ELSE");
    unsetenv("AGENT_HOME");

    put("xdg/agent/agent.conf", "quiet = yes\nprofile = p\n[profile p]\nmodel = profile\n");
    CHECK(load(&c, &e, WORDS("-v")) == 0 && c.verbose && !c.quiet, "-v wins over the file's quiet");
    CHECK(!strcmp(c.model, "profile"), "a file may choose its profile");
    conf_done(&c);
    CHECK(load(&c, &e, WORDS("--profile=")) == 0 && strcmp(c.model, "profile") != 0,
          "and a flag may choose none");
    conf_done(&c);
    unlink("xdg/agent/agent.conf");

    unsetenv("XDG_CONFIG_HOME");
    io_mkdirs("home/.config/agent", 0700, &e);
    put("home/.config/agent/agent.conf", "model = from-home\n");
    CHECK(load(&c, &e, NULL) == 0 && !strcmp(c.model, "from-home"),
          "~/.config when XDG_CONFIG_HOME is not set");
    conf_done(&c);
    setenv("XDG_CONFIG_HOME", "relative", 1);
    CHECK(load(&c, &e, NULL) == 0 && !strcmp(c.model, "from-home"), "or not absolute");
    conf_done(&c);
    cleanup_free char *xdg = xasprintf("%s/xdg", root);
    setenv("XDG_CONFIG_HOME", xdg, 1);
}

static void test_project(void)
{
    struct conf c;
    struct err e;

    for (size_t i = 0; i < conf_table_n; i++) {
        const struct conf_setting *s = &conf_table[i];
        if (s->guard == NULL)
            continue;
        cleanup_free char *text = xasprintf("model = x\n%s = %s\n", s->name, s->def);
        put("agent.conf", text);
        CHECK(load(&c, &e, NULL) < 0 && err_exit_status(&e) == 3 &&
                  strstr(e.msg, "./agent.conf:2: a project's agent.conf may not set") &&
                  strstr(e.msg, "xdg/agent/agent.conf") && strstr(e.msg, "trust_project = true"),
              "%s: %.60s", s->name, e.msg);
        conf_done(&c);
    }
    put("agent.conf", "api_key_cmd = x\n");
    put("xdg/agent/agent.conf", "trust_project = true\n");
    CHECK(load(&c, &e, NULL) == 0 && !strcmp(c.api_key_cmd, "x"), "trusted, it may: %s", e.msg);
    conf_done(&c);
    CHECK(load(&c, &e, WORDS("--no-trust-project")) < 0, "a flag can take the trust back");
    conf_done(&c);
    put("agent.conf", "trust_project = true\n");
    CHECK(load(&c, &e, NULL) < 0, "a project may not vouch for itself, not even when trusted");
    conf_done(&c);
    unlink("xdg/agent/agent.conf");
    put("agent.conf", "trust_project = true\napi_key_cmd = x\n");
    CHECK(load(&c, &e, NULL) < 0 && strstr(e.msg, "trust_project"), "and not when it is not");
    conf_done(&c);
    put("agent.conf", "[profile p]\napi_key_cmd = x\n");
    CHECK(load(&c, &e, NULL) < 0 && strstr(e.msg, ":2:"), "nor in a profile that is not chosen");
    conf_done(&c);
    put("agent.conf", "model = theirs\nprofile = p\n");
    CHECK(load(&c, &e, NULL) < 0 && strstr(e.msg, "agent.conf:2: no agent.conf has"), "%s", e.msg);
    conf_done(&c);
    put("xdg/agent/agent.conf", "[profile p]\nmax_turns = 77\n");
    CHECK(load(&c, &e, NULL) == 0 && c.max_turns == 77, "a project may choose a profile: %s",
          e.msg);
    conf_done(&c);
    unlink("xdg/agent/agent.conf");
    unlink("agent.conf");

    /* In the folder of the user's own file it is not read as a stranger's. */
    put("xdg/agent/agent.conf", "api_key_cmd = mine\n");
    if (chdir("xdg/agent") == 0) {
        CHECK(load(&c, &e, NULL) == 0 && !strcmp(c.api_key_cmd, "mine"),
              "the user's own folder: %s", e.msg);
        conf_done(&c);
    }
    if (chdir(root) < 0)
        printf("Bail out! chdir\n");
    unlink("xdg/agent/agent.conf");
}

/* --- printing --- */

static void test_print(void)
{
    struct conf c;
    struct err e;
    cleanup_buf struct buf one = BUF_MAX(1 << 20), two = BUF_MAX(1 << 20), help = BUF_MAX(1 << 20),
                           all = BUF_MAX(1 << 20);

    load(&c, &e, NULL);
    conf_print(&c, &one);
    conf_done(&c);
    put("xdg/agent/agent.conf", buf_cstr(&one));
    CHECK(load(&c, &e, NULL) == 0, "what is printed can be read: %s", e.msg);
    conf_print(&c, &two);
    conf_done(&c);
    CHECK(str_eq(buf_str(&one), buf_str(&two)), "and gives the same again");

    /* Every line of a setting as an active one: each default is a legal value of its own. */
    for (size_t i = 0; i < conf_table_n; i++) {
        if (conf_is_list(&conf_table[i]) || conf_table[i].flag_only)
            continue;
        cleanup_free char *line = xasprintf("\n#%s =%s%s\n", conf_table[i].name,
                                            conf_table[i].def[0] ? " " : "", conf_table[i].def);
        CHECK(strstr(buf_cstr(&one), line), "%s is listed with its default", conf_table[i].name);
        buf_puts(&all, line + 2);
    }
    put("xdg/agent/agent.conf", buf_cstr(&all));
    CHECK(load(&c, &e, NULL) == 0, "all defaults, written out, are valid: %s", e.msg);
    conf_done(&c);

    const char *const words[] = { "-vn5",
                                  "-f",
                                  "a b.csv",
                                  "-f=",
                                  "--system= x ",
                                  "--memory=100m",
                                  "--temperature=0.25",
                                  "--no-stream",
                                  NULL };
    load(&c, &e, words);
    buf_clear(&one);
    buf_clear(&two);
    conf_print(&c, &one);
    CHECK(strstr(buf_cstr(&one), "# from -n\nmax_turns = 5\n"),
          "with -v it says where a value is from");
    conf_done(&c);
    put("home/round.conf", buf_cstr(&one));
    unlink("xdg/agent/agent.conf");
    put("agent.conf", "");
    unlink("agent.conf");
    io_write_atomic(AT_FDCWD, "xdg/agent/agent.conf", buf_str(&one), 0600, &e);
    CHECK(load(&c, &e, NULL) == 0 && c.max_turns == 5 && c.memory_bytes == 100 << 20 && !c.stream &&
              c.temperature == 0.25 && c.system_prompt && !strcmp(c.system_prompt, " x ") &&
              c.verbose,
          "changed settings come back: %s", e.msg);
    conf_done(&c);
    unlink("xdg/agent/agent.conf");

    conf_help(CMD_ASK, &help);
    struct str rest = buf_str(&help), line;
    size_t widest = 0, examples = 0;
    while (rest.n) {
        (void)str_cut(&rest, '\n', &line);
        widest = line.n > widest ? line.n : widest;
        cleanup_free char *l = str_dup(line);
        examples += str_starts(line, "  ") && !str_starts(line, "   ") && strstr(l, "agent ");
    }
    CHECK(widest <= 79, "--help is %zu columns wide", widest);
    CHECK(examples >= 5, "--help starts with examples (%zu)", examples);
    for (size_t i = 0; i < conf_table_n; i++) {
        cleanup_free char *flag = conf_flag_name(&conf_table[i]);
        if (conf_in_scope(&conf_table[i], CMD_ASK))
            CHECK(strstr(buf_cstr(&help), flag + 2), "--help names %s", flag);
    }
}

static void test_small(void)
{
    static const struct {
        const char *url;
        bool want;
    } urls[] = {
        { "http://127.0.0.1:8080/v1", true },
        { "http://127.9.9.9", true },
        { "https://localhost/v1", true },
        { "http://LOCALHOST:1", true },
        { "http://[::1]:8080/v1", true },
        { "http://[::1]", true },
        { "http://127.0.0.1.example.org", false },
        { "http://localhost.example.org/", false },
        { "http://example.org/127.0.0.1", false },
        { "http://128.0.0.1", false },
        { "http://[::2]/", false },
        { "http://127.1/", false },
        { "http://127.0.0.1@example.org/", false },
        { "http://127.0.0.1\\@example.org/", false },
        { "ftp://127.0.0.1", false },
        { "", false },
        { "http://0x7f000001/", false },
        { "http://[::1", false },
    };
    static const char *const names[] = { "max_turns", "model", "memory", "stdin" };
    struct conf c;
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        CHECK(conf_url_is_loopback(urls[i].url) == urls[i].want, "loopback %d: %s", urls[i].want,
              urls[i].url);
    CHECK(conf_nearest(STR("max_turn"), names, 4) == names[0], "one letter missing");
    CHECK(conf_nearest(STR("modle"), names, 4) == names[1], "two letters swapped");
    CHECK(conf_nearest(STR("mem"), names, 4) == names[2], "cut short");
    CHECK(conf_nearest(STR("zebra"), names, 4) == NULL, "nothing near");
    CHECK(conf_nearest(STR(""), names, 4) == NULL, "nothing for nothing");
    CHECK(conf_nearest(STR("x"), NULL, 0) == NULL, "no candidates");

    load(&c, &e, NULL);
    setenv("XDG_DATA_HOME", "/data/home", 1);
    cleanup_free char *a = conf_session_root(&c, &e);
    unsetenv("XDG_DATA_HOME");
    cleanup_free char *b = conf_session_root(&c, &e),
                      *want = xasprintf("%s/home/.local/share/agent/sessions", root);
    CHECK(!strcmp(a, "/data/home/agent/sessions"), "sessions: %s", a);
    CHECK(!strcmp(b, want), "sessions: %s", b);
    cleanup_free char *home = xstrdup(getenv("HOME"));
    unsetenv("HOME");
    CHECK(conf_session_root(&c, &e) == NULL && e.code == ERR_CONFIG && strstr(e.msg, "--ephemeral"),
          "%s", e.msg);
    setenv("HOME", home, 1);
    conf_done(&c);
    load(&c, &e, WORDS("--session-dir", "/x"));
    cleanup_free char *d = conf_session_root(&c, &e);
    CHECK(!strcmp(d, "/x"), "sessions: %s", d);
    conf_done(&c);
}

int main(void)
{
    struct err e = ERR_INIT;

    if (mkdtemp(root) == NULL || chdir(root) < 0 || io_mkdirs("xdg/agent", 0700, &e) < 0 ||
        io_mkdirs("home", 0700, &e) < 0) {
        printf("Bail out! no temporary folder\n");
        return 1;
    }
    for (size_t i = 0; i < conf_table_n; i++) {
        cleanup_free char *name = conf_env_name(&conf_table[i]);
        unsetenv(name);
    }
    unsetenv("SANDBOX_PROGRAM"); /* tests/run says there where the helper is */
    unsetenv("OPENAI_BASE_URL");
    unsetenv("XDG_DATA_HOME");
    cleanup_free char *home = xasprintf("%s/home", root), *xdg = xasprintf("%s/xdg", root);
    setenv("HOME", home, 1);
    setenv("XDG_CONFIG_HOME", xdg, 1);
    test_commands();
    test_values();
    test_table();
    test_args();
    test_files();
    test_precedence();
    test_project();
    test_print();
    test_small();
    if (chdir("/") == 0)
        io_remove_tree(AT_FDCWD, root, &e);
    return tap_done();
}

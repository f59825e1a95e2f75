/* --help and --print-config, from the table. */
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/conf_load.h"
#include "agent/base/banned.h"

#define HELP_COLUMN 29

static void spaces(struct buf *out, size_t n)
{
    while (n--)
        buf_putc(out, ' ');
}

/* The help of one setting with its default and its range. */
static void describe(const struct conf_setting *s, bool with_range, struct buf *out)
{
    cleanup_buf struct buf range = BUF_MAX(1024);

    buf_puts(out, s->help);
    conf_value_range(s, &range);
    if (with_range && range.n)
        buf_putf(out, " [%s]", buf_cstr(&range));
    else if (s->kind == K_CHOICE)
        buf_putf(out, " [%s]", buf_cstr(&range));
    if (!with_range && s->kind != K_BOOL && s->def[0] && strcmp(s->def, "0") != 0)
        buf_putf(out, " (%s)", s->def);
}

static void help_line(struct buf *out, const char *left, struct str help)
{
    cleanup_buf struct buf prefix = BUF_MAX(128);
    size_t n = strlen(left);

    spaces(&prefix, HELP_COLUMN);
    buf_puts(out, left);
    if (n + 2 > HELP_COLUMN) {
        buf_putc(out, '\n');
        n = 0;
    }
    spaces(out, HELP_COLUMN - n);
    buf_wrap(out, help, HELP_COLUMN, buf_cstr(&prefix));
}

static const char help_tail[] =
    "\n"
    "A switch is turned off by --no-NAME. Every flag is a setting too: max_turns = 8\n"
    "in agent.conf (agent --print-config shows all), AGENT_MAX_TURNS=8 in the\n"
    "environment. First wins: flag, environment, ./agent.conf,\n"
    "~/.config/agent/agent.conf.\n"
    "\n";

static const char help_statuses[] =
    "The answer goes to standard output, all else to standard error. Exit status:\n"
    "  0 answered   1 internal   2 usage   3 settings or key   4 provider failed\n"
    "  5 no sandbox   6 turn cap hit   7 budget hit   8 no code ever succeeded\n"
    "  9 a check failed   10 inputs unchanged   11 no progress   124 deadline\n"
    "  130 interrupted   143 terminated\n";

static void help_commands(struct buf *out)
{
    buf_puts(out, "\nCommands (agent COMMAND --help tells more):\n");
    for (int i = 0; i < CMD_COUNT; i++) {
        cleanup_buf struct buf left = BUF_MAX(256);
        buf_putf(&left, "  %s", conf_commands[i].name);
        help_line(out, buf_cstr(&left), str_of(conf_commands[i].about));
    }
}

void conf_help(enum conf_command command, struct buf *out)
{
    const struct conf_command_row *row = &conf_commands[command];

    buf_putf(out, "Usage: %s\n\nExamples:\n%s\n%s", row->usage, row->examples, row->text);
    if (command == CMD_ASK)
        help_commands(out);
    for (int g = 0; g < G_COUNT; g++) {
        bool titled = false;
        for (size_t i = 0; i < conf_table_n; i++) {
            const struct conf_setting *s = &conf_table[i];
            if ((int)s->group != g || !conf_in_scope(s, command))
                continue;
            if (!titled)
                buf_putf(out, "\n%s:\n", conf_group_title[g]);
            titled = true;
            cleanup_free char *flag = conf_flag_name(s);
            cleanup_buf struct buf left = BUF_MAX(256), help = BUF_MAX(4096);
            if (s->letter)
                buf_putf(&left, "  -%c, ", s->letter);
            else
                buf_puts(&left, "      ");
            bool on = s->kind == K_BOOL && strcmp(s->def, "true") == 0;
            buf_putf(&left, "--%s%s%s%s", on ? "[no-]" : "", flag + 2, s->arg ? " " : "",
                     s->arg ? s->arg : "");
            describe(s, false, &help);
            help_line(out, buf_cstr(&left), buf_str(&help));
        }
    }
    buf_puts(out, "\nOther:\n");
    for (size_t i = 0; i < conf_flags_n; i++) {
        cleanup_buf struct buf left = BUF_MAX(256);
        if (conf_flags[i].letter)
            buf_putf(&left, "  -%c, --%s", conf_flags[i].letter, conf_flags[i].name);
        else
            buf_putf(&left, "      --%s", conf_flags[i].name);
        help_line(out, buf_cstr(&left), str_of(conf_flags[i].help));
    }
    buf_puts(out, help_tail);
    if (command != CMD_EXEC) /* it has statuses of its own */
        buf_puts(out, help_statuses);
}

/* A value as agent.conf would have it: quoted where it would not survive as it is. */
static void put_value(struct buf *out, struct str v)
{
    bool quote = v.n && (v.p[0] == '"' || str_trim(v).n != v.n || memchr(v.p, '\n', v.n) ||
                         memchr(v.p, '\r', v.n));

    if (!quote) {
        buf_putstr(out, v);
        return;
    }
    buf_putc(out, '"');
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '\n')
            buf_puts(out, "\\n");
        else if (v.p[i] == '"' || v.p[i] == '\\')
            buf_putf(out, "\\%c", v.p[i]);
        else
            buf_putc(out, v.p[i]);
    }
    buf_putc(out, '"');
}

static void print_setting(const struct conf *c, const struct conf_setting *s, struct buf *out)
{
    const void *field = (const char *)c + s->offset;
    /* The profile's settings are printed as what they are; its name would ask for a section that
     * the printed file does not have. */
    bool is_default =
        strcmp(conf_origin(c, s->name), "default") == 0 || !strcmp(s->name, "profile");
    cleanup_buf struct buf help = BUF_MAX(4096);
    size_t n = is_default ? 1 : conf_value_count(s, field);

    describe(s, true, &help);
    buf_puts(out, "\n# ");
    buf_wrap(out, buf_str(&help), 2, "# ");
    if (!is_default && c->verbose) {
        cleanup_buf struct buf from = BUF_MAX(65536);
        utf8_clean_line(&from, str_of(conf_origin(c, s->name)));
        buf_putf(out, "# from %s\n", buf_cstr(&from));
    }
    for (size_t i = 0; i < n; i++) {
        cleanup_buf struct buf v = BUF_MAX(SIZE_MAX / 2);
        if (is_default)
            buf_puts(&v, s->def);
        else
            conf_value_text(s, field, i, &v);
        buf_putf(out, "%s%s =", is_default ? "#" : "", s->name);
        if (v.n)
            buf_putc(out, ' ');
        put_value(out, buf_str(&v));
        buf_putc(out, '\n');
    }
}

static const char sections_help[] =
    "\n# --- Services, models, prices ---\n"
    "# Sections about one service, about models (a name or a pattern, with or without\n"
    "# its service), and about prices. They stand in your own file only. What `set' and\n"
    "# `unset' name are members of the request's JSON, what `header' names is sent too;\n"
    "# each may stand many times, and a later section wins over one before it.\n"
    "#\n"
    "#[service openrouter]\n"
    "#api_key_cmd = pass show openrouter\n"
    "#header = X-Title: reports\n"
    "#set = provider.sort = \"price\"\n"
    "#\n"
    "#[service mycompany]\n"
    "#base_url = https://llm.example.com/v1\n"
    "#wire = openai-chat\n"
    "#api_key_env = MYCOMPANY_KEY\n"
    "#\n"
    "#[model openai/gpt-5*]\n"
    "#set = reasoning.effort = \"low\"\n"
    "#unset = temperature\n"
    "#context_window = 272000\n"
    "#\n"
    "# US dollars per million tokens; cache_read and cache_write may be left out.\n"
    "#[price mycompany/*]\n"
    "#in = 0.5\n"
    "#out = 1.5\n";

void conf_print(const struct conf *c, struct buf *out)
{
    buf_puts(
        out,
        "# Settings of agent. Your own go to ~/.config/agent/agent.conf, those of a project to\n"
        "# agent.conf in its folder. A flag (--max-turns) wins over the environment\n"
        "# (AGENT_MAX_TURNS), that over the project's file, that over yours. A line such as\n"
        "# \"#max_turns = 8\" shows a default. Settings below a line [profile NAME] count when\n"
        "# that profile is chosen (-P NAME). Sizes end in k, m or g; times in ms, s, m, h or d.\n"
        "# A value in double quotes may hold \\n, \\t, \\\" and \\\\.\n");
    for (int g = 0; g < G_COUNT; g++) {
        bool titled = false;
        for (size_t i = 0; i < conf_table_n; i++) {
            if ((int)conf_table[i].group != g || conf_table[i].flag_only)
                continue;
            if (!titled)
                buf_putf(out, "\n# --- %s ---\n", conf_group_title[g]);
            titled = true;
            print_setting(c, &conf_table[i], out);
        }
    }
    buf_puts(out, sections_help);
    conf_rules_print(c, out);
}

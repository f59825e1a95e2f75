/* Prints agent.1 or agent.conf.5 from the tables that drive the command line, so that the manual
 * says what the program does. Used by make alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/conf_table.h"
#include "agent/base/banned.h"

/* Foreign words as running text, as an argument of a macro, or as lines of an example: nothing in
 * them is a request. */
enum how { RUNNING, ARGUMENT, LITERAL };
static void put_text(const char *s, size_t n, enum how how)
{
    bool line = true, word = true, argument = how == ARGUMENT;

    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if ((line && (c == '.' || c == '\'')) || (argument && word && c != ' '))
            fputs("\\&", stdout);
        if (argument && c == '"')
            fputs("\\(dq", stdout);
        else if (c == '\\')
            fputs("\\e", stdout);
        else if (c == '-')
            fputs("\\-", stdout);
        else
            putchar(c);
        if (how == RUNNING && strchr(".?!", c) && i + 1 < n && s[i + 1] == ' ') {
            c = '\n'; /* a sentence ends its line */
            putchar(c);
            i++;
        }
        line = c == '\n';
        word = c == ' ';
    }
}

static void put_words(const char *s, bool argument)
{
    put_text(s, strlen(s), argument ? ARGUMENT : RUNNING);
}

static void put_help(const struct conf_setting *s, bool with_default)
{
    cleanup_buf struct buf range = BUF_MAX(4096);

    put_words(s->help, false);
    puts(".");
    conf_value_range(s, &range);
    if (range.n) {
        puts(".br");
        fputs("Values: ", stdout);
        put_words(buf_cstr(&range), false);
        puts(".");
    }
    if (with_default && s->def[0] && strcmp(s->def, "-1") != 0) {
        puts(".br");
        fputs("Default: ", stdout);
        put_words(s->def, false);
        putchar('\n');
    }
}

/* An empty line ends a paragraph. */
static void put_paragraphs(const char *text)
{
    struct str rest = str_of(text), line;

    while (rest.n) {
        str_cut(&rest, '\n', &line);
        if (line.n == 0) {
            puts(".Pp");
            continue;
        }
        put_text(line.p, line.n, RUNNING);
        putchar('\n');
    }
}

static void put_literal(const char *text)
{
    struct str rest = str_of(text), line;

    puts(".Bd -literal");
    while (rest.n) {
        str_cut(&rest, '\n', &line);
        while (line.n && line.p[0] == ' ')
            line = str_from(line, 1);
        put_text(line.p, line.n, LITERAL);
        putchar('\n');
    }
    puts(".Ed");
}

static void put_flag(const struct conf_setting *s, bool with_default)
{
    cleanup_free char *flag = conf_flag_name(s);

    fputs(".It ", stdout);
    if (s->letter)
        printf("Fl %c , ", s->letter);
    fputs("Fl Fl ", stdout);
    if (s->kind == K_BOOL && strcmp(s->def, "true") == 0)
        fputs("[no\\-]", stdout);
    put_words(flag + 2, false);
    if (s->arg) {
        fputs(" Ar ", stdout);
        put_words(s->arg, true);
    }
    putchar('\n');
    put_help(s, with_default);
    if (s->aliases) {
        puts(".br");
        fputs("Also: ", stdout);
        struct str rest = str_of(s->aliases), one;
        while (rest.n) {
            str_cut(&rest, ' ', &one);
            fputs("\\-\\-", stdout);
            put_text(one.p, one.n, RUNNING);
            fputs(rest.n ? ", " : "\n", stdout);
        }
    }
}

static void put_options(void)
{
    for (int g = 0; g < G_COUNT; g++) {
        printf(".Ss %s\n.Bl -tag -width Ds\n", conf_group_title[g]);
        for (size_t i = 0; i < conf_table_n; i++)
            if ((int)conf_table[i].group == g) {
                put_flag(&conf_table[i], true);
                fputs(".br\nOf: ", stdout);
                const char *comma = "";
                for (int k = 0; k < CMD_COUNT; k++)
                    if (conf_in_scope(&conf_table[i], (enum conf_command)k)) {
                        printf("%s%s", comma, conf_commands[k].name);
                        comma = ", ";
                    }
                putchar('\n');
            }
        puts(".El");
    }
    puts(".Ss Other\n.Bl -tag -width Ds");
    for (size_t i = 0; i < conf_flags_n; i++) {
        fputs(".It ", stdout);
        if (conf_flags[i].letter)
            printf("Fl %c , ", conf_flags[i].letter);
        fputs("Fl Fl ", stdout);
        put_words(conf_flags[i].name, false);
        putchar('\n');
        put_words(conf_flags[i].help, false);
        puts(".");
    }
    puts(".El");
}

static const char agent_tail[] =
    ".Sh ENVIRONMENT\n"
    "Every setting of\n"
    ".Xr agent.conf 5\n"
    "is also a variable:\n"
    ".Ev AGENT_MAX_TURNS\n"
    "stands for\n"
    ".Fl Fl max\\-turns .\n"
    "Keys come from the variables that\n"
    ".Ic agent keys\n"
    "lists, such as\n"
    ".Ev OPENAI_API_KEY .\n"
    "Proxies and certificates come from\n"
    ".Ev https_proxy , no_proxy , SSL_CERT_FILE\n"
    "and\n"
    ".Ev SSL_CERT_DIR .\n"
    ".Sh FILES\n"
    ".Bl -tag -width Ds\n"
    ".It Pa ~/.config/agent/agent.conf\n"
    "The user's settings, see\n"
    ".Xr agent.conf 5 .\n"
    ".It Pa agent.conf\n"
    "Settings of the project in whose folder agent is started.\n"
    ".It Pa ~/.config/agent/keys/\n"
    "Keys kept by\n"
    ".Ic agent keys set ,\n"
    "a file a service, mode 0600.\n"
    ".It Pa ~/.local/share/agent/sessions/\n"
    "The record of each session: question, answer, code, output, files.\n"
    ".It Pa ~/.local/share/agent/envs/\n"
    "Environments of packages.\n"
    ".It Pa ~/.cache/agent/\n"
    "What costs time to find out; may be removed at any time.\n"
    ".El\n"
    "The folders move with\n"
    ".Ev XDG_CONFIG_HOME , XDG_DATA_HOME\n"
    "and\n"
    ".Ev XDG_CACHE_HOME .\n"
    ".Sh EXIT STATUS\n"
    ".Bl -tag -width 130 -compact\n"
    ".It 0\n"
    "The question was answered.\n"
    ".It 1\n"
    "An internal error, or the system refused something.\n"
    ".It 2\n"
    "Wrong usage, or a file that cannot be used.\n"
    ".It 3\n"
    "Settings or the key.\n"
    ".It 4\n"
    "The model's service failed.\n"
    ".It 5\n"
    "The sandbox could not be made, or was lost.\n"
    ".It 6\n"
    "The limit of turns was reached.\n"
    ".It 7\n"
    "The limit of cost or tokens was reached.\n"
    ".It 8\n"
    "No code ever succeeded.\n"
    ".It 9\n"
    "A check of the answer failed.\n"
    ".It 10\n"
    "Inputs are unchanged.\n"
    ".It 11\n"
    "No progress was made.\n"
    ".It 124\n"
    "The deadline.\n"
    ".It 130 , 143\n"
    "Interrupted, terminated.\n"
    ".El\n"
    ".Pp\n"
    ".Ic agent exec\n"
    "ends with the status of the code.\n"
    ".Sh SEE ALSO\n"
    ".Xr agent\\-sandbox 1 ,\n"
    ".Xr agent.conf 5\n";

static void manual_agent(void)
{
    puts(".Dt AGENT 1\n.Os\n.Sh NAME\n.Nm agent\n"
         ".Nd answers questions with code that a language model writes and a sandbox runs\n"
         ".Sh SYNOPSIS");
    for (int i = 0; i < CMD_COUNT; i++) {
        struct str rest = str_of(conf_commands[i].usage), line;
        while (rest.n) {
            str_cut(&rest, '\n', &line);
            line = str_trim(line);
            fputs(".Nm\n.Ar ", stdout);
            line = str_from(line, line.n < 6 ? line.n : 6); /* "agent " */
            put_text(line.p, line.n, ARGUMENT);
            putchar('\n');
        }
    }
    puts(".Sh DESCRIPTION\n.Nm\nanswers a question with the help of code that a language model "
         "writes.\nThe code runs on this machine, in a sandbox that gives it no network, no files "
         "but those that are\nnamed, and limits.\n"
         "A first word that is exactly a command is the command; anything else begins a question.\n"
         "The answer goes to standard output, all else to standard error.\n"
         ".Sh COMMANDS");
    for (int i = 0; i < CMD_COUNT; i++) {
        printf(".Ss agent %s\n", conf_commands[i].name);
        put_paragraphs(conf_commands[i].text);
        puts(".Pp\nExamples:");
        put_literal(conf_commands[i].examples);
    }
    puts(".Sh OPTIONS\nA switch is turned off by\n.Fl Fl no\\-NAME .\n"
         "Below each flag stand the commands that take it.");
    put_options();
    fputs(agent_tail, stdout);
}

static void manual_conf(void)
{
    puts(".Dt AGENT.CONF 5\n.Os\n.Sh NAME\n.Nm agent.conf\n.Nd settings of agent\n"
         ".Sh SYNOPSIS\n.Pa ~/.config/agent/agent.conf\n.Pp\n.Pa ./agent.conf\n"
         ".Sh DESCRIPTION\nA line\n.Ql name = value\nsets what the flag of that name sets.\n"
         "A flag wins over the environment\n.Pq Ev AGENT_NAME ,\n"
         "that over the project's file, that over the user's.\n"
         "Settings below a line\n.Ql [profile NAME]\ncount when that profile is chosen\n"
         ".Pq Fl P Ar NAME .\n"
         "A line that starts with # is a comment.\n"
         "Sizes end in k, m or g; times in ms, s, m, h or d; switches are true or false.\n"
         "A value in double quotes may hold \\en, \\et, \\e\\(dq and \\e\\e.\n"
         ".Pp\nA project's file belongs to whoever made the folder: it may not set what is marked\n"
         ".Dq not in a project's file ,\nunless the user sets\n.Ql trust_project = true .\n.Pp\n"
         ".Ic agent \\-\\-print\\-config\nprints the settings in force.\n"
         ".Sh SETTINGS");
    for (int g = 0; g < G_COUNT; g++) {
        bool titled = false;
        for (size_t i = 0; i < conf_table_n; i++) {
            const struct conf_setting *s = &conf_table[i];
            if ((int)s->group != g || s->flag_only)
                continue;
            if (!titled)
                printf(".Ss %s\n.Bl -tag -width Ds\n", conf_group_title[g]);
            titled = true;
            printf(".It Ic %s", s->name);
            if (s->arg) {
                fputs(" = Ar ", stdout);
                put_words(s->arg, true);
            } else {
                fputs(" = true | false", stdout);
            }
            putchar('\n');
            put_help(s, true);
            if (s->guard) {
                fputs(".br\nNot in a project's file: ", stdout);
                put_words(s->guard, false);
                puts(".");
            }
        }
        if (titled)
            puts(".El");
    }
    puts(".Sh SECTIONS\nThese stand in the user's own file only.\n"
         ".Bl -tag -width Ds\n"
         ".It Ic [service NAME]\nAbout one service, known or the user's own: base_url, wire, "
         "api_key_env,\napi_key_file, api_key_cmd, header, set, unset.\n"
         ".It Ic [model PATTERN]\nAbout models, with or without their service before a slash: "
         "set, unset, header, wire,\ncontext_window.\n"
         ".It Ic [price PATTERN]\nUS dollars per million tokens: in, out, cache_read, "
         "cache_write.\n.El\n.Pp\n"
         "What\n.Ic set\nand\n.Ic unset\nname are members of the request's JSON.\n"
         ".Sh EXAMPLES");
    put_literal("model = anthropic/claude-sonnet-4-5\n"
                "max_cost = 0.50\n"
                "timeout = 2m\n"
                "\n"
                "[profile local]\n"
                "model = ollama/qwen3\n"
                "\n"
                "[service openrouter]\n"
                "api_key_cmd = pass show openrouter\n"
                "set = provider.sort = \"price\"\n");
    puts(".Sh SEE ALSO\n.Xr agent 1 ,\n.Xr agent\\-sandbox 1");
}

int main(int argc, char **argv)
{
    bool is_conf = argc > 1 && strcmp(argv[1], "agent.conf") == 0;

    printf(".\\\" Made by docs/manual.c from the tables of the program.\n.Dd %s\n",
           argc > 2 ? argv[2] : "$Mdocdate$");
    if (is_conf)
        manual_conf();
    else
        manual_agent();
    return ferror(stdout) || fflush(stdout) != 0;
}

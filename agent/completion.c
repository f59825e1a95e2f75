/* agent completion bash|zsh|fish: a few lines for the shell, which ask this program for every
 * completion (agent completion complete WORD...): so they know what the tables know, and never age.
 * Nothing here uses the network: models come from lists that `agent models` kept. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/conf_table.h"
#include "agent/models_cache.h"
#include "agent/program.h"
#include "agent/saved.h"
#include "providers/services.h"
#include "agent/base/banned.h"

/* What it prints: "word TAB description" a line, or ":files" or ":folders" alone, which the shell
 * completes itself. A description of a word has no tab and no control character. */

static const char bash_script[] =
    "# bash completion of agent: eval \"$(agent completion bash)\"\n"
    "_agent() {\n"
    "    local line reply kind= cur=${COMP_WORDS[COMP_CWORD]}\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        case $line in\n"
    "        :files) kind=-f; continue ;;\n"
    "        :folders) kind=-d; continue ;;\n"
    "        esac\n"
    "        reply=${line%%$'\\t'*}\n"
    "        COMPREPLY+=(\"$reply\")\n"
    "    done < <(\"${COMP_WORDS[0]}\" completion complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" "
    "2>/dev/null)\n"
    "    if [[ -n $kind ]]; then\n"
    "        [[ $cur == = ]] && cur=\n"
    "        compopt -o filenames\n"
    "        while IFS= read -r line; do COMPREPLY+=(\"$line\"); done < <(compgen \"$kind\" -- "
    "\"$cur\")\n"
    "        [[ $kind == -f ]] && while IFS= read -r line; do\n"
    "            [[ \" ${COMPREPLY[*]} \" == *\" $line \"* ]] || COMPREPLY+=(\"$line\")\n"
    "        done < <(compgen -d -- \"$cur\")\n"
    "    fi\n"
    "    local w=${COMP_LINE:0:COMP_POINT}; w=${w##*[[:space:]]}\n"
    "    if [[ $w == *:* && $COMP_WORDBREAKS == *:* && ${#COMPREPLY[@]} -gt 0 ]]; then\n"
    "        local i head=${w%\"${w##*:}\"}\n"
    "        for i in \"${!COMPREPLY[@]}\"; do COMPREPLY[i]=${COMPREPLY[i]#\"$head\"}; done\n"
    "    fi\n"
    "}\n"
    "complete -F _agent agent\n";

static const char zsh_script[] =
    "#compdef agent\n"
    "# zsh completion of agent: eval \"$(agent completion zsh)\" after compinit\n"
    "_agent() {\n"
    "    local line kind\n"
    "    local -a values shown\n"
    "    while IFS= read -r line; do\n"
    "        case $line in\n"
    "        :files) kind=files ;;\n"
    "        :folders) kind=folders ;;\n"
    "        *) values+=(\"${line%%$'\\t'*}\")\n"
    "           if [[ $line == *$'\\t'?* ]]; then shown+=(\"${line%%$'\\t'*}  ${line#*$'\\t'}\")\n"
    "           else shown+=(\"$line\"); fi ;;\n"
    "        esac\n"
    "    done < <(${words[1]} completion complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "    (( ${#values} )) && compadd -l -d shown -a values\n"
    "    [[ $kind == files ]] && _files\n"
    "    [[ $kind == folders ]] && _files -/\n"
    "    return 0\n"
    "}\n"
    "if [[ ${funcstack[1]-} == _agent ]]; then _agent \"$@\"; else compdef _agent agent; fi\n";

static const char fish_script[] =
    "# fish completion of agent: agent completion fish | source\n"
    "function __agent_complete\n"
    "    set -l words (commandline -opc) (commandline -ct)\n"
    "    for line in ($words[1] completion complete $words[2..-1] 2>/dev/null)\n"
    "        switch $line\n"
    "            case :files\n"
    "                __fish_complete_path (commandline -ct)\n"
    "            case :folders\n"
    "                __fish_complete_directories (commandline -ct) ''\n"
    "            case '*'\n"
    "                echo $line\n"
    "        end\n"
    "    end\n"
    "end\n"
    "complete -c agent -f -a '(__agent_complete)'\n";

static const struct {
    const char *name, *script;
} shells[] = {
    { "bash", bash_script },
    { "zsh", zsh_script },
    { "fish", fish_script },
};

struct wanted {
    const struct conf *c;
    struct str partial; /* what is there of the word */
    const char *before; /* of what is printed: "--model=" */
    struct buf out;
};

static void offer(struct wanted *w, const char *word, const char *about)
{
    cleanup_buf struct buf clean = BUF_MAX(2000), help = BUF_MAX(2000);

    if (strlen(word) < w->partial.n ||
        memcmp(word, w->partial.p ? w->partial.p : "", w->partial.n) != 0)
        return;
    utf8_clean_line(&clean, str_of(word));
    if (strcmp(buf_cstr(&clean), word) != 0)
        return; /* nothing that a shell would have to be protected from */
    utf8_clean_line(&help, utf8_head(str_of(about), 100));
    buf_putf(&w->out, "%s%s%s%s\n", w->before, word, help.n ? "\t" : "", buf_cstr(&help));
}

static void offer_words(struct wanted *w, const char *words)
{
    struct str rest = str_of(words), one;

    while (rest.n) {
        str_cut(&rest, ' ', &one);
        cleanup_free char *word = str_dup(one);
        offer(w, word, "");
    }
}

/* --- what can stand for a value --- */

static void offer_files(struct wanted *w)
{
    if (!strstr(buf_cstr(&w->out), ":files\n"))
        buf_puts(&w->out, ":files\n");
}
static void offer_folders(struct wanted *w)
{
    buf_puts(&w->out, ":folders\n");
}

static void offer_services(struct wanted *w)
{
    for (size_t i = 0; i < services_n; i++)
        offer(w, services[i].name, services[i].title);
    for (size_t i = 0; i < w->c->n_rules; i++)
        if (w->c->rules[i].kind == RULE_SERVICE && !service_find(str_of(w->c->rules[i].name)))
            offer(w, w->c->rules[i].name, w->c->rules[i].base_url);
}

static void offer_models(struct wanted *w)
{
    for (size_t i = 0; i < services_n; i++) {
        cleanup_buf struct buf known = BUF_MAX(MAX_MODELS_CACHE);
        bool kept = models_cache_read(services[i].name, &known);
        struct str rest = buf_str(&known), id;
        while (rest.n) {
            str_cut(&rest, '\n', &id);
            cleanup_free char *name =
                xasprintf("%s/%.*s", services[i].name, (int)(id.n < 200 ? id.n : 200), id.p);
            offer(w, name, "");
        }
        cleanup_free char *example = xasprintf("%s/%s", services[i].name, services[i].example);
        if (!kept && strcmp(services[i].name, "custom") != 0)
            offer(w, example, services[i].title);
    }
}

static void offer_profiles_of(struct wanted *w, const char *path)
{
    cleanup_buf struct buf text = BUF_MAX(MAX_CONF_BYTES);
    struct err ignored;
    struct str rest, line;

    if (path == NULL || io_read_file(path, &text, &ignored) < 0)
        return;
    for (rest = buf_str(&text); rest.n;) {
        str_cut(&rest, '\n', &line);
        line = str_trim(line);
        if (!str_starts(line, "[profile ") || !str_ends(line, "]"))
            continue;
        cleanup_free char *name = str_dup(str_trim((struct str){ line.p + 9, line.n - 10 }));
        offer(w, name, path);
    }
}

static void offer_profiles(struct wanted *w)
{
    offer_profiles_of(w, w->c->user_file);
    offer_profiles_of(w, "agent.conf");
}

static void offer_sessions(struct wanted *w)
{
    __attribute__((cleanup(saved_list_done))) struct saved_list l = { 0 };
    struct err ignored = ERR_INIT;
    cleanup_free char *root = conf_session_root(w->c, &ignored);

    offer(w, "last", "the session used last");
    if (root == NULL || saved_list(root, 200, &l, &ignored) < 0)
        return;
    for (size_t i = 0; i < l.n; i++)
        offer(w, l.v[i].id, l.v[i].question);
}

static void offer_envs(struct wanted *w)
{
    cleanup_free char *data = conf_data_dir();
    cleanup_free char *root = data ? io_join(data, "envs") : NULL;
    DIR *d = root ? opendir(root) : NULL;
    struct dirent *ent;

    while (d && (ent = readdir(d)) != NULL)
        if (ent->d_name[0] != '.')
            offer(w, ent->d_name, "");
    if (d)
        closedir(d);
}

static void offer_commands(struct wanted *w)
{
    for (int i = 0; i < CMD_COUNT; i++)
        offer(w, conf_commands[i].name, conf_commands[i].about);
}

static void offer_languages(struct wanted *w)
{
    for (size_t i = 0; i < sandbox_languages_n; i++)
        offer(w, sandbox_languages[i].name, sandbox_languages[i].title);
}

/* Settings whose values are known from elsewhere, and words of usage lines. */
static const struct {
    const char *name;
    void (*offer)(struct wanted *w);
} sources[] = {
    { "model", offer_models },
    { "fallback", offer_models },
    { "provider", offer_services },
    { "profile", offer_profiles },
    { "env", offer_envs },
    { "language", offer_languages },
    { "languages", offer_languages },
    { "resume", offer_sessions },
    { "out_dir", offer_folders },
    { "session_dir", offer_folders },
    { "prompts_dir", offer_folders },
    { "wheels", offer_folders },
    { "SERVICE", offer_services },
    { "ID", offer_sessions },
    { "SESSION", offer_sessions },
    { "NAME", offer_envs },
    { "FILE", offer_files },
    { "NAME.job", offer_files },
    { "FOLDER", offer_folders },
    { "COMMAND", offer_commands },
    { "DIR", offer_folders },
    { "QUESTIONS", offer_files },
    { "RESULTS", offer_files },
    { "ARGUMENT", offer_files },
};

static bool offer_source(struct wanted *w, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        if (str_is(name, sources[i].name)) {
            sources[i].offer(w);
            return true;
        }
    return false;
}

static void offer_value(struct wanted *w, const struct conf_setting *s)
{
    if (offer_source(w, str_of(s->name)))
        return;
    if (s->kind == K_CHOICE)
        offer_words(w, s->choices);
    else if (s->kind == K_PATH || s->kind == K_LIST || strcmp(s->arg ? s->arg : "", "FILE") == 0)
        offer_files(w);
    else if (s->def[0] && s->kind != K_STR && s->kind != K_TEXTS)
        offer(w, s->def, "the default");
}

/* --- flags --- */

static void offer_flags(struct wanted *w, enum conf_command command)
{
    for (size_t i = 0; i < conf_table_n; i++) {
        const struct conf_setting *s = &conf_table[i];
        if (!conf_in_scope(s, command))
            continue;
        cleanup_free char *flag = conf_flag_name(s);
        cleanup_free char *off = xasprintf("--no-%s", flag + 2);
        offer(w, flag, s->help);
        if (s->kind == K_BOOL && strcmp(s->def, "true") == 0)
            offer(w, off, s->help);
    }
    for (size_t i = 0; i < conf_flags_n; i++) {
        cleanup_free char *flag = xasprintf("--%s", conf_flags[i].name);
        offer(w, flag, conf_flags[i].help);
    }
}

/* The setting that a flag without a value in the same word asks for; NULL if it takes none. */
static const struct conf_setting *asks_value(const char *word)
{
    struct str name = str_of(word), value;

    for (size_t i = 0; i < conf_table_n; i++) {
        const struct conf_setting *s = &conf_table[i];
        cleanup_free char *flag = conf_flag_name(s);
        bool is = strcmp(flag, word) == 0 ||
                  (s->letter && word[0] == '-' && word[1] == s->letter && word[2] == '\0');
        struct str rest = str_of(s->aliases), alias;
        while (!is && rest.n && str_starts(name, "--")) {
            str_cut(&rest, ' ', &alias);
            value = str_from(name, 2);
            is = str_eq(alias, value);
        }
        if (is)
            return s->kind == K_BOOL ? NULL : s;
    }
    return NULL;
}

/* --- words --- */

/* "new|check|run" */
static void offer_alternatives(struct wanted *w, struct str word)
{
    struct str one;

    while (word.n) {
        str_cut(&word, '|', &one);
        cleanup_free char *text = str_dup(one), *there = xasprintf("%s\n", text);
        if (!strstr(buf_cstr(&w->out), there)) /* several lines may have it */
            offer(w, text, "");
    }
}

static bool is_alternative(struct str word, const char *typed)
{
    struct str one;

    while (word.n) {
        str_cut(&word, '|', &one);
        if (str_is(one, typed))
            return true;
    }
    return false;
}

/* The usage lines of a command say what its words are: "agent sessions show ID". A word in small
 * letters is to be typed, one in capitals stands for something. */
static void offer_usage(struct wanted *w, enum conf_command command, char *const *words, size_t n)
{
    struct str lines = str_of(conf_commands[command].usage), line, word;

    while (lines.n) {
        str_cut(&lines, '\n', &line);
        line = str_trim(line);
        struct str rest = line;
        str_cut(&rest, ' ', &word); /* agent */
        if (str_starts(rest, conf_commands[command].name))
            str_cut(&rest, ' ', &word);
        size_t at = 0;
        bool fits = true;
        while (rest.n && fits) {
            str_cut(&rest, ' ', &word);
            while (word.n && (word.p[0] == '[' || word.p[0] == '('))
                word = str_from(word, 1);
            bool more = str_ends(word, "..."), closed = str_ends(word, "]");
            while (word.n && strchr("].)", word.p[word.n - 1]))
                word.n--;
            /* A flag with its value, and "[flags of ask]", are no words. */
            bool flags = str_is(word, "flags"), flag = word.n && word.p[0] == '-';
            while (rest.n && !closed && (flags || flag)) {
                str_cut(&rest, ' ', &word);
                closed = flag || str_ends(word, "]");
            }
            if (flags || flag || word.n == 0 || word.p[0] == '|' || word.p[0] == '"')
                continue;
            bool literal = word.p[0] >= 'a' && word.p[0] <= 'z';
            if (at == n || (more && at < n)) {
                if (literal)
                    offer_alternatives(w, word);
                else
                    offer_source(w, word);
                break;
            }
            fits = !literal || is_alternative(word, words[at]);
            at++;
        }
    }
}

static void complete(const struct conf *c, char *const *words, size_t n, struct buf *out)
{
    struct wanted w = { .c = c, .before = "", .out = BUF_MAX((4 * MIB)) };
    enum conf_command command = CMD_ASK;
    bool named = false, only_words = false;
    const char *last = n ? words[n - 1] : "";
    const struct conf_setting *s = NULL;
    char **plain = xcalloc(n + 1, sizeof *plain);
    size_t n_plain = 0;

    for (size_t i = 0; i + 1 < n; i++) {
        s = NULL;
        if (!only_words && strcmp(words[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && words[i][0] == '-' && words[i][1]) {
            s = asks_value(words[i]);
            /* bash makes "--model=x" three words. */
            bool equals = s && i + 2 < n && strcmp(words[i + 1], "=") == 0;
            if (s && (i + 2 < n || equals)) {
                i += equals ? 2 : 1;
                if (i + 1 < n)
                    s = NULL;
            }
        } else if (!named && n_plain == 0 && conf_command_find(str_of(words[i])) >= 0) {
            command = (enum conf_command)conf_command_find(str_of(words[i]));
            named = true;
        } else {
            plain[n_plain++] = words[i];
            only_words = only_words || conf_commands[command].words_end_flags;
        }
    }
    const char *equals = strchr(last, '=');
    cleanup_free char *flag = equals ? xstrndup(last, (size_t)(equals - last)) : NULL;
    cleanup_free char *before = NULL;
    w.partial = str_of(last);
    if (s) {
        if (strcmp(last, "=") == 0)
            w.partial = STR("");
        offer_value(&w, s);
    } else if (!only_words && flag && last[0] == '-' && (s = asks_value(flag)) != NULL) {
        w.partial = str_of(equals + 1);
        w.before = before = xasprintf("%s=", flag);
        offer_value(&w, s);
    } else if (!only_words && last[0] == '-') {
        offer_flags(&w, command);
    } else {
        if (!named && n_plain == 0)
            offer_commands(&w);
        if (named)
            offer_usage(&w, command, plain, n_plain);
    }
    free(plain);
    buf_putstr(out, buf_str(&w.out));
    buf_free(&w.out);
}

void completion_command(struct program *p, struct err *why)
{
    const struct conf *c = &p->conf;
    const char *word = c->n_args ? c->args[0] : "";
    cleanup_buf struct buf out = BUF_MAX((4 * MIB));

    if (strcmp(word, "complete") == 0)
        complete(c, c->args + 1, c->n_args - 1, &out);
    for (size_t i = 0; i < ARRAY_LEN(shells) && c->n_args == 1; i++)
        if (strcmp(word, shells[i].name) == 0)
            buf_puts(&out, shells[i].script);
    if (out.n == 0 && strcmp(word, "complete") != 0) {
        err_set(why, ERR_USAGE, 0, "agent completion takes one shell: bash, zsh or fish");
        return;
    }
    if (io_write_all(STDOUT_FILENO, out.p, out.n, why) < 0 && why->sys == EPIPE)
        *why = (struct err)ERR_INIT;
}

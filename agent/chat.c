/* agent chat: question after question in one session. Each is asked by the same loop as agent ask's
 * and recorded as a resumed session's, so that -c, -r and export read both alike.
 *
 * A turn that Ctrl-C stops ends that turn alone: the signal is taken here, the conversation is
 * whole (loop.c answers every call), and the interpreter was only interrupted (run->goes_on). */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/asking.h"
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/chat_line.h"
#include "agent/consent.h"
#include "agent/intake.h"
#include "agent/loop.h"
#include "agent/opening.h"
#include "agent/program.h"
#include "agent/reporting.h"
#include "agent/resume.h"
#include "agent/validate.h"
#include "agent/base/banned.h"

struct chat_cell {
    int number;
    char *description;
    const char *status; /* NULL = not finished */
};

struct exchange {
    char *question, *answer; /* NULL = none came */
    size_t mark;             /* the length of the conversation before it */
    bool undone;
};

struct chat {
    struct program *p;
    struct chat_line *line;
    bool started, over;
    bool fatal; /* what ended it was a failure, and the user was told */
    int number; /* of the question at hand, as the record counts */
    struct exchange *asked;
    size_t n_asked;
    struct chat_cell *cells;
    size_t n_cells;
    struct buf later; /* what the model is to be told with the next question */
    size_t n_early;   /* files that were attached before the first question */
    struct err last;  /* of the last question that failed */
};

/* --- what the record is told, for /cells --- */

static const char *status_word(const char *s)
{
    static const char *const words[] = { "ok",     "error",  "timeout", "killed_time",
                                         "memory", "output", "died",    "validation_failed" };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (s && strcmp(words[i], s) == 0)
            return words[i];
    return "ended";
}

static void on_event(void *arg, const char *type, const cJSON *fields)
{
    struct chat *c = arg;
    bool start = strcmp(type, "cell.start") == 0;
    int number = (int)json_int(fields, "cell", 0);

    if (start) {
        const char *d = json_str(fields, "description");
        c->cells = xrealloc(c->cells, c->n_cells + 1, sizeof *c->cells);
        c->cells[c->n_cells++] = (struct chat_cell){ number, xstrdup(d ? d : ""), NULL };
    } else if (strcmp(type, "cell.end") == 0 && c->n_cells &&
               c->cells[c->n_cells - 1].number == number) {
        c->cells[c->n_cells - 1].status = status_word(json_str(fields, "status"));
    }
}

/* --- commands --- */

typedef void command_fn(struct chat *c, const char *arg);

static void say_error(struct chat *c, struct err *e)
{
    ui_error(c->p->run.ui, e);
    *e = (struct err)ERR_INIT;
}

/* With the next question the model is told of the files from the `from`th on. */
static void tell_files(struct chat *c, size_t from)
{
    struct attach_list *l = &c->p->files;
    struct intake none = { .schema = c->p->conf.intake == INTAKE_SCHEMA };
    struct sandbox_info info;

    for (size_t i = from; i < l->n; i++)
        l->v[i].known = false;
    sandbox_get_info(c->p->run.sandbox, &info);
    cleanup_free char *told = opening_files(l, &none, info.output_dir);
    buf_putf(&c->later, "%s%s", told[0] ? "\n" : "", told);
    for (size_t i = from; i < l->n; i++)
        l->v[i].known = true;
}

/* Once the sandbox runs, a further file goes into it as it is now. */
static int put_file(struct chat *c, const struct attach *a, struct err *e)
{
    cleanup_buf struct buf content = BUF_MAX(MAX_ARTIFACT_BYTES);

    if (io_read_file(a->path, &content, e) < 0)
        return err_wrap(e, "/file");
    return sandbox_put(c->p->run.sandbox, a->name, buf_str(&content), &c->p->stop, e);
}

static void cmd_file(struct chat *c, const char *arg)
{
    cleanup_buf struct buf notices = BUF_MAX(MAX_CONF_BYTES);
    struct attach_list *l = &c->p->files;
    struct err e = ERR_INIT;
    size_t before = l->n;

    if (arg[0] == '\0') {
        ui_respond(c->p->run.ui, "/file PATH attaches a file; /file PATH:NAME under another name");
        return;
    }
    if (attach_add(l, arg, &notices, &e) < 0) {
        say_error(c, &e);
        return;
    }
    program_warn_lines(c->p->run.ui, buf_str(&notices));
    for (size_t i = before; i < l->n; i++) {
        if (c->started && put_file(c, &l->v[i], &e) < 0) {
            say_error(c, &e);
            attach_list_cut(l, i);
            break;
        }
        ui_respond(c->p->run.ui, "attached: %s (%lld bytes)", l->v[i].name,
                   (long long)l->v[i].size);
    }
    if (c->started)
        tell_files(c, before);
}

static void cmd_files(struct chat *c, const char *arg)
{
    const struct attach_list *l = &c->p->files;
    struct artifacts *a = c->p->run.artifacts;

    (void)arg;
    for (size_t i = 0; i < l->n; i++)
        ui_respond(c->p->run.ui, "attached: %s (%lld bytes)", l->v[i].name,
                   (long long)l->v[i].size);
    for (size_t i = 0; a && i < artifacts_count(a); i++) {
        cleanup_free char *path = artifacts_path(a, i);
        ui_respond(c->p->run.ui, "made: %s (%lld bytes)", path,
                   (long long)artifacts_get(a, i)->size);
    }
    if (l->n == 0 && (a == NULL || artifacts_count(a) == 0))
        ui_respond(c->p->run.ui, "no files: /file PATH attaches one");
}

static void cmd_model(struct chat *c, const char *arg)
{
    struct asking *a = c->p->run.asking;
    struct err e = ERR_INIT;

    if (arg[0] == '\0') {
        ui_respond(c->p->run.ui, "%s/%s answers; /model NAME has another one answer",
                   asking_service(a), asking_model(a));
        return;
    }
    if (asking_choose(a, arg, c->p->run.ui, &e) < 0) {
        say_error(c, &e);
        return;
    }
    free(c->p->conf.model);
    c->p->conf.model = xstrdup(arg);
    ui_respond(c->p->run.ui, "%s/%s answers from now on", asking_service(a), asking_model(a));
}

static void cmd_cells(struct chat *c, const char *arg)
{
    (void)arg;
    for (size_t i = 0; i < c->n_cells; i++)
        ui_respond(c->p->run.ui, "[%d] %s  %s", c->cells[i].number,
                   c->cells[i].status ? c->cells[i].status : "not finished",
                   c->cells[i].description);
    if (c->n_cells == 0)
        ui_respond(c->p->run.ui, "no cell has run yet");
    else if (record_dir(c->p->run.record))
        ui_respond(c->p->run.ui, "their code is in %s/cells", record_dir(c->p->run.record));
}

static void cmd_save(struct chat *c, const char *arg)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 8);
    struct err e = ERR_INIT;
    struct str rest, line;

    if (arg[0] == '\0') {
        ui_respond(c->p->run.ui, "/save FILE writes questions and answers as Markdown");
        return;
    }
    if (access(arg, F_OK) == 0) {
        ui_warn(c->p->run.ui, "/save: %s exists and is left as it is: choose another name", arg);
        return;
    }
    for (size_t i = 0; i < c->n_asked; i++) {
        if (c->asked[i].undone)
            continue;
        buf_puts(&b, b.n ? "\n---\n\n" : "");
        for (rest = str_of(c->asked[i].question); rest.n;) {
            (void)str_cut(&rest, '\n', &line);
            buf_puts(&b, "> ");
            buf_putstr(&b, line);
            buf_putc(&b, '\n');
        }
        buf_putf(&b, "\n%s\n", c->asked[i].answer ? c->asked[i].answer : "(no answer)");
    }
    if (b.n == 0)
        ui_respond(c->p->run.ui, "nothing to save yet");
    else if (io_write_atomic(AT_FDCWD, arg, buf_str(&b), 0666, &e) < 0)
        say_error(c, &e);
    else
        ui_respond(c->p->run.ui, "saved: %s", arg);
}

static void cmd_undo(struct chat *c, const char *arg)
{
    size_t i = c->n_asked;

    (void)arg;
    while (i > 0 && c->asked[i - 1].undone)
        i--;
    if (i == 0) {
        ui_respond(c->p->run.ui, "no question of this chat to take back");
        return;
    }
    c->asked[i - 1].undone = true;
    convo_truncate(&c->p->run.convo, c->asked[i - 1].mark);
    record_event(c->p->run.record, "undo", NULL);
    ui_respond(c->p->run.ui, "taken back with all that came of it: %.60s",
               c->asked[i - 1].question);
    ui_respond(c->p->run.ui, "variables and files stay as they are");
}

/* Every interpreter is empty at its next cell. */
static void empty_contexts(struct chat *c)
{
    struct sandbox *s = c->p->run.sandbox;
    struct sandbox_context_info info;
    struct err ignored = ERR_INIT;

    for (size_t i = 0; i < sandbox_context_count(s); i++) {
        sandbox_context_get(s, i, &info);
        (void)sandbox_context_restart(s, info.language, info.name, &ignored);
    }
}

/* Files stay, so that the model has to be told again of those that came during the chat: what was
 * attached before its first question stands in the system prompt. */
static void cmd_reset(struct chat *c, const char *arg)
{
    struct convo *convo = &c->p->run.convo;
    cJSON *ev = cJSON_CreateObject();

    (void)arg;
    convo_truncate(convo, convo->n && convo->m[0].role == CHAT_SYSTEM);
    for (size_t i = 0; i < c->n_asked; i++)
        c->asked[i].undone = true;
    if (c->started) {
        empty_contexts(c);
        buf_clear(&c->later);
        tell_files(c, c->n_early);
        cJSON_AddBoolToObject(ev, "variables", true);
        record_event(c->p->run.record, "reset", steal_ptr(&ev));
    }
    cJSON_Delete(ev);
    ui_respond(c->p->run.ui, "the conversation and all variables are forgotten; files stay");
}

static void cmd_cost(struct chat *c, const char *arg)
{
    struct asking_total t = asking_total(c->p->run.asking);
    struct ui_spent s = { t.input, t.output, t.cached, t.reasoning, t.cost };

    (void)arg;
    ui_spent(c->p->run.ui, "this chat", &s);
}

static void cmd_quit(struct chat *c, const char *arg)
{
    (void)arg;
    c->over = true;
}

static command_fn cmd_help;

static const struct {
    const char *name, *arg, *help;
    command_fn *fn;
} commands[] = {
    { "/file", "PATH", "attach a file", cmd_file },
    { "/files", "", "what is attached, and what the code has made", cmd_files },
    { "/model", "NAME", "have another model answer; without NAME: which one does", cmd_model },
    { "/cells", "", "the cells that ran", cmd_cells },
    { "/save", "FILE", "write questions and answers to a file, as Markdown", cmd_save },
    { "/undo", "", "take back the last question and what came of it; variables stay", cmd_undo },
    { "/reset", "", "forget the conversation and all variables; files stay", cmd_reset },
    { "/cost", "", "tokens and cost of this chat", cmd_cost },
    { "/help", "", "this list", cmd_help },
    { "/quit", "", "end (as Ctrl-D does)", cmd_quit },
};
static const char *names[ARRAY_LEN(commands) + 1];
static const char *const with_paths[] = { "/file", "/save", NULL };

static void cmd_help(struct chat *c, const char *arg)
{
    (void)arg;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        ui_respond(c->p->run.ui, "%-6s %-5s  %s", commands[i].name, commands[i].arg,
                   commands[i].help);
    ui_respond(c->p->run.ui,
               "A line that ends in \\ goes on in the next, and so does all between two "
               "lines of \"\"\".");
    ui_respond(c->p->run.ui, "Ctrl-C stops what runs and keeps the conversation.");
}

/* Is it a command, and was it one that is known? A path as the first word is a question. */
static bool obey(struct chat *c, const char *text)
{
    size_t n = strcspn(text, " \n");

    if (text[0] != '/' || memchr(text + 1, '/', n - 1) != NULL || strchr(text, '\n') != NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strlen(commands[i].name) != n || strncmp(commands[i].name, text, n) != 0)
            continue;
        cleanup_free char *arg = str_dup(str_trim(str_of(text + n)));
        commands[i].fn(c, arg);
        return true;
    }
    ui_warn(c->p->run.ui, "there is no command %.*s: /help lists them", (int)n, text);
    return true;
}

/* --- a question --- */

/* The answer is part of the conversation for the next question; loop.c gives it to its caller. */
static void keep_answer(struct chat *c, const char *answer)
{
    struct convo *convo = &c->p->run.convo;
    const struct chat_message *m = convo->n ? &convo->m[convo->n - 1] : NULL;

    if (answer == NULL || (m && m->role == CHAT_ASSISTANT))
        return; /* none, or it was its last word already */
    struct chat_turn t = { .text = xstrdup(answer) };
    convo_assistant(convo, &t);
    chat_turn_done(&t);
}

static int first_question(struct chat *c, struct err *e)
{
    struct program *p = c->p;

    if (resume_record(p, e) < 0)
        return -1;
    record_watch(p->run.record, on_event, c);
    ask_record_start(p, p->resume != NULL);
    c->started = true;
    c->number = p->resume ? p->resume->question : 1;
    struct intake intake = { 0 };
    int r = ask_prepare(p, &intake, e);
    p->run.intake = NULL; /* the model has been told */
    intake_done(&intake, p->run.sandbox);
    if (r < 0)
        return -1;
    for (size_t i = 0; i < p->files.n; i++)
        p->files.v[i].known = true;
    c->n_early = p->files.n;
    c->asked[c->n_asked - 1].mark = p->run.convo.n - 1;
    return 0;
}

/* The counts of a question begin anew; numbers of turns and cells go on. */
static void next_question(struct chat *c)
{
    struct run *r = &c->p->run;

    r->turns_before += r->turns;
    r->cells_before += r->cells;
    r->rests_on_cells = r->rests_on_cells || r->cells_ok > 0;
    r->turns = r->replies = r->cells = r->cells_ok = 0;
    r->grounded = false;
    r->artifact_err = (struct err)ERR_INIT;
    record_next_question(r->record, ++c->number);
    ask_record_start(c->p, true);
    c->asked[c->n_asked - 1].mark = r->convo.n;
    cleanup_free char *all = xasprintf("%s%s", c->p->question, buf_cstr(&c->later));
    buf_clear(&c->later);
    opening_say(r, false, all);
}

/* Ctrl-C ended the turn, not the chat. Other signals, and the deadline, end both. */
static void after_stop(struct chat *c, const struct err *why)
{
    if (why->code != ERR_CANCEL && why->code != ERR_DEADLINE)
        return;
    /* Without a signal it was the user's word when a cell was to run (--ask). */
    if (why->code == ERR_CANCEL && (why->sys == SIGINT || why->sys == 0) &&
        chat_line_interactive(c->line)) {
        if (why->sys == SIGINT)
            (void)stop_take_signal(&c->p->stop);
        buf_puts(&c->later, "\n\n(The user stopped the turn before this question.)");
        return;
    }
    c->over = c->fatal = true;
}

static void ask_one(struct chat *c, const char *text)
{
    struct program *p = c->p;
    struct loop_result res = { NULL, ERR_INIT };

    c->asked = xrealloc(c->asked, c->n_asked + 1, sizeof *c->asked);
    c->asked[c->n_asked++] = (struct exchange){ xstrdup(text), NULL, 0, false };
    free(p->question);
    p->question = xstrdup(text);
    p->started_ms = now_ms();
    asking_mark(p->run.asking);
    if (!c->started) {
        if (first_question(c, &res.why) < 0)
            c->over = c->fatal = true; /* without a sandbox there is no second */
    } else {
        next_question(c);
    }
    if (!c->over)
        loop_run(&p->run, &res);
    keep_answer(c, res.answer);
    c->asked[c->n_asked - 1].answer = steal_ptr(&res.answer);
    res.answer = c->asked[c->n_asked - 1].answer;
    if (c->started)
        ask_deliver(p, &res);
    if (res.why.code != ERR_NONE) {
        c->last = res.why;
        after_stop(c, &res.why);
        ui_error(p->run.ui, &res.why);
    }
}

static void chat(struct chat *c)
{
    while (!c->over) {
        struct err e = ERR_INIT;
        char *text = NULL;
        enum chat_got got = chat_line_read(c->line, &text, &e);
        if (got == CHAT_END) {
            c->over = true;
            if (e.code != ERR_NONE) {
                c->last = e;
                c->fatal = true;
                ui_error(c->p->run.ui, &e);
            }
        } else if (got == CHAT_LINE) {
            if (text[0] && !obey(c, text))
                ask_one(c, text);
            free(text);
        }
    }
}

static void chat_done(struct chat *c)
{
    chat_line_free(c->line);
    for (size_t i = 0; i < c->n_asked; i++) {
        free(c->asked[i].question);
        free(c->asked[i].answer);
    }
    for (size_t i = 0; i < c->n_cells; i++)
        free(c->cells[i].description);
    free(c->asked);
    free(c->cells);
    buf_free(&c->later);
}

void chat_command(struct program *p, struct err *why)
{
    struct run *r = &p->run;
    struct chat c = { .p = p, .later = BUF_MAX(MAX_PROMPT_BYTES) };

    int64_t began = p->started_ms;
    r->files = &p->files;
    r->env = &p->env;
    if (p->conf.n_args) {
        err_set(why, ERR_USAGE, 0,
                "agent chat takes no question on its command line: type it at the prompt, or ask "
                "it with agent \"question\"");
        return;
    }
    if (p->conf.ask && (r->consent = consent_open("--ask", why)) == NULL)
        return;
    if (resume_open(p, why) < 0 || validate_patterns(&p->conf, why) < 0 ||
        reporting_check_names(&p->conf, why) < 0 || program_attach(p, why) < 0 ||
        resume_attach(p, why) < 0 || program_choose_model(p, why) < 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        names[i] = commands[i].name;
    c.line = chat_line_new(&p->stop, names, with_paths);
    r->goes_on = chat_line_interactive(c.line);
    if (r->goes_on)
        ui_note(r->ui, "%s/%s answers. /help lists the commands, Ctrl-D ends.",
                asking_service(r->asking), asking_model(r->asking));
    chat(&c);
    if (c.started) {
        struct exchange *last = &c.asked[c.n_asked - 1];
        struct loop_result res = { last->answer, c.last };
        p->started_ms = began;
        ask_close(p, &res);
        c.last = res.why;
        if (record_dir(r->record) && r->goes_on)
            ui_note(r->ui, "agent chat -r %s goes on with it", record_id(r->record));
    }
    /* Each failure was told at its question. One that did not end an interactive chat is none of
     * the chat's own. */
    if (c.last.code != ERR_NONE && (c.fatal || !r->goes_on))
        p->exit_status = err_exit_status(&c.last);
    if (r->record)
        record_watch(r->record, NULL, NULL);
    chat_done(&c);
}

/* The sandbox's layers, and what runs in it. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/doctor.h"
#include "agent/libs.h"
#include "agent/base/banned.h"

#define CELL_MS 120000

/* --- layers --- */

/* "Advice. More" after the cause, as sandbox/hints.c writes it: what to type is in it. */
static void say_failure(struct doctor *d, struct str complaint)
{
    struct str line = str_trim(complaint), rest;

    if (str_starts(line, "agent-sandbox: "))
        line = str_from(line, strlen("agent-sandbox: "));
    rest = line;
    str_cut(&rest, '\n', &line);
    d->no_sandbox = true;
    doctor_say(d, FINDING_MISSING, "start", "agent-sandbox --check", "%.*s",
               (int)(line.n < 2000 ? line.n : 2000), line.n ? line.p : "it ended without a word");
}

static bool number_is(const char *path, char c)
{
    cleanup_buf struct buf b = BUF_MAX(64);
    struct err e;

    return io_read_file(path, &b, &e) == 0 && b.n && b.p[0] == c;
}

/* Ubuntu 23.10 and later. */
static void check_apparmor(struct doctor *d, const char *helper)
{
    bool restricted = number_is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1');
    bool profile = access("/etc/apparmor.d/agent-sandbox", F_OK) == 0;

    if (!restricted)
        return;
    if (!d->no_sandbox)
        doctor_say(d, FINDING_OK, "AppArmor", NULL,
                   "user namespaces are restricted here (apparmor_restrict_unprivileged_userns is "
                   "1), %s",
                   profile ? "and the profile agent-sandbox permits them to it alone"
                           : "which does not concern this user");
    else
        doctor_say(d, FINDING_MISSING, "AppArmor",
                   profile ? "sudo apparmor_parser -r /etc/apparmor.d/agent-sandbox"
                           : "sudo make install install-apparmor",
                   "this system lets a program make a user namespace only if an AppArmor profile "
                   "says so (apparmor_restrict_unprivileged_userns is 1). %s agent-sandbox, by its "
                   "installed path; this one is %s",
                   profile ? "There is a profile for" : "There is none yet for", helper);
}

static void say_layer(struct doctor *d, struct str line)
{
    struct str state, rest = line;

    str_cut(&rest, ' ', &state);
    struct str layer =
                   str_trim(line.n > 8 ? (struct str){ line.p + 8, line.n < 25 ? line.n - 8 : 17 }
                                       : STR("")),
               what = line.n > 26 ? str_from(line, 26) : STR("");
    cleanup_free char *name = str_dup(layer);
    if (str_is(state, "holds"))
        doctor_say(d, FINDING_OK, name, NULL, "%.*s", (int)what.n, what.p);
    else if (str_is(state, "absent"))
        doctor_say(d, FINDING_WEAKER, name, NULL, "absent: %.*s", (int)what.n, what.p);
    else {
        d->no_sandbox = true;
        doctor_say(d, FINDING_MISSING, name, "agent-sandbox --check",
                   "does NOT hold: %.*s. Run nothing that you do not trust here, and report it",
                   (int)what.n, what.p);
    }
}

static void say_head(struct doctor *d, struct str line)
{
    static const char limits[] = "memory limit by ",
                      weaker[] = "weaker: ", land[] = "Landlock level ";

    if (str_starts(line, weaker)) {
        line = str_from(line, strlen(weaker));
        doctor_say(d, FINDING_WEAKER, "", NULL, "%.*s", (int)line.n, line.p);
    } else if (str_starts(line, limits)) {
        line = str_from(line, strlen(limits));
        bool cgroup = str_starts(line, "cgroup");
        doctor_say(d, cgroup ? FINDING_OK : FINDING_WEAKER, "limits",
                   cgroup ? NULL : "systemd-run --user --scope -p Delegate=yes agent ...", "%.*s%s",
                   (int)line.n, line.p,
                   cgroup ? ""
                          : ": a whole sandbox is held by watching it, which a burst can "
                            "outrun for a moment; a delegated cgroup holds it exactly");
    } else if (str_starts(line, land)) {
        line = str_from(line, strlen(land));
        doctor_say(d, FINDING_OK, "Landlock", NULL, "the kernel has its level %.*s", (int)line.n,
                   line.p);
    } else if (str_starts(line, "back end: ")) {
        line = str_from(line, strlen("back end: "));
        bool whole = str_is(line, "namespaces");
        doctor_say(d, whole ? FINDING_OK : FINDING_WEAKER, "back end", NULL, "%.*s%s", (int)line.n,
                   line.p, whole ? "" : " (sandbox = best permits it)");
    } else if (str_starts(line, "started by ")) {
        doctor_say(d, FINDING_OK, "user", NULL, "%.*s", (int)line.n, line.p);
    }
}

int doctor_sandbox(struct doctor *d, struct err *e)
{
    const struct conf *c = &d->p->conf;
    cleanup_buf struct buf out = BUF_MAX(1 * MIB), errors = BUF_MAX(1 * MIB);
    struct err why = ERR_INIT;
    struct str line;

    ui_wait(d->p->run.ui, "probing the sandbox");
    cleanup_free char *helper = sandbox_helper_path(c->sandbox_helper, &why);
    int status =
        helper ? sandbox_check(helper, c->sandbox == SANDBOX_BEST, &d->p->stop, &out, &errors, &why)
               : -1;
    if (why.code == ERR_CANCEL || why.code == ERR_DEADLINE) {
        *e = why;
        return -1;
    }
    for (struct str rest = buf_str(&out); rest.n;) {
        str_cut(&rest, '\n', &line);
        bool layer =
            str_starts(line, "holds ") || str_starts(line, "absent ") || str_starts(line, "FAILS ");
        if (layer)
            say_layer(d, line);
        else
            say_head(d, line);
    }
    if (status < 0) {
        d->no_sandbox = true;
        doctor_say(d, FINDING_MISSING, "program", "make && sudo make install", "%s", why.msg);
    } else if (status != 0 && !d->no_sandbox) {
        say_failure(d, buf_str(&errors));
    }
    check_apparmor(d, helper ? helper : "not found");
    return 0;
}

/* --- what runs in it --- */

static bool named(const struct conf *c, const char *language)
{
    struct str rest = str_of(c->languages), word;

    while (rest.n) {
        str_cut(&rest, ' ', &word);
        cleanup_free char *name = str_dup(word);
        const struct sandbox_language *l = sandbox_language(name);
        if (l && strcmp(l->name, language) == 0)
            return true;
    }
    return false;
}

/* Which languages are there, before any is started: of the settings, with --all of all. Only those
 * stay in the setting, so that the sandbox shows their programs. */
static void choose_languages(struct doctor *d)
{
    struct conf *c = &d->p->conf;
    cleanup_buf struct buf found = BUF_MAX(4096);

    buf_puts(&found, "python");
    for (size_t i = 0; i < sandbox_languages_n; i++) {
        const struct sandbox_language *l = &sandbox_languages[i];
        struct sandbox_program program = { l, languages_program(c, l) };
        struct err why = ERR_INIT;
        bool wanted = named(c, l->name);
        if (l->start == START_PYTHON || !(wanted || c->all))
            continue;
        if (sandbox_check_program(&program, &why) == 0)
            buf_putf(&found, " %s", l->name);
        else if (wanted)
            doctor_say(d, FINDING_MISSING, l->title, NULL, "%s", why.msg);
        else
            doctor_say(d, FINDING_OK, l->title, NULL, "not installed, and not asked for");
    }
    free(c->languages);
    c->languages = buf_steal(&found);
}

/* What a cell printed, without its last line end; "" if it failed, with why in *ret_error. */
static int run_cell(struct doctor *d, const struct sandbox_language *l, struct str code,
                    struct buf *out, char **ret_error, struct err *e)
{
    __attribute__((cleanup(sandbox_result_done))) struct sandbox_result r = { 0 };
    struct sandbox_cell cell = {
        .context = "doctor", .code = code, .timeout_ms = CELL_MS, .language = l
    };

    *ret_error = NULL;
    if (sandbox_run(d->p->run.sandbox, &cell, &d->p->stop, NULL, &r, e) < 0)
        return -1;
    for (size_t i = 0; i < r.n_items; i++) {
        if (r.items[i].kind == ITEM_STDOUT)
            buf_put(out, r.items[i].text, r.items[i].n);
        for (size_t k = 0; r.items[i].kind == ITEM_RESULT && k < r.items[i].n_reprs; k++)
            if (strcmp(r.items[i].reprs[k].mime, "text/plain") == 0)
                buf_put(out, r.items[i].reprs[k].data, r.items[i].reprs[k].n);
    }
    if (r.status != SANDBOX_OK)
        *ret_error =
            xasprintf("%s: %.200s %.400s", sandbox_status_word(r.status),
                      r.error_name ? r.error_name : "", r.error_value ? r.error_value : "");
    return 0;
}

static int check_languages(struct doctor *d, struct err *e)
{
    for (size_t i = 0; i < d->p->languages.n; i++) {
        const struct sandbox_language *l = d->p->languages.v[i].language;
        cleanup_buf struct buf out = BUF_MAX(64 * KIB);
        cleanup_free char *error = NULL;
        ui_wait(d->p->run.ui, l->title);
        if (run_cell(d, l, str_of(l->probe), &out, &error, e) < 0)
            return -1;
        struct str version = str_trim(buf_str(&out));
        if (error)
            doctor_say(d, FINDING_MISSING, l->title, NULL, "it does not work in the sandbox: %s",
                       error);
        else
            doctor_say(d, FINDING_OK, l->title, NULL, "%.*s",
                       (int)(version.n < 60 ? version.n : 60), version.p);
    }
    return 0;
}

static int check_libraries(struct doctor *d, struct err *e)
{
    static const char *const wanted[] = { "numpy", "pandas", "matplotlib" };
    cleanup_buf struct buf none = BUF_MAX(1000), mend = BUF_MAX(1000);

    ui_wait(d->p->run.ui, "importing libraries");
    cleanup_free char *all = libs_list(d->p->run.sandbox, &d->p->env, d->p->run.ui, &d->p->stop, e);
    if (all == NULL)
        return -1;
    doctor_say(d, FINDING_OK, "libraries", NULL, "%s", all);
    buf_puts(&mend, "sudo apt-get install");
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        cleanup_free char *word = xasprintf("%s ", wanted[i]);
        if (strstr(all, word))
            continue;
        buf_putf(&none, "%s%s", none.n ? ", " : "", wanted[i]);
        buf_putf(&mend, " python3-%s", wanted[i]);
    }
    if (none.n)
        doctor_say(d, FINDING_WEAKER, "data stack", buf_cstr(&mend),
                   "this Python has no %s: the model has to do without", buf_cstr(&none));
    return 0;
}

/* From inside: what matplotlib could draw with. */
static const char fonts_code[] =
    "import os\n"
    "fonts = [f.lower() for r in ('/usr/share/fonts', '/usr/local/share/fonts')\n"
    "         for _, _, fs in os.walk(r) for f in fs if f.lower().endswith(('.ttf', '.otf', "
    "'.ttc'))]\n"
    "cjk = any('cjk' in f or 'wqy' in f or 'droidsansfallback' in f for f in fonts)\n"
    "print(len(fonts), int(cjk), 6 * 7)\n";

static int check_cell(struct doctor *d, struct err *e)
{
    cleanup_buf struct buf out = BUF_MAX(64 * KIB);
    cleanup_free char *error = NULL;

    if (run_cell(d, NULL, str_of(fonts_code), &out, &error, e) < 0)
        return -1;
    struct str rest = str_trim(buf_str(&out)), count, cjk;
    str_cut(&rest, ' ', &count);
    str_cut(&rest, ' ', &cjk);
    if (error || !str_is(rest, "42")) {
        doctor_say(d, FINDING_MISSING, "a cell", NULL, "code does not run: %s",
                   error ? error : "it printed something else than it should");
        return 0;
    }
    doctor_say(d, FINDING_OK, "a cell", NULL, "code runs, and its output comes back");
    if (str_is(count, "0"))
        doctor_say(d, FINDING_WEAKER, "fonts", "sudo apt-get install fonts-dejavu-core",
                   "none are installed: charts have matplotlib's own only");
    else
        doctor_say(d, FINDING_OK, "fonts", NULL, "%.*s files, Chinese, Japanese and Korean %s",
                   (int)count.n, count.p,
                   str_is(cjk, "1") ? "too" : "not (fonts-noto-cjk has them)");
    return 0;
}

static int is_stop(const struct err *e)
{
    return e->code == ERR_CANCEL || e->code == ERR_DEADLINE;
}

int doctor_interpreter(struct doctor *d, struct err *e)
{
    struct program *p = d->p;
    struct sandbox_info info;
    struct err why = ERR_INIT;

    if (d->no_sandbox) {
        doctor_say(d, FINDING_MISSING, "Python", NULL, "not tried: the sandbox does not start");
        return 0;
    }
    choose_languages(d);
    ui_wait(p->run.ui, "starting the interpreter");
    if (program_start_sandbox(p, &why) < 0 ||
        sandbox_wait_ready(p->run.sandbox, &p->stop, &why) < 0) {
        if (is_stop(&why)) {
            *e = why;
            return -1;
        }
        d->no_sandbox = true;
        doctor_say(d, FINDING_MISSING, "Python",
                   why.code == ERR_CONFIG ? "sudo apt-get install python3" : NULL, "%s", why.msg);
        return 0;
    }
    sandbox_get_info(p->run.sandbox, &info);
    doctor_say(d, FINDING_OK, "Python", NULL, "%s, %s", info.python_version, info.python_path);
    if (check_cell(d, &why) < 0 || env_check(&p->env, &info, &why) < 0 ||
        check_libraries(d, &why) < 0 || check_languages(d, &why) < 0) {
        if (is_stop(&why)) {
            *e = why;
            return -1;
        }
        doctor_say(d, FINDING_MISSING, "interpreter", NULL, "%s", why.msg);
    }
    return 0;
}

#include "agent/doctor.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/libs.h"
#include "agent/base/banned.h"

static const char *const finding_word[] = { "ok", "weaker", "missing" };

void doctor_section(struct doctor *d, const char *title)
{
    d->section = title;
    if (d->list == NULL)
        buf_putf(&d->text, "%s%s\n", d->text.n ? "\n" : "", title);
}

void doctor_say(struct doctor *d, enum finding how, const char *what, const char *mend,
                const char *fmt, ...)
{
    cleanup_buf struct buf raw = BUF_MAX(8192), text = BUF_MAX(16384);
    va_list ap;

    va_start(ap, fmt);
    buf_vputf(&raw, fmt, ap);
    va_end(ap);
    utf8_clean_line(&text, buf_str(&raw));
    d->counts[how]++;
    if (d->list) {
        cJSON *o = cJSON_CreateObject();
        json_add_str(o, "section", str_of(d->section));
        json_add_str(o, "check", str_of(what));
        json_add_str(o, "state", str_of(finding_word[how]));
        json_add_str(o, "text", buf_str(&text));
        if (mend)
            json_add_str(o, "mend", str_of(mend));
        cJSON_AddItemToArray(d->list, o);
        return;
    }
    buf_putf(&d->text, "  %-8s %-16s ", finding_word[how], what);
    size_t at = 28 + (strlen(what) > 16 ? strlen(what) - 16 : 0);
    cleanup_free char *indent = xasprintf("%28s", "");
    buf_wrap(&d->text, buf_str(&text), at, indent);
    if (mend)
        buf_putf(&d->text, "%28s> %s\n", "", mend); /* whole: it is there to be copied */
}

/* --- the machine --- */

static void check_kernel(struct doctor *d)
{
    struct utsname u;
    char *end;

    if (uname(&u) < 0)
        return;
    long major = strtol(u.release, &end, 10);
    long minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
    long version = major * 1000 + minor;
    if (strcmp(u.machine, "x86_64") != 0 && strcmp(u.machine, "aarch64") != 0)
        doctor_say(d, FINDING_MISSING, "processor", NULL,
                   "%s: the filter of system calls is made "
                   "for x86-64",
                   u.machine);
    if (version < 5012)
        doctor_say(d, FINDING_MISSING, "kernel", "install a kernel of 5.12 or later",
                   "Linux %s is too old: the sandbox needs 5.12", u.release);
    else if (version < 6012)
        doctor_say(d, FINDING_WEAKER, "kernel", "install a kernel of 6.12 or later",
                   "Linux %s: Landlock's scope of signals came with 6.12, and the sandbox's other "
                   "layers have to do without it",
                   u.release);
    else
        doctor_say(d, FINDING_OK, "kernel", NULL, "Linux %s, %s", u.release, u.machine);
}

/* The nearest folder of the path that is there. Caller frees. */
static char *existing(const char *path)
{
    char *p = xstrdup(path);

    while (access(p, F_OK) < 0 && strlen(p) > 1) {
        char *slash = strrchr(p, '/');
        if (slash == NULL || slash == p) {
            free(p);
            return xstrdup("/");
        }
        *slash = '\0';
    }
    return p;
}

/* By making a file that has no name, where the file system can do that. */
static int try_to_write(const char *dir)
{
    cleanup_fd int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT))
        return access(dir, W_OK | X_OK);
    return fd < 0 || write(fd, "x", 1) != 1 ? -1 : 0;
}

#define FREE_ENOUGH (1024ull * MIB) /* twice the default workspace */

static void check_folder(struct doctor *d, const char *what, const char *dir)
{
    cleanup_free char *there = existing(dir);
    cleanup_buf struct buf shown = BUF_MAX(1000);
    struct statvfs fs;

    utf8_clean_line(&shown, utf8_head(str_of(dir), 300));
    if (try_to_write(there) < 0) {
        int sys = errno;
        cleanup_free char *mend = sys == ENOSPC || sys == EDQUOT
                                      ? xstrdup("agent sessions prune --older-than 30d")
                                      : xasprintf("mkdir -p %s && chown %d %s", buf_cstr(&shown),
                                                  (int)geteuid(), buf_cstr(&shown));
        doctor_say(d, FINDING_MISSING, what, mend, "%s cannot be written: %s", buf_cstr(&shown),
                   strerror(sys));
        return;
    }
    if (statvfs(there, &fs) < 0)
        return;
    unsigned long long bytes = (unsigned long long)fs.f_bavail * fs.f_frsize;
    bool enough = bytes >= FREE_ENOUGH;
    doctor_say(d, enough ? FINDING_OK : FINDING_WEAKER, what,
               enough ? NULL : "agent sessions prune --older-than 30d", "%s%s; %llu MiB free%s",
               buf_cstr(&shown), strcmp(there, dir) ? " (not there yet)" : "", bytes / MIB,
               enough ? "" : ": little room for records and artifacts");
}

static void check_files(struct doctor *d)
{
    const struct conf *c = &d->p->conf;
    struct err e = ERR_INIT;
    cleanup_free char *root = conf_session_root(c, &e), *cache = libs_cache_path("");

    if (c->ephemeral)
        doctor_say(d, FINDING_OK, "records", NULL, "none are kept (ephemeral)");
    else if (root)
        check_folder(d, "records", root);
    else
        doctor_say(d, FINDING_MISSING, "records", "export HOME=~, or --ephemeral", "%s", e.msg);
    if (cache)
        check_folder(d, "cache", cache);
    else
        doctor_say(d, FINDING_WEAKER, "cache", "export HOME=~",
                   "no place for it: the list of fonts and of libraries is made anew by each run");
    if (c->user_file) {
        cleanup_buf struct buf shown = BUF_MAX(1000);
        utf8_clean_line(&shown, utf8_head(str_of(c->user_file), 300));
        bool there = access(c->user_file, R_OK) == 0;
        doctor_say(d, FINDING_OK, "settings", NULL, "%s%s", buf_cstr(&shown),
                   there ? "" : " is not there: the defaults count");
    }
}

static void check_terminal(struct doctor *d)
{
    struct winsize ws = { 0 };
    const char *term = getenv("TERM"), *lang = getenv("LC_ALL");
    bool tty = isatty(STDERR_FILENO);
    cleanup_buf struct buf shown = BUF_MAX(200);

    if (lang == NULL || !*lang)
        lang = getenv("LC_CTYPE");
    if (lang == NULL || !*lang)
        lang = getenv("LANG");
    if (!tty) {
        doctor_say(d, FINDING_OK, "terminal", NULL, "standard error is none: plain lines");
    } else if (term == NULL || !*term || strcmp(term, "dumb") == 0) {
        doctor_say(d, FINDING_WEAKER, "terminal", "export TERM=xterm-256color",
                   "TERM is %s: no colours and no moving line", term && *term ? term : "not set");
    } else {
        (void)ioctl(STDERR_FILENO, TIOCGWINSZ, &ws);
        utf8_clean_line(&shown, utf8_head(str_of(term), 60));
        bool narrow = ws.ws_col && ws.ws_col < 60;
        doctor_say(d, narrow ? FINDING_WEAKER : FINDING_OK, "terminal",
                   narrow ? "make the window 80 columns wide" : NULL, "%s, %d columns%s",
                   buf_cstr(&shown), (int)ws.ws_col,
                   getenv("NO_COLOR") ? "; no colours (NO_COLOR)" : "");
    }
    locale_t l = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    bool utf8 = l && strcmp(nl_langinfo_l(CODESET, l), "UTF-8") == 0;
    if (l)
        freelocale(l);
    buf_clear(&shown);
    utf8_clean_line(&shown, utf8_head(str_of(lang && *lang ? lang : "not set"), 60));
    doctor_say(d, utf8 ? FINDING_OK : FINDING_WEAKER, "locale", utf8 ? NULL : "export LANG=C.UTF-8",
               "%s%s", buf_cstr(&shown), utf8 ? "" : ": agent writes UTF-8 all the same");
}

/* --- the report --- */

static int print_report(struct doctor *d, struct err *e)
{
    bool good = !d->no_sandbox;

    if (d->list) {
        cleanup_json cJSON *j = cJSON_CreateObject();
        json_add_str(j, "version", str_of(AGENT_VERSION));
        cJSON_AddBoolToObject(j, "sandbox", good);
        for (int i = 0; i < 3; i++)
            json_add_int(j, finding_word[i], d->counts[i]);
        cJSON_AddItemToObject(j, "checks", d->list);
        d->list = NULL;
        cleanup_free char *text = cJSON_Print(j);
        buf_puts(&d->text, text);
        buf_putc(&d->text, '\n');
    } else {
        buf_putf(&d->text, "\n%d ok, %d weaker, %d missing. %s\n", d->counts[0], d->counts[1],
                 d->counts[2],
                 good ? "The sandbox starts."
                      : "The sandbox does not start: no code would run here.");
    }
    return io_write_all(STDOUT_FILENO, d->text.p, d->text.n, e) < 0 && e->sys != EPIPE ? -1 : 0;
}

void doctor_command(struct program *p, struct err *why)
{
    struct doctor d = { .p = p, .text = BUF_MAX(1 * MIB) };

    if (p->conf.n_args) {
        err_set(why, ERR_USAGE, 0, "agent doctor takes no words, only flags");
        return;
    }
    d.list = p->conf.json ? cJSON_CreateArray() : NULL;
    doctor_section(&d, "This machine");
    check_kernel(&d);
    check_files(&d);
    check_terminal(&d);
    doctor_section(&d, "The sandbox");
    int r = doctor_sandbox(&d, why);
    if (r == 0) {
        doctor_section(&d, "The interpreter");
        r = doctor_interpreter(&d, why);
    }
    if (r == 0) {
        doctor_section(&d, "The model's service");
        r = doctor_service(&d, why);
    }
    ui_wait_end(p->run.ui);
    if (r == 0 && print_report(&d, why) == 0 && d.no_sandbox)
        p->exit_status = 5;
    cJSON_Delete(d.list);
    buf_free(&d.text);
}

/* agent job install and remove: what is common to a timer and to cron. */
#include "agent/job_install.h"
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/sha256.h"
#include "agent/base/utf8.h"
#include "agent/endpoint.h"
#include "agent/job_child.h"
#include "agent/base/banned.h"

/* --- where --- */

/* The folder as the kernel knows it, the file's own name as it is: where the file is gone, and even
 * its folder, the name is still the same. */
static char *whole_path(const char *path, struct err *e)
{
    const char *base = io_basename(path);
    cleanup_free char *dir = base == path ? xstrdup(".") : xstrndup(path, (size_t)(base - path));
    cleanup_free char *real = realpath(dir, NULL), *here = getcwd(NULL, 0);

    if (real)
        return strcmp(real, "/") == 0 ? xasprintf("/%s", base) : io_join(real, base);
    if (path[0] == '/')
        return xstrdup(path);
    if (here)
        return io_join(here, path);
    err_set(e, ERR_SYS, errno, "find the current directory");
    return NULL;
}

int job_place_of(const char *path, struct job_place *ret, struct err *e)
{
    const char *base = io_basename(path);
    cleanup_buf struct buf name = BUF_MAX(64);
    struct sha256 h;
    char hex[65];

    if (!str_ends(str_of(base), ".job") || strlen(base) == 4)
        return err_set(e, ERR_USAGE, 0, "%.300s: a job file is named NAME.job", path);
    cleanup_free char *whole = whole_path(path, e);
    if (whole == NULL)
        return -1;
    if (!utf8_valid(str_of(whole)))
        return err_set(e, ERR_USAGE, 0, "%.300s: the path is not text in UTF-8", path);
    for (const char *q = whole; *q; q++)
        if ((unsigned char)*q < ' ' || *q == 0x7f)
            return err_set(e, ERR_USAGE, 0,
                           "the job's path has a control character, which no unit and no crontab "
                           "can hold");
    for (size_t i = 0; i < strlen(base) - 4 && i < 40; i++) {
        bool plain = (base[i] >= 'a' && base[i] <= 'z') || (base[i] >= 'A' && base[i] <= 'Z') ||
                     (base[i] >= '0' && base[i] <= '9');
        buf_putc(&name, plain ? base[i] : '_');
    }
    sha256_init(&h);
    sha256_put(&h, whole, strlen(whole));
    sha256_hex(&h, hex);
    *ret = (struct job_place){ steal_ptr(&whole),
                               xasprintf("agent-job-%s-%.12s", buf_cstr(&name), hex) };
    return 0;
}

void job_place_done(struct job_place *w)
{
    free(w->path);
    free(w->unit);
    *w = (struct job_place){ NULL, NULL };
}

int job_system(struct program *p, const char *const *argv, struct str input, struct buf *out,
               struct buf *errors, struct err *e)
{
    /* The words by which crontab says that there is no table yet, in English. */
    const char *words[16] = { "LC_ALL=C" };

    for (size_t i = 0; argv[i] && i + 2 < ARRAY_LEN(words); i++)
        words[i + 1] = argv[i];
    int r = job_child_command(words, input, out, errors, JOB_SYSTEM_MS, &p->stop, e);
    if (r < 0)
        return err_wrap(e, "%s", argv[0]);
    return out->over ? err_set(e, ERR_LIMIT, 0, "%s says more than %zu bytes", argv[0], out->max)
                     : r;
}

/* --- what the run will need --- */

static void needs_done(struct job_needs *n)
{
    free(n->program);
    free(n->session_dir);
    conf_list_done(&n->environment);
    conf_list_done(&n->credentials);
}

static int find_program(struct job_needs *n, struct err *e)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

    if (len < 0)
        return err_set(e, ERR_SYS, errno, "find this program");
    self[len] = '\0';
    for (const char *q = self; *q; q++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._+-", *q))
            return err_set(e, ERR_CONFIG, 0,
                           "this program lies at \"%.300s\", a path that not every unit and "
                           "crontab can hold: install it where the name is plain",
                           self);
    n->program = xstrdup(self);
    return 0;
}

static void find_environment(struct job_needs *n)
{
    static const char *const folders[] = { "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME" };
    const struct passwd *pw = getpwuid(geteuid());
    const char *home = getenv("HOME");

    if (home && home[0] == '/' && (pw == NULL || strcmp(pw->pw_dir, home) != 0)) {
        cleanup_free char *word = xasprintf("HOME=%s", home);
        conf_list_add(&n->environment, word);
    }
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        const char *v = getenv(folders[i]);
        cleanup_free char *word = v && v[0] == '/' ? xasprintf("%s=%s", folders[i], v) : NULL;
        if (word)
            conf_list_add(&n->environment, word);
    }
}

/* Variables that count here and will not be there. */
static void say_lost(struct program *p)
{
    static const char *const others[] = {
        "TZ",        "https_proxy", "HTTPS_PROXY", "http_proxy",    "all_proxy",
        "ALL_PROXY", "no_proxy",    "NO_PROXY",    "SSL_CERT_FILE", "CURL_CA_BUNDLE"
    };
    cleanup_buf struct buf names = BUF_MAX(4096);

    for (char **v = environ; *v; v++) {
        size_t n = strcspn(*v, "=");
        bool lost = strncmp(*v, "AGENT_", 6) == 0;
        for (size_t i = 0; i < ARRAY_LEN(others) && !lost; i++)
            lost = strlen(others[i]) == n && strncmp(*v, others[i], n) == 0;
        if (lost && (*v)[n] == '=')
            buf_putf(&names, "%s%.*s", names.n ? ", " : "", n > 60 ? 60 : (int)n, *v);
    }
    if (names.n)
        ui_warn(p->run.ui,
                "set here, and not where the job will run: %s. What it needs of them belongs "
                "below [settings] of the job, or into agent.conf",
                buf_cstr(&names));
}

/* The key of one model's service. */
static void find_key(struct program *p, const struct conf *c, const char *model, bool first,
                     struct job_needs *n)
{
    struct endpoint ep = { 0 };
    struct err why = ERR_INIT;

    if (endpoint_find(c, model, first, &ep, &why) < 0) {
        ui_warn(p->run.ui, "%s", why.msg);
        endpoint_done(&ep);
        return;
    }
    const struct key_source *s = &ep.source;
    cleanup_free char *file = keys_file(s);
    if (file && file[0] == '/') {
        cleanup_free char *word = xasprintf(KEYS_CREDENTIAL "%s:%s", ep.service, file);
        conf_list_add(&n->credentials, word);
    } else if (!file && !s->cmd && !s->keyless && !s->replay && !conf_url_is_loopback(s->url)) {
        ui_warn(p->run.ui,
                "no key of %s will be there when the job runs%s: agent keys set %s keeps one",
                ep.service, keys_there(s->env) ? " (a variable of this shell is not)" : "",
                ep.service);
    }
    endpoint_done(&ep);
}

/* By the settings that the run will have; the current directory is the job's. */
static int find_keys(struct program *p, const struct job *j, struct job_needs *n, struct err *e)
{
    cleanup_free char **argv = xcalloc(j->settings.n + 5, sizeof *argv);
    char words[][8] = { "agent", "ask", "--", "?" };
    int argc = 0;
    struct conf c = { 0 };

    argv[argc++] = words[0];
    argv[argc++] = words[1];
    for (size_t i = 0; i < j->settings.n; i++)
        argv[argc++] = j->settings.v[i];
    argv[argc++] = words[2];
    argv[argc++] = words[3];
    int r = conf_load(&c, argc, argv, e);
    if (r == 0) {
        find_key(p, &c, c.model ? c.model : "", true, n);
        for (size_t i = 0; i < c.fallback.n; i++)
            find_key(p, &c, c.fallback.v[i], false, n);
    }
    conf_done(&c);
    return r;
}

/* --- what is said --- */

/* "Mon 2026-12-07 07:00:00 CET", the next `n` of them. */
static void say_next(const struct calendar *c, int n, struct buf *out)
{
    time_t at = time(NULL);
    char text[64];
    struct tm t;
    const char *comma = "";

    for (int i = 0; i < n && calendar_next(c, at, &at) && localtime_r(&at, &t); i++) {
        if (strftime(text, sizeof text, "%a %Y-%m-%d %H:%M:%S %Z", &t) > 0)
            buf_putf(out, "%s%s", comma, text);
        comma = ", ";
    }
}

/* An installed event against the job file's. */
static void say_timer(const struct job *j, const char *event, bool enabled, struct buf *out)
{
    cleanup_buf struct buf wanted = BUF_MAX(MAX_CONF_BYTES);
    struct calendar c;
    struct err ignored = ERR_INIT;

    if (j->schedule && calendar_parse(j->schedule, &c, &ignored) == 0)
        calendar_text(&c, &wanted);
    buf_puts(out, "timer");
    if (!enabled)
        buf_puts(out, ", not enabled");
    else if (calendar_parse(event, &c, &ignored) == 0) {
        buf_puts(out, ", next ");
        say_next(&c, 1, out);
    }
    if (strcmp(buf_cstr(&wanted), event) != 0)
        buf_puts(out, " (its file says otherwise: install it again)");
}

static void say_cron(const struct job *j, struct str line, struct buf *out)
{
    cleanup_buf struct buf wanted = BUF_MAX(MAX_CONF_BYTES);
    struct calendar c;
    struct err ignored = ERR_INIT;
    bool same = j->schedule && calendar_parse(j->schedule, &c, &ignored) == 0 &&
                calendar_cron(&c, &wanted, &ignored) == 0 && str_starts(line, buf_cstr(&wanted));

    buf_puts(out, "cron");
    if (same) {
        buf_puts(out, ", next ");
        say_next(&c, 1, out);
    } else {
        buf_puts(out, " (its file says otherwise: install it again)");
    }
}

void job_say_installed(const struct job *j, struct str table, struct buf *out)
{
    __attribute__((cleanup(job_place_done))) struct job_place w = { NULL, NULL };
    struct err ignored = ERR_INIT;
    bool enabled = false;
    struct str line;

    if (job_place_of(j->path, &w, &ignored) < 0)
        return;
    cleanup_free char *event = job_units_event(&w, &enabled);
    if (event)
        say_timer(j, event, enabled, out);
    if (job_cron_line(table, &w, &line))
        say_cron(j, line, out);
    else if (event == NULL)
        buf_puts(out, "not installed");
}

/* --- the command --- */

/* Both kinds would make each report twice. */
static int only_one(struct program *p, const struct job_place *w, struct err *e)
{
    cleanup_buf struct buf table = BUF_MAX(MIB);
    bool enabled;
    struct err ignored = ERR_INIT;
    struct str line;

    cleanup_free char *event = p->conf.cron ? job_units_event(w, &enabled) : NULL;
    bool other = event != NULL;
    if (!p->conf.cron && job_cron_read(p, &table, &ignored) == 0)
        other = job_cron_line(buf_str(&table), w, &line);
    return other ? err_set(e, ERR_CONFIG, 0,
                           "it is installed %s already: agent job remove %.300s takes that away",
                           event ? "as a timer" : "in your crontab", w->path)
                 : 0;
}

int job_say_schedule(struct program *p, const struct job *j, struct err *e)
{
    cleanup_buf struct buf next = BUF_MAX(1000);
    struct calendar c;

    if (calendar_parse(j->schedule, &c, e) < 0)
        return -1;
    say_next(&c, 3, &next);
    if (next.n == 0)
        return err_set(e, ERR_CONFIG, 0, "schedule = %s: there is no such time any more",
                       j->schedule);
    ui_note(p->run.ui, "schedule %s: %s", j->schedule, buf_cstr(&next));
    return 0;
}

static int install(struct program *p, const struct job *j, const struct job_place *w, struct err *e)
{
    __attribute__((cleanup(needs_done))) struct job_needs n = { 0 };

    if (job_say_schedule(p, j, e) < 0 || only_one(p, w, e) < 0 || find_program(&n, e) < 0 ||
        find_keys(p, j, &n, e) < 0)
        return -1;
    find_environment(&n);
    if (conf_said_now(&p->conf, "session_dir") && p->conf.session_dir)
        n.session_dir = xstrdup(p->conf.session_dir);
    int r = p->conf.cron ? job_cron_install(p, j, w, &n, e) : job_units_install(p, j, w, &n, e);
    if (r == 0)
        say_lost(p);
    return r < 0 ? -1 : 0;
}

void job_install(struct program *p, struct job *j, struct err *why)
{
    __attribute__((cleanup(job_place_done))) struct job_place w = { NULL, NULL };
    if (j->schedule == NULL) {
        err_set(why, ERR_CONFIG, 0, "%.300s says no time: add a line such as schedule = Mon 07:00",
                j->path);
        return;
    }
    if (job_place_of(io_basename(j->path), &w, why) == 0)
        install(p, j, &w, why);
}

void job_remove(struct program *p, const char *path, struct err *why)
{
    __attribute__((cleanup(job_place_done))) struct job_place w = { NULL, NULL };
    struct err no_cron = ERR_INIT;

    if (job_place_of(path, &w, why) < 0)
        return;
    int units = job_units_remove(p, &w, why);
    if (units < 0)
        return;
    int cron = job_cron_remove(p, &w, &no_cron);
    if (cron < 0 && units == 0)
        return; /* where there is no cron there is no line */
    if (cron < 0 && no_cron.code != ERR_CONFIG)
        *why = no_cron;
    else if (units == 1 && cron != 0)
        err_set(why, ERR_USAGE, 0, "%.300s is not installed%s%.300s", w.path,
                cron < 0 ? ", as far as can be seen: " : "", cron < 0 ? no_cron.msg : "");
}

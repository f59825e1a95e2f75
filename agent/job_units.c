/* The timer and the service of systemd. Root's are units of the system, those of any other user
 * units of that user's own manager, which runs as that user and no more. */
#include "agent/job_install.h"
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

#define MARK "# Written by agent job install for "
#define SYSTEM_UNITS "/etc/systemd/system"
#define SYSTEM_STAMPS "/var/lib/systemd/timers"
#define MAX_UNIT (64 * KIB)

/* All of them together leave the sandbox as it is: tests/vm/timer.py runs a job with a model in
 * units of a real systemd, of the system and of a user. Left out is what does not: what mounts over
 * /proc (ProtectKernelTunables=), for then the kernel permits no fresh /proc; RestrictNamespaces=;
 * ProtectHostname=, which forbids sethostname; RestrictSUIDSGID=, which forbids openat2; what takes
 * capabilities from root, who becomes an ordinary user with them. PrivateTmp= and ProtectHome=
 * would hide the job's own files. */
static const struct {
    const char *line;
    enum { ALWAYS, FILTER, ROOT } when; /* FILTER: of a user's manager it needs no-new-privileges */
} hardening[] = {
    { "UMask=0077", ALWAYS },
    { "NoNewPrivileges=yes", FILTER },
    { "LockPersonality=yes", FILTER },
    { "RestrictRealtime=yes", FILTER },
    { "SystemCallArchitectures=native", FILTER },
    { "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK", FILTER },
    { "ProtectSystem=full", ROOT },
};

static bool is_root(void)
{
    return geteuid() == 0;
}

/* A folder of systemd's in the user's own: `env` or ~/`rest`, then /systemd/`name`. */
static char *user_folder(const char *env, const char *rest, const char *name)
{
    const char *dir = getenv(env), *home = getenv("HOME");

    if (dir && dir[0] == '/')
        return xasprintf("%s/systemd/%s", dir, name);
    return home && home[0] == '/' ? xasprintf("%s/%s/systemd/%s", home, rest, name) : NULL;
}

static char *unit_folder(void)
{
    return is_root() ? xstrdup(SYSTEM_UNITS) : user_folder("XDG_CONFIG_HOME", ".config", "user");
}

static char *unit_path(const struct job_place *w, const char *kind)
{
    cleanup_free char *dir = unit_folder();

    return dir ? xasprintf("%s/%s.%s", dir, w->unit, kind) : NULL;
}

/* One word of ExecStart= or Environment=. */
static void put_word(struct buf *out, const char *word, bool command)
{
    buf_putc(out, '"');
    for (; *word; word++) {
        if (*word == '"' || *word == '\\')
            buf_putc(out, '\\');
        if (*word == '%' || (*word == '$' && command))
            buf_putc(out, *word);
        buf_putc(out, *word);
    }
    buf_putc(out, '"');
}

/* Text to the line's end. */
static void put_text(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '%')
            buf_putc(out, '%');
        buf_putc(out, *text);
    }
}

static void put_head(struct buf *out, const struct job_place *w)
{
    buf_putf(out, MARK "%s; agent job remove takes it away.\n[Unit]\nDescription=Report of ",
             w->path);
    put_text(out, w->path);
    buf_putc(out, '\n');
}

/* The user's own commands. A mail program or sudo is one that gains rights by its file's mode,
 * which no-new-privileges, and what implies it, forbids. Root has them anyway. */
static bool runs_commands(const struct job *j)
{
    bool any = j->on_success || j->on_failure;

    for (size_t i = 0; i < j->n_inputs; i++)
        any = any || j->inputs[i].is_command;
    return any;
}

static void put_service(struct buf *out, const struct job *j, const struct job_place *w,
                        const struct job_needs *n)
{
    bool filter = is_root() || !runs_commands(j);

    put_head(out, w);
    if (is_root())
        buf_puts(out, "Wants=network-online.target\nAfter=network-online.target\n");
    buf_putf(out, "\n[Service]\nType=oneshot\nExecStart=%s job run --quiet ", n->program);
    if (n->session_dir) {
        cleanup_free char *flag = xasprintf("--session-dir=%s", n->session_dir);
        put_word(out, flag, true);
        buf_putc(out, ' ');
    }
    put_word(out, w->path, true);
    buf_puts(out, "\n# Nothing had changed (only_if_changed).\nSuccessExitStatus=10\n");
    /* User=root would set HOME too, but together with a filter it takes CAP_SETUID. */
    const struct passwd *root = is_root() ? getpwuid(0) : NULL;
    if (root) {
        cleanup_free char *home = xasprintf("HOME=%s", root->pw_dir);
        buf_puts(out, "Environment=");
        put_word(out, home, false);
        buf_putc(out, '\n');
    }
    for (size_t i = 0; i < n->environment.n; i++) {
        buf_puts(out, "Environment=");
        put_word(out, n->environment.v[i], false);
        buf_putc(out, '\n');
    }
    for (size_t i = 0; i < n->credentials.n; i++) {
        buf_puts(out, "LoadCredential=");
        put_text(out, n->credentials.v[i]);
        buf_putc(out, '\n');
    }
    for (size_t i = 0; i < ARRAY_LEN(hardening); i++)
        if (hardening[i].when == ALWAYS || (hardening[i].when == FILTER && filter) ||
            (hardening[i].when == ROOT && is_root()))
            buf_putf(out, "%s\n", hardening[i].line);
}

static int put_timer(struct buf *out, const struct job *j, const struct job_place *w, struct err *e)
{
    struct calendar c;

    if (calendar_parse(j->schedule, &c, e) < 0)
        return -1;
    put_head(out, w);
    buf_puts(out, "\n[Timer]\nOnCalendar=");
    calendar_text(&c, out);
    buf_puts(out, "\n# A run that was missed is made up for when the machine is on again.\n"
                  "Persistent=true\n"
                  "# Not all machines ask the model's service in the same second.\n"
                  "RandomizedDelaySec=1min\n"
                  "\n[Install]\nWantedBy=timers.target\n");
    return 0;
}

/* 1 = it is ours, 0 = there is none. ERR_CONFIG: somebody else's. */
static int is_ours(const char *path, struct buf *text, struct err *e)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : err_set(e, ERR_SYS, errno, "%s", path);
    if (!S_ISREG(st.st_mode) || io_read_file(path, text, e) < 0 || !str_starts(buf_str(text), MARK))
        return err_set(e, ERR_CONFIG, 0,
                       "%s was not written by agent job install, and is left as it is: move it "
                       "away first",
                       path);
    return 1;
}

static int systemctl(struct program *p, const char *verb, const char *flag, const char *unit,
                     struct buf *said, struct err *e)
{
    const char *argv[6] = { "systemctl" };
    size_t n = 1;

    if (!is_root())
        argv[n++] = "--user";
    argv[n++] = verb;
    if (flag)
        argv[n++] = flag;
    if (unit)
        argv[n++] = unit;
    cleanup_buf struct buf out = BUF_MAX(64 * KIB);
    buf_clear(said);
    return job_system(p, argv, STR(""), &out, said, e);
}

/* systemctl says what is wrong in its first line, and in further ones what came of it. */
static void put_said(struct buf *out, struct str said)
{
    struct str rest = str_trim(said), line;

    (void)str_cut(&rest, '\n', &line);
    utf8_clean_line(out, utf8_head(line, 300));
}

static void say_unreachable(struct program *p, const char *timer, const struct buf *said,
                            const struct err *why)
{
    cleanup_buf struct buf clean = BUF_MAX(64 * KIB);
    const char *user = is_root() ? "" : " --user";

    put_said(&clean, why->code ? str_of(why->msg) : buf_str(said));
    ui_warn(p->run.ui,
            "no systemd answers here (%s), so that nothing starts it yet. Where one runs, type:\n"
            "  systemctl%s daemon-reload && systemctl%s enable --now %s",
            buf_cstr(&clean), user, user, timer);
}

/* A user's manager ends with the last session of that user, unless it lingers. */
static void say_linger(struct program *p)
{
    struct passwd *pw = is_root() ? NULL : getpwuid(geteuid());
    cleanup_free char *mark = pw ? xasprintf("/var/lib/systemd/linger/%s", pw->pw_name) : NULL;

    if (mark && access(mark, F_OK) < 0)
        ui_note(p->run.ui, "it runs while you are logged in; at any time after: loginctl "
                           "enable-linger");
}

static int enable(struct program *p, const char *timer, struct err *e)
{
    cleanup_buf struct buf said = BUF_MAX(64 * KIB), clean = BUF_MAX(64 * KIB);
    struct err why = ERR_INIT;

    int r = systemctl(p, "daemon-reload", NULL, NULL, &said, &why);
    if (why.code == ERR_CANCEL || why.code == ERR_DEADLINE) {
        *e = why;
        return -1;
    }
    if (r != 0) {
        say_unreachable(p, timer, &said, &why);
        return 0;
    }
    r = systemctl(p, "enable", "--now", timer, &said, e);
    if (r > 0) {
        put_said(&clean, buf_str(&said));
        err_set(e, ERR_CONFIG, 0, "systemctl enable --now %s: %s", timer, buf_cstr(&clean));
    }
    if (r == 0) /* it may have run with what it said before */
        r = systemctl(p, "restart", NULL, timer, &said, e);
    if (r == 0)
        say_linger(p);
    return r ? -1 : 0;
}

int job_units_install(struct program *p, const struct job *j, const struct job_place *w,
                      const struct job_needs *n, struct err *e)
{
    cleanup_free char *dir = unit_folder(), *service = unit_path(w, "service"),
                      *timer = unit_path(w, "timer");
    cleanup_buf struct buf one = BUF_MAX(MAX_UNIT), two = BUF_MAX(MAX_UNIT),
                           old = BUF_MAX(MAX_UNIT);

    if (dir == NULL)
        return err_set(e, ERR_CONFIG, 0,
                       "there is no place for a unit: set HOME or XDG_CONFIG_HOME");
    put_service(&one, j, w, n);
    if (put_timer(&two, j, w, e) < 0)
        return -1;
    if (one.over || two.over)
        return err_set(e, ERR_LIMIT, 0, "a unit of more than %u bytes", MAX_UNIT);
    if (is_ours(service, &old, e) < 0)
        return -1;
    buf_clear(&old);
    if (is_ours(timer, &old, e) < 0)
        return -1;
    /* The service first: a timer without one would be an error. */
    if (io_mkdirs(dir, 0755, e) < 0 ||
        io_write_atomic(AT_FDCWD, service, buf_str(&one), 0644, e) < 0 ||
        io_write_atomic(AT_FDCWD, timer, buf_str(&two), 0644, e) < 0)
        return -1;
    ui_note(p->run.ui, "%s %s", old.n ? "changed" : "wrote", service);
    ui_note(p->run.ui, "%s %s", old.n ? "changed" : "wrote", timer);
    return enable(p, io_basename(timer), e);
}

/* The link that enabled the timer, and systemd's note of when it ran last, without which it would
 * believe, installed again, that a run was missed. */
static char *wants_path(const struct job_place *w)
{
    cleanup_free char *dir = unit_folder();

    return dir ? xasprintf("%s/timers.target.wants/%s.timer", dir, w->unit) : NULL;
}

static void forget(const struct job_place *w)
{
    cleanup_free char *wants = wants_path(w);
    cleanup_free char *stamps =
        is_root() ? xstrdup(SYSTEM_STAMPS) : user_folder("XDG_DATA_HOME", ".local/share", "timers");
    cleanup_free char *stamp = stamps ? xasprintf("%s/stamp-%s.timer", stamps, w->unit) : NULL;
    char to[16];

    if (wants && readlink(wants, to, sizeof to) > 0)
        unlink(wants);
    if (stamp)
        unlink(stamp);
}

int job_units_remove(struct program *p, const struct job_place *w, struct err *e)
{
    cleanup_buf struct buf said = BUF_MAX(64 * KIB), text = BUF_MAX(MAX_UNIT);
    cleanup_free char *service = unit_path(w, "service"), *timer = unit_path(w, "timer");
    struct err ignored = ERR_INIT;

    int one = service ? is_ours(service, &text, e) : 0;
    buf_clear(&text);
    int two = timer && one >= 0 ? is_ours(timer, &text, e) : 0;
    if (one < 0 || two < 0)
        return -1;
    if (one == 0 && two == 0)
        return 1;
    bool answers = systemctl(p, "disable", "--now", io_basename(timer), &said, &ignored) == 0;
    if (two && unlink(timer) < 0)
        return err_set(e, ERR_SYS, errno, "remove %s", timer);
    if (one && unlink(service) < 0)
        return err_set(e, ERR_SYS, errno, "remove %s", service);
    forget(w);
    if (answers)
        (void)systemctl(p, "daemon-reload", NULL, NULL, &said, &ignored);
    ui_note(p->run.ui, "removed %s and its service", timer);
    return 0;
}

char *job_units_event(const struct job_place *w, bool *ret_enabled)
{
    cleanup_buf struct buf text = BUF_MAX(MAX_UNIT);
    cleanup_free char *timer = unit_path(w, "timer"), *wants = wants_path(w);
    struct err ignored = ERR_INIT;
    struct stat st;
    struct str rest, line;

    if (timer == NULL || is_ours(timer, &text, &ignored) != 1)
        return NULL;
    *ret_enabled = wants && lstat(wants, &st) == 0;
    for (rest = buf_str(&text); rest.n;) {
        (void)str_cut(&rest, '\n', &line);
        if (str_starts(line, "OnCalendar="))
            return str_dup(str_from(line, strlen("OnCalendar=")));
    }
    return NULL;
}

/* The line in the user's crontab. It ends in a remark with the unit's name, by which it is found
 * again, also when its fields were changed by hand. All else in the table stays, byte for byte.
 *
 * What cron does otherwise than a shell: the environment is nearly empty and PATH short, so that
 * the line says both; a % means the end of the line, so that it is written as \%; a command of more
 * than 998 bytes is refused by some crons, so that it is refused here; there is no terminal; what
 * is printed is mailed, so that --quiet leaves warnings and errors. */
#include "agent/job_install.h"
#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

#define CRON_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define MAX_LINE 998
#define MAX_TABLE MIB

static int crontab(struct program *p, const char *word, struct str input, struct buf *out,
                   struct buf *errors, struct err *e)
{
    const char *const argv[] = { "crontab", word, NULL };
    int r = job_system(p, argv, input, out, errors, e);

    if (r == 127)
        return err_set(e, ERR_CONFIG, 0, "there is no crontab here: install cron (Debian: cron)");
    return r;
}

static int failed(const char *what, const struct buf *said, struct err *e)
{
    cleanup_buf struct buf clean = BUF_MAX(64 * KIB);

    utf8_clean_line(&clean, utf8_head(str_trim(buf_str(said)), 300));
    return err_set(e, ERR_CONFIG, 0, "%s: %s", what, buf_cstr(&clean));
}

int job_cron_read(struct program *p, struct buf *table, struct err *e)
{
    cleanup_buf struct buf errors = BUF_MAX(64 * KIB);
    int r = crontab(p, "-l", STR(""), table, &errors, e);

    if (r < 0)
        return -1;
    /* An empty table must be known to be one: else all of it would be written over. */
    if (r != 0 && (table->n || !strstr(buf_cstr(&errors), "no crontab for")))
        return failed("crontab -l", &errors, e);
    return 0;
}

/* Where the job's line begins and how long it is, with its end; false: there is none. */
static bool find(struct str table, const struct job_place *w, size_t *ret_at, size_t *ret_n)
{
    cleanup_free char *mark = xasprintf(" # %s", w->unit);
    struct str rest = table, line;

    while (rest.n) {
        size_t at = (size_t)(rest.p - table.p);
        (void)str_cut(&rest, '\n', &line);
        if (!str_ends(line, mark) || line.p[0] == '#')
            continue;
        *ret_at = at;
        *ret_n = rest.n ? (size_t)(rest.p - table.p) - at : table.n - at;
        return true;
    }
    return false;
}

bool job_cron_line(struct str table, const struct job_place *w, struct str *ret)
{
    size_t at, n;

    if (!find(table, w, &at, &n))
        return false;
    *ret = str_trim((struct str){ table.p + at, n });
    return true;
}

/* One word of the command. */
static void put_word(struct buf *out, const char *word)
{
    buf_putc(out, '\'');
    for (; *word; word++) {
        if (*word == '\'')
            buf_puts(out, "'\\''");
        else if (*word == '%')
            buf_puts(out, "\\%");
        else
            buf_putc(out, *word);
    }
    buf_putc(out, '\'');
}

static int put_line(struct buf *out, const struct job *j, const struct job_place *w,
                    const struct job_needs *n, struct err *e)
{
    struct calendar c;

    if (calendar_parse(j->schedule, &c, e) < 0)
        return -1;
    if (calendar_cron(&c, out, e) < 0)
        return err_wrap(e,
                        "schedule = %s: a timer of systemd can (agent job install without "
                        "--cron)",
                        j->schedule);
    buf_puts(out, " env PATH=" CRON_PATH);
    for (size_t i = 0; i < n->environment.n; i++) {
        buf_putc(out, ' ');
        put_word(out, n->environment.v[i]);
    }
    buf_putc(out, ' ');
    buf_putf(out, "%s job run --quiet ", n->program);
    if (n->session_dir) {
        cleanup_free char *flag = xasprintf("--session-dir=%s", n->session_dir);
        put_word(out, flag);
        buf_putc(out, ' ');
    }
    put_word(out, w->path);
    buf_putf(out, " # %s", w->unit);
    if (out->n > MAX_LINE)
        return err_set(e, ERR_CONFIG, 0,
                       "the line for cron has %zu bytes, and cron takes %d: the job's path is too "
                       "long",
                       out->n, MAX_LINE);
    buf_putc(out, '\n');
    return 0;
}

/* Another program may have changed it meanwhile: cron has no lock for that. */
static int write_table(struct program *p, struct str before, struct str after, struct err *e)
{
    cleanup_buf struct buf now = BUF_MAX(MAX_TABLE), out = BUF_MAX(64 * KIB),
                           said = BUF_MAX(64 * KIB);

    if (job_cron_read(p, &now, e) < 0)
        return -1;
    if (!str_eq(buf_str(&now), before))
        return err_set(e, ERR_CONFIG, 0,
                       "the crontab was changed by somebody else meanwhile: try again");
    int r = crontab(p, "-", after, &out, &said, e);
    return r > 0 ? failed("crontab -", &said, e) : r;
}

int job_cron_install(struct program *p, const struct job *j, const struct job_place *w,
                     const struct job_needs *n, struct err *e)
{
    cleanup_buf struct buf old = BUF_MAX(MAX_TABLE), table = BUF_MAX(MAX_TABLE + MAX_LINE + 2),
                           line = BUF_MAX(64 * KIB);
    size_t at, size;

    if (put_line(&line, j, w, n, e) < 0 || job_cron_read(p, &old, e) < 0)
        return -1;
    bool there = find(buf_str(&old), w, &at, &size);
    if (!there) {
        at = old.n;
        size = 0;
    }
    buf_put(&table, old.p, at);
    if (table.n && table.p[table.n - 1] != '\n')
        buf_putc(&table, '\n');
    buf_putstr(&table, buf_str(&line));
    buf_putstr(&table, str_from(buf_str(&old), at + size));
    if (write_table(p, buf_str(&old), buf_str(&table), e) < 0)
        return -1;
    ui_note(p->run.ui, "%s a line in your crontab (crontab -l shows it)",
            there ? "changed" : "wrote");
    return 0;
}

int job_cron_remove(struct program *p, const struct job_place *w, struct err *e)
{
    cleanup_buf struct buf old = BUF_MAX(MAX_TABLE), table = BUF_MAX(MAX_TABLE);
    size_t at, size;

    if (job_cron_read(p, &old, e) < 0)
        return -1;
    if (!find(buf_str(&old), w, &at, &size))
        return 1;
    buf_put(&table, old.p, at);
    buf_putstr(&table, str_from(buf_str(&old), at + size));
    if (write_table(p, buf_str(&old), buf_str(&table), e) < 0)
        return -1;
    ui_note(p->run.ui, "removed its line from your crontab");
    return 0;
}

/* Standard input: whether to read it, reading it, and what to do with it.
 *
 * The hard part is not to hang. A parent that keeps a pipe open and never writes looks, to us, like
 * a pipeline whose first program is still thinking. The difference is who holds the other end: in a
 * pipeline it is a process beside us, under cron or a CI runner one of our ancestors (or nobody we
 * can see). Only for the former is a pipe without data worth a wait, and even that is bounded. */
#include "agent/attach.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

#define GRACE_MS 100     /* a parent that starts us and then writes */
#define PIPELINE_MS 5000 /* a program before us in a pipeline that is still computing */
#define NOTICE_MS 2000   /* silence after which the user is told what is waited for */
#define MAX_ANCESTORS 64

static void notice(const struct attach_stdin *in, const char *line)
{
    if (in->notice)
        in->notice(in->arg, line);
}

/* --- who writes to the pipe --- */

/* Parent and session of a process, from /proc. */
static bool proc_stat(long pid, long *ret_parent, long *ret_session)
{
    cleanup_free char *path = xasprintf("/proc/%ld/stat", pid);
    cleanup_buf struct buf text = BUF_MAX(65536);
    struct err e = ERR_INIT;
    struct str rest, word;
    long long v[4] = { 0, 0, 0, 0 };

    if (io_read_file(path, &text, &e) < 0)
        return false;
    /* The command's name may hold anything: the fields start after the last parenthesis. */
    const char *p = strrchr(buf_cstr(&text), ')');
    if (p == NULL || p[1] == '\0')
        return false;
    rest = str_of(p + 2);
    for (int i = 0; i < 4; i++) {
        (void)str_cut(&rest, ' ', &word);
        if (i > 0 && !str_to_ll(word, &v[i]))
            return false;
    }
    *ret_parent = (long)v[1];
    *ret_session = (long)v[3];
    return true;
}

/* Has this process the pipe open for writing? False when we may not look. */
static bool writes_to(long pid, const struct stat *pipe)
{
    cleanup_free char *path = xasprintf("/proc/%ld/fd", pid);
    DIR *d = opendir(path);
    bool found = false;

    if (d == NULL)
        return false;
    for (struct dirent *de; !found && (de = readdir(d)) != NULL;) {
        struct stat st, link;
        if (fstatat(dirfd(d), de->d_name, &st, 0) == 0 && st.st_dev == pipe->st_dev &&
            st.st_ino == pipe->st_ino)
            /* The mode of the link in /proc shows how the descriptor was opened. */
            found = fstatat(dirfd(d), de->d_name, &link, AT_SYMLINK_NOFOLLOW) == 0 &&
                    (link.st_mode & S_IWUSR);
    }
    closedir(d);
    return found;
}

/* Is there a writer in our session that is neither we nor one of our ancestors? */
static bool in_pipeline(int fd)
{
    long ancestor[MAX_ANCESTORS], parent, session, ours = 0;
    size_t n = 0;
    struct stat pipe;
    bool found = false;

    if (fstat(fd, &pipe) < 0 || !S_ISFIFO(pipe.st_mode))
        return false;
    for (long pid = getpid(); n < MAX_ANCESTORS && pid > 0 && proc_stat(pid, &parent, &session);
         pid = parent) {
        if (n == 0)
            ours = session;
        ancestor[n++] = pid;
    }
    DIR *d = opendir("/proc");
    if (d == NULL || n == 0) {
        if (d)
            closedir(d);
        return false;
    }
    for (struct dirent *de; !found && (de = readdir(d)) != NULL;) {
        long long pid;
        bool skip = !str_to_ll(str_of(de->d_name), &pid);
        for (size_t i = 0; !skip && i < n; i++)
            skip = ancestor[i] == (long)pid;
        if (!skip && proc_stat((long)pid, &parent, &session) && session == ours)
            found = writes_to((long)pid, &pipe);
    }
    closedir(d);
    return found;
}

/* --- whether to read --- */

/* 1 if data or the end is there within `ms` (-1: as long as the stop allows), 0 if not. */
static int wait_readable(int fd, int64_t ms, const struct stop *stop, struct err *e)
{
    int64_t end = now_ms() + ms;

    for (;;) {
        struct pollfd p[2] = { { fd, POLLIN, 0 }, { stop->cancel_fd, POLLIN, 0 } };
        int64_t left = ms < 0 ? -1 : end - now_ms();
        if (left < 0 && ms >= 0)
            left = 0;
        if (poll(p, 2, stop_poll_ms(stop, left)) < 0 && errno != EINTR)
            return err_set(e, ERR_INTERNAL, errno, "poll standard input");
        if (p[0].revents & POLLNVAL)
            return 0;
        if (p[0].revents)
            return 1;
        if (stop_check(stop, e) < 0)
            return -1;
        if (ms >= 0 && now_ms() >= end)
            return 0;
    }
}

/* 1: read it; 0: leave it. */
static int should_read(const struct attach_stdin *in, const struct stop *stop, struct err *e)
{
    struct stat st;

    if (fstat(in->fd, &st) < 0) {
        if (in->is_prompt)
            return err_set(e, ERR_USAGE, errno, "the question is to come from standard input");
        return 0;
    }
    if (in->is_prompt || S_ISREG(st.st_mode))
        return 1;
    if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))
        return 0;
    int r = wait_readable(in->fd, GRACE_MS, stop, e);
    if (r != 0)
        return r;
    bool pipeline = in_pipeline(in->fd);
    if (!in->wait && !pipeline) {
        notice(in, "standard input is an open pipe without data: it is not read "
                   "(--stdin=wait waits for data, < /dev/null says that there is none)");
        return 0;
    }
    r = wait_readable(in->fd, NOTICE_MS, stop, e);
    if (r != 0)
        return r;
    notice(in, in->wait ? "waiting for standard input"
                        : "waiting for standard input, 3 s more (--stdin=no does not wait, "
                          "--stdin=wait waits until data comes)");
    r = wait_readable(in->fd, in->wait ? -1 : PIPELINE_MS - NOTICE_MS, stop, e);
    if (r == 0)
        notice(in, "nothing came on standard input within 5 s: going on without it. If data was to "
                   "come, use --stdin=wait, or save it to a file and attach that with -f");
    return r;
}

/* --- reading --- */

struct input {
    struct buf head; /* the first bytes, or all of them */
    int64_t total;
    int fd; /* the file that the rest goes to; -1 while all is in `head` */
};

/* More than a sample: on to the disk with it. */
static int spill(struct input *i, const char *path, struct err *e)
{
    i->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (i->fd < 0)
        return err_set(e, ERR_SYS, errno, "save standard input as %s", path);
    if (io_write_all(i->fd, i->head.p, i->head.n, e) < 0)
        return err_wrap(e, "save standard input as %s", path);
    return 0;
}

static int check_size(int64_t total, bool is_prompt, struct err *e)
{
    if (is_prompt && total > (int64_t)MAX_PROMPT_BYTES)
        return err_set(
            e, ERR_USAGE, 0,
            "the question on standard input is longer than %u MB; attach long data with -f",
            MAX_PROMPT_BYTES / MIB);
    if (total > (int64_t)MAX_STDIN_BYTES)
        return err_set(e, ERR_USAGE, 0,
                       "standard input is larger than %u MB; attach it as a file with -f",
                       (unsigned)(MAX_STDIN_BYTES / MIB));
    return 0;
}

static int take(struct input *i, const char *p, size_t n, const char *path, bool is_prompt,
                struct err *e)
{
    i->total += (int64_t)n;
    if (check_size(i->total, is_prompt, e) < 0)
        return -1;
    if (i->fd < 0 && (is_prompt || i->head.n + n <= 2 * GUESS_BYTES)) {
        buf_put(&i->head, p, n);
        return 0;
    }
    if (i->fd < 0 && spill(i, path, e) < 0)
        return -1;
    if (io_write_all(i->fd, p, n, e) < 0)
        return err_wrap(e, "save standard input as %s", path);
    return 0;
}

/* To the end, within the stop. */
static int read_input(struct input *i, const struct attach_stdin *in, const char *path,
                      const struct stop *stop, struct err *e)
{
    cleanup_free char *block = xmalloc(GUESS_BYTES);
    bool told = isatty(in->fd); /* who types knows what is waited for */
    struct stat st;

    /* Told at once where it can be, not after a gigabyte. */
    if (fstat(in->fd, &st) == 0 && S_ISREG(st.st_mode)) {
        off_t at = lseek(in->fd, 0, SEEK_CUR);
        if (check_size((int64_t)st.st_size - (at > 0 ? (int64_t)at : 0), in->is_prompt, e) < 0)
            return -1;
    }
    for (;;) {
        int r = wait_readable(in->fd, told ? -1 : NOTICE_MS, stop, e);
        if (r < 0) {
            if (i->total > 0)
                err_wrap(e, "while standard input was read (%lld bytes so far)",
                         (long long)i->total);
            return -1;
        }
        if (r == 0) {
            notice(in, i->total ? "waiting for the rest of standard input"
                                : "waiting for standard input");
            told = true;
            continue;
        }
        ssize_t n = read(in->fd, block, GUESS_BYTES);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return err_set(e, ERR_SYS, errno, "read standard input");
        if (n == 0)
            return 0;
        if (take(i, block, (size_t)n, path, in->is_prompt, e) < 0)
            return -1;
    }
}

/* --- what it is --- */

/* The text for a prompt; NULL if there is nothing but white space. */
static char *as_text(struct str bytes, enum attach_encoding enc)
{
    cleanup_buf struct buf text = BUF_MAX(SIZE_MAX / 2), clean = BUF_MAX(SIZE_MAX / 2);

    guess_decode(bytes, enc, &text);
    utf8_clean(&clean, buf_str(&text));
    struct str s = buf_str(&clean);
    if (str_trim(s).n == 0)
        return NULL;
    while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return str_dup(s);
}

static int prompt_text(const struct input *i, char **ret, struct err *e)
{
    enum attach_encoding enc = guess_encoding(buf_str(&i->head), true);

    if (enc == ENC_BINARY)
        return err_set(
            e, ERR_USAGE, 0,
            "the question on standard input is not text; attach data with -f and give the "
            "question as an argument");
    *ret = as_text(buf_str(&i->head), enc);
    if (*ret == NULL)
        return err_set(e, ERR_USAGE, 0, "the question on standard input is empty");
    return 0;
}

/* A name that no attachment has: "stdin.csv", "stdin-2.csv", ... */
static char *free_name(const struct attach_list *l, const char *ext)
{
    for (int k = 1;; k++) {
        char *name = k == 1 ? xasprintf("stdin.%s", ext) : xasprintf("stdin-%d.%s", k, ext);
        bool taken = false;
        for (size_t i = 0; i < l->n; i++)
            taken = taken || strcmp(l->v[i].name, name) == 0;
        if (!taken)
            return name;
        free(name);
    }
}

static int attach_input(struct attach_list *l, struct input *i, const char *dir, const char *part,
                        const char *ext, struct err *e)
{
    cleanup_buf struct buf notices = BUF_MAX(8192);
    cleanup_free char *name = free_name(l, ext), *path = io_join(dir, name);

    if (i->fd < 0 && spill(i, part, e) < 0)
        return -1;
    if (close(steal_fd(&i->fd)) < 0)
        return err_set(e, ERR_SYS, errno, "save standard input as %s", path);
    if (rename(part, path) < 0)
        return err_set(e, ERR_SYS, errno, "save standard input as %s", path);
    if (attach_add(l, path, &notices, e) < 0) {
        unlink(path);
        return -1;
    }
    return 0;
}

static int dispose(struct attach_list *l, struct input *i, const struct attach_stdin *in,
                   const char *part, char **ret_text, struct err *e)
{
    bool is_all = i->fd < 0;
    struct str bytes = buf_str(&i->head);
    enum attach_encoding enc = guess_encoding(bytes, is_all);
    cleanup_buf struct buf text = BUF_MAX(SIZE_MAX / 2);
    const char *format = NULL;

    if (i->total == 0)
        return 0;
    if (enc != ENC_BINARY) {
        guess_decode(bytes, enc, &text);
        format = guess_format(buf_str(&text), is_all);
        if (format == NULL && is_all && bytes.n <= STDIN_PROMPT_BYTES) {
            *ret_text = as_text(bytes, enc);
            return 0;
        }
    }
    const char *ext = enc == ENC_BINARY ? "bin" : format ? format : "txt";
    return attach_input(l, i, in->dir, part, ext, e);
}

int attach_stdin(struct attach_list *l, const struct attach_stdin *in, const struct stop *stop,
                 char **ret_text, struct err *e)
{
    cleanup_free char *part = io_join(in->dir ? in->dir : ".", "stdin.part");
    struct input i = { BUF_MAX(SIZE_MAX / 2), 0, -1 };
    char *text = NULL;

    int r = should_read(in, stop, e);
    if (r == 1) {
        r = read_input(&i, in, part, stop, e);
        if (r == 0)
            r = in->is_prompt ? prompt_text(&i, &text, e) : dispose(l, &i, in, part, &text, e);
        if (i.fd >= 0) /* something failed half-way */
            close(i.fd);
        if (r < 0)
            unlink(part);
    }
    buf_free(&i.head);
    if (r < 0)
        return -1;
    *ret_text = text;
    return 0;
}

char *attach_prompt(const char *question, const char *stdin_text)
{
    if (stdin_text == NULL)
        return xstrdup(question);
    if (question == NULL)
        return xstrdup(stdin_text);
    return xasprintf("%s\n\n<stdin>\n%s\n</stdin>", question, stdin_text);
}

/* The folder of a job's reports, in which `latest` is a whole report at any moment.
 *
 * The lock of the folder keeps runs apart, where it holds: not between machines on every network
 * file system, and not when somebody removed its file. So each run has a name of its own too, and
 * all that it makes on the way bears that name:
 *
 *     .run-NAME     a symbolic link to "PID@HOST": the name is taken, and by whom
 *     .new-NAME     the report in the making
 *     .latest-NAME  the link that is about to become `latest`
 *     .inputs/NAME  files that commands made; they stay with the report
 *     .old-NAME     a report on its way out (keep)
 *
 * What bears the name of a run at work is touched by nobody else. */
#include <cjson/cJSON.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/job_parts.h"
#include "agent/base/banned.h"

#define RUN ".run-"
#define NEW ".new-"
#define LATEST ".latest-"
#define OLD ".old-"
#define OTHER_MACHINE_S (2 * 24 * 3600) /* longer than any run */

static void list_names(int folder_fd, bool (*want)(int fd, const char *name), struct conf_list *out)
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *de;

    if (d == NULL) {
        cleanup_closep(&fd);
        return;
    }
    while ((de = readdir(d)) != NULL)
        if (want(folder_fd, de->d_name))
            conf_list_add(out, de->d_name);
    closedir(d);
}

static bool is_there(int fd, const char *head, const char *name)
{
    cleanup_free char *whole = xasprintf("%s%s", head, name);

    return faccessat(fd, whole, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void remove_tree(int fd, const char *head, const char *name)
{
    cleanup_free char *whole = xasprintf("%s%s", head, name);
    struct err ignored = ERR_INIT;

    (void)io_remove_tree(fd, whole, &ignored);
}

static void remove_link(int fd, const char *head, const char *name)
{
    cleanup_free char *whole = xasprintf("%s%s", head, name);

    (void)unlinkat(fd, whole, 0);
}

static char *owner_here(void)
{
    char host[HOST_NAME_MAX + 1] = "";

    (void)gethostname(host, sizeof host - 1);
    return xasprintf("%ld@%s", (long)getpid(), host);
}

static bool is_run(int fd, const char *name)
{
    (void)fd;
    return str_starts(str_of(name), RUN);
}

/* Of another machine's run nothing can be said but how old it is. */
static bool is_dead(int folder_fd, const char *run)
{
    char owner[HOST_NAME_MAX + 32];
    ssize_t n = readlinkat(folder_fd, run, owner, sizeof owner - 1);
    cleanup_free char *us = owner_here();
    struct stat st;

    owner[n > 0 ? n : 0] = '\0';
    const char *at = strchr(owner, '@');
    long pid = strtol(owner, NULL, 10);
    if (at && pid > 0 && strcmp(at, strchr(us, '@')) == 0)
        return pid == getpid() || (kill((pid_t)pid, 0) < 0 && errno == ESRCH);
    return fstatat(folder_fd, run, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           time(NULL) - st.st_mtim.tv_sec > OTHER_MACHINE_S;
}

static bool is_left_over(int fd, const char *name)
{
    static const char *const made[] = { NEW, LATEST };

    for (size_t i = 0; i < ARRAY_LEN(made); i++)
        if (str_starts(str_of(name), made[i]))
            return !is_there(fd, RUN, name + strlen(made[i]));
    return str_starts(str_of(name), OLD);
}

static bool is_named_by_time(const char *name)
{
    static const char form[] = "0000-00-00_000000";

    for (size_t i = 0; form[i]; i++)
        if (form[i] == '0' ? !isdigit((unsigned char)name[i]) : name[i] != form[i])
            return false;
    return true;
}

static bool is_input(int fd, const char *name)
{
    (void)fd;
    return is_named_by_time(name);
}

void job_clean_inputs(int folder_fd)
{
    cleanup_fd int fd =
        openat(folder_fd, JOB_INPUTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct conf_list l = { NULL, 0 };
    struct err ignored = ERR_INIT;

    if (fd < 0)
        return;
    list_names(fd, is_input, &l);
    for (size_t i = 0; i < l.n; i++) /* in this order: a run ends after it has published */
        if (!is_there(folder_fd, RUN, l.v[i]) && !is_there(folder_fd, "", l.v[i]))
            (void)io_remove_tree(fd, l.v[i], &ignored);
    conf_list_done(&l);
    (void)unlinkat(folder_fd, JOB_INPUTS, AT_REMOVEDIR); /* when nothing is left in it */
}

void job_clean(int folder_fd)
{
    struct conf_list l = { NULL, 0 };
    struct err ignored = ERR_INIT;

    list_names(folder_fd, is_run, &l);
    for (size_t i = 0; i < l.n; i++)
        if (is_dead(folder_fd, l.v[i]))
            (void)unlinkat(folder_fd, l.v[i], 0);
    conf_list_done(&l);
    list_names(folder_fd, is_left_over, &l);
    for (size_t i = 0; i < l.n; i++)
        (void)io_remove_tree(folder_fd, l.v[i], &ignored);
    conf_list_done(&l);
    job_clean_inputs(folder_fd);
}

char *job_latest(int folder_fd)
{
    char target[NAME_MAX + 1];
    ssize_t n = readlinkat(folder_fd, "latest", target, sizeof target - 1);

    return n > 0 && memchr(target, '/', (size_t)n) == NULL ? xstrndup(target, (size_t)n) : NULL;
}

cJSON *job_last(int folder_fd)
{
    cleanup_buf struct buf text = BUF_MAX(MAX_MANIFEST_BYTES);
    struct err ignored = ERR_INIT;
    cleanup_fd int fd = openat(folder_fd, "latest/" JOB_SUMMARY, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    return fd >= 0 && io_read_fd(fd, &text, &ignored) == 0 ? json_parse(buf_str(&text), &ignored)
                                                           : NULL;
}

/* 1 = it is ours now, 0 = it is somebody's. */
static int take_name(int folder_fd, const char *name, struct err *e)
{
    cleanup_free char *run = xasprintf(RUN "%s", name), *us = owner_here();

    if (is_there(folder_fd, "", name))
        return 0;
    if (symlinkat(us, folder_fd, run) < 0)
        return errno == EEXIST ? 0 : err_set(e, ERR_SYS, errno, "folder: make %s", run);
    if (!is_there(folder_fd, "", name))
        return 1;
    (void)unlinkat(folder_fd, run, 0); /* it was published since we looked */
    return 0;
}

char *job_take_name(int folder_fd, time_t now, struct err *e)
{
    struct tm tm;
    char base[40];

    if (localtime_r(&now, &tm) == NULL || strftime(base, sizeof base, "%Y-%m-%d_%H%M%S", &tm) == 0)
        snprintf(base, sizeof base, "1970-01-01_000000");
    cleanup_free char *name = xstrdup(base);
    int taken = take_name(folder_fd, name, e);
    for (int i = 2; taken == 0; i++) {
        free(name);
        name = xasprintf("%s-%d", base, i);
        taken = take_name(folder_fd, name, e);
    }
    return taken > 0 ? steal_ptr(&name) : NULL;
}

char *job_stage(const char *name)
{
    return xasprintf(NEW "%s", name);
}

void job_leave(int folder_fd, const char *name)
{
    remove_tree(folder_fd, NEW, name);
    remove_link(folder_fd, LATEST, name);
    remove_link(folder_fd, RUN, name);
}

int job_publish(int folder_fd, const char *name, struct err *e)
{
    cleanup_free char *stage = job_stage(name), *link = xasprintf(LATEST "%s", name);
    cleanup_fd int fd = openat(folder_fd, stage, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || syncfs(fd) < 0)
        return err_set(e, ERR_SYS, errno, "write %s to the disk", stage);
    /* The link first, since it needs room: from here on nothing is written. */
    if (symlinkat(name, folder_fd, link) < 0)
        return err_set(e, ERR_SYS, errno, "make the link to %s", name);
    if (renameat(folder_fd, stage, folder_fd, name) < 0)
        return err_set(e, ERR_SYS, errno, "rename %s to %s", stage, name);
    if (renameat(folder_fd, link, folder_fd, "latest") < 0) {
        int error = errno;
        (void)renameat(folder_fd, name, folder_fd, stage);
        return err_set(e, ERR_SYS, error, "switch latest to %s", name);
    }
    (void)fsync(folder_fd);
    return 0;
}

static bool is_report(int fd, const char *name)
{
    cleanup_free char *summary = xasprintf("%s/" JOB_SUMMARY, name);

    return is_named_by_time(name) && faccessat(fd, summary, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void job_keep(int folder_fd, long keep)
{
    struct conf_list l = { NULL, 0 };

    if (keep > 0)
        list_names(folder_fd, is_report, &l);
    if (l.n)
        qsort(l.v, l.n, sizeof *l.v, by_name);
    for (size_t i = 0; i + (size_t)keep < l.n; i++) {
        /* A run that is over has switched `latest` before: it is read after that. */
        bool at_work = is_there(folder_fd, RUN, l.v[i]);
        cleanup_free char *latest = job_latest(folder_fd);
        if (at_work || (latest && strcmp(latest, l.v[i]) == 0))
            continue;
        /* Out of the way first: what is half deleted is no report. */
        cleanup_free char *old = xasprintf(OLD "%s", l.v[i]);
        if (renameat(folder_fd, l.v[i], folder_fd, old) == 0)
            remove_tree(folder_fd, OLD, l.v[i]);
    }
    conf_list_done(&l);
    job_clean_inputs(folder_fd);
}

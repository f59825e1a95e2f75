/* The folder of a job's reports, in which `latest` is a whole report at any moment. */
#include <cjson/cJSON.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

static bool is_left_over(int fd, const char *name)
{
    (void)fd;
    return strncmp(name, ".new-", 5) == 0 || strncmp(name, ".old-", 5) == 0;
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
    for (size_t i = 0; i < l.n; i++)
        if (faccessat(folder_fd, l.v[i], F_OK, AT_SYMLINK_NOFOLLOW) < 0)
            (void)io_remove_tree(fd, l.v[i], &ignored);
    conf_list_done(&l);
    (void)unlinkat(folder_fd, JOB_INPUTS, AT_REMOVEDIR); /* when nothing is left in it */
}

void job_clean(int folder_fd)
{
    struct conf_list l = { NULL, 0 };
    struct err ignored = ERR_INIT;

    list_names(folder_fd, is_left_over, &l);
    for (size_t i = 0; i < l.n; i++)
        (void)io_remove_tree(folder_fd, l.v[i], &ignored);
    conf_list_done(&l);
    unlinkat(folder_fd, ".latest", 0);
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

char *job_free_name(int folder_fd, time_t now)
{
    struct tm tm;
    char base[40];

    if (localtime_r(&now, &tm) == NULL || strftime(base, sizeof base, "%Y-%m-%d_%H%M%S", &tm) == 0)
        snprintf(base, sizeof base, "1970-01-01_000000");
    cleanup_free char *name = xstrdup(base);
    for (int i = 2; faccessat(folder_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0; i++) {
        free(name);
        name = xasprintf("%s-%d", base, i);
    }
    return steal_ptr(&name);
}

int job_publish(int folder_fd, const char *stage, const char *name, struct err *e)
{
    cleanup_fd int fd = openat(folder_fd, stage, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || syncfs(fd) < 0)
        return err_set(e, ERR_SYS, errno, "write %s to the disk", stage);
    (void)unlinkat(folder_fd, ".latest", 0);
    /* The link first, since it needs room: from here on nothing is written. */
    if (symlinkat(name, folder_fd, ".latest") < 0)
        return err_set(e, ERR_SYS, errno, "make the link to %s", name);
    if (renameat2(folder_fd, stage, folder_fd, name, RENAME_NOREPLACE) < 0)
        return err_set(e, ERR_SYS, errno, "rename %s to %s", stage, name);
    if (renameat(folder_fd, ".latest", folder_fd, "latest") < 0) {
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
    cleanup_free char *latest = job_latest(folder_fd);
    struct err ignored = ERR_INIT;

    if (keep > 0)
        list_names(folder_fd, is_report, &l);
    if (l.n)
        qsort(l.v, l.n, sizeof *l.v, by_name);
    for (size_t i = 0; i + (size_t)keep < l.n; i++) {
        if (latest && strcmp(latest, l.v[i]) == 0)
            continue;
        /* Out of the way first: what is half deleted is no report. */
        cleanup_free char *old = xasprintf(".old-%s", l.v[i]);
        if (renameat(folder_fd, l.v[i], folder_fd, old) == 0)
            (void)io_remove_tree(folder_fd, old, &ignored);
    }
    conf_list_done(&l);
    job_clean_inputs(folder_fd);
}

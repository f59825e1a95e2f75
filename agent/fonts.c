#include "agent/fonts.h"
#include <cjson/cJSON.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/sha256.h"
#include "agent/libs.h"
#include "agent/ui.h"
#include "agent/base/banned.h"

#define NAME_START "fontlist-"
#define NAME_END ".json"
#define MAX_NAME 64
/* Folders of fonts that count for the key; one more below them changes the folder above. */
#define MAX_DEPTH 6
#define MAX_FOLDERS 500

/* It becomes part of an option and of a path inside. */
static bool is_name(struct str name)
{
    if (!str_starts(name, NAME_START) || !str_ends(name, NAME_END) || name.n > MAX_NAME)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_'))
            return false;
    }
    return true;
}

static void hash_tree(struct sha256 *h, const char *path, int depth, int *left)
{
    struct dirent *de;
    DIR *d = depth < MAX_DEPTH && (*left)-- > 0 ? opendir(path) : NULL;

    if (d == NULL)
        return;
    libs_hash_folder(h, path);
    while ((de = readdir(d)) != NULL) {
        if (de->d_type != DT_DIR || de->d_name[0] == '.')
            continue;
        cleanup_free char *below = io_join(path, de->d_name);
        hash_tree(h, below, depth + 1, left);
    }
    closedir(d);
}

/* The version of matplotlib is in the file's name, and the packages' folders tell of a new one. */
static char *folder_of(const char *python)
{
    static const char *const roots[] = { "/usr/share/fonts", "/usr/local/share/fonts" };
    int left = MAX_FOLDERS;
    struct sha256 h;
    char hex[65];

    sha256_init(&h);
    sha256_put(&h, python, strlen(python));
    libs_hash_packages(&h, python);
    for (size_t i = 0; i < ARRAY_LEN(roots); i++)
        hash_tree(&h, roots[i], 0, &left);
    sha256_hex(&h, hex);
    cleanup_free char *name = xasprintf("mpl-%.24s", hex);
    return libs_cache_path(name);
}

void fonts_open(const char *python, struct fonts *ret)
{
    struct dirent *de;
    struct stat st;

    *ret = (struct fonts){ folder_of(python && *python ? python : "/usr/bin/python3"), NULL, -1 };
    DIR *d = ret->dir ? opendir(ret->dir) : NULL;
    while (d && ret->fd < 0 && (de = readdir(d)) != NULL) {
        if (!is_name(str_of(de->d_name)))
            continue;
        ret->fd = openat(dirfd(d), de->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (ret->fd >= 0 && (fstat(ret->fd, &st) < 0 || !S_ISREG(st.st_mode) ||
                             st.st_size > (off_t)MAX_FONTS_BYTES))
            close(steal_fd(&ret->fd));
        if (ret->fd >= 0)
            ret->name = xstrdup(de->d_name);
    }
    if (d)
        closedir(d);
}

static bool is_list(struct str text)
{
    struct err ignored = ERR_INIT;
    cleanup_json cJSON *j = json_parse(text, &ignored);

    return json_arr(j, "ttflist") != NULL;
}

void fonts_check(struct fonts *f)
{
    cleanup_buf struct buf text = BUF_MAX(MAX_FONTS_BYTES);
    struct err ignored = ERR_INIT;

    if (f->name == NULL)
        return;
    if (io_read_fd(f->fd, &text, &ignored) == 0 && is_list(buf_str(&text)))
        return;
    cleanup_free char *path = io_join(f->dir, f->name);
    (void)unlink(path);
    free(f->name);
    f->name = NULL;
    close(steal_fd(&f->fd));
}

int fonts_make(struct fonts *f, struct sandbox *s, struct ui *ui, const struct stop *stop,
               struct err *e)
{
    cleanup_buf struct buf name = BUF_MAX(MAX_NAME), text = BUF_MAX(MAX_FONTS_BYTES);
    struct err ignored = ERR_INIT;

    /* Where nothing can be kept it would be made for every run. */
    if (f->name || f->dir == NULL || io_mkdirs(f->dir, 0700, &ignored) < 0)
        return 0;
    ui_note(ui, "looking which fonts there are for plots (once)");
    if (sandbox_fonts(s, stop, &name, &text, e) < 0)
        return -1;
    if (!is_name(buf_str(&name)) || !is_list(buf_str(&text)))
        return 0;
    cleanup_free char *path = io_join(f->dir, buf_cstr(&name));
    (void)io_write_atomic(AT_FDCWD, path, buf_str(&text), 0600, &ignored);
    return 0;
}

void fonts_done(struct fonts *f)
{
    free(f->dir);
    free(f->name);
    cleanup_closep(&f->fd);
}

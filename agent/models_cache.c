#include "agent/models_cache.h"
#include <fcntl.h>
#include <string.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/libs.h"
#include "agent/base/banned.h"

static char *path_of(const char *service)
{
    cleanup_free char *name = xasprintf("models-%s", service);

    return strchr(service, '/') ? NULL : libs_cache_path(name);
}

void models_cache_keep(const char *service, char *const *ids, size_t n)
{
    cleanup_buf struct buf text = BUF_MAX(MAX_MODELS_CACHE);
    cleanup_free char *path = path_of(service);
    struct err ignored;

    for (size_t i = 0; i < n; i++)
        buf_putf(&text, "%s\n", ids[i]);
    if (path == NULL || text.over)
        return;
    cleanup_free char *dir = xstrndup(path, (size_t)(io_basename(path) - path));
    if (io_mkdirs(dir, 0700, &ignored) == 0)
        (void)io_write_atomic(AT_FDCWD, path, buf_str(&text), 0600, &ignored);
}

bool models_cache_read(const char *service, struct buf *out)
{
    cleanup_free char *path = path_of(service);
    struct err ignored;

    return path && io_read_file(path, out, &ignored) == 0;
}

/* Records read back: whole, cut at every byte, damaged, hostile; and the search for one by its id.
 */
#include "agent/saved.h"
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "agent/record.h"
#include "tests/unit/tap.h"

static char root[] = "/tmp/test-saved-XXXXXX";

static void event(struct record *r, const char *type, const char *json)
{
    struct err e = ERR_INIT;

    record_event(r, type, json_parse(str_of(json), &e));
}

/* A session of one cell that ended well and one that never ended. Returns its folder. */
static char *make(bool closed)
{
    struct err e = ERR_INIT;
    struct record *r = record_new(root, NULL, false, &e);

    if (r == NULL) {
        CHECK(false, "a record is made: %s", e.msg);
        exit(1);
    }
    event(r, "session.start", "{\"question\":\"why?\",\"model\":\"m\"}");
    record_file(r, "cells/1.py", STR("print(1)\n"));
    event(r, "cell.start", "{\"cell\":1,\"language\":\"python\",\"code\":\"cells/1.py\"}");
    record_file(r, "cells/1.stdout", STR("1\n"));
    event(r, "cell.end", "{\"cell\":1,\"status\":\"ok\",\"stdout\":\"cells/1.stdout\"}");
    event(r, "cell.start", "{\"cell\":2,\"code\":\"cells/2.py\",\"description\":\"gone\"}");
    event(r, "answer", "{\"text\":\"because\"}");
    char *dir = xstrdup(record_dir(r));
    if (closed)
        record_close(
            r, json_parse(STR("{\"status\":\"ok\",\"question\":\"why?\",\"cells\":2}"), &e), &e);
    record_free(r);
    return dir;
}

static void test_whole(void)
{
    cleanup_free char *dir = make(true);
    struct err e = ERR_INIT;
    struct saved s;

    if (!CHECK(saved_load(dir, &s, &e) == 0, "a record is read back: %s", e.msg))
        return;
    CHECK(s.n_events == 5 && s.n_cells == 2 && s.manifest, "with its %zu events and %zu cells",
          s.n_events, s.n_cells);
    CHECK(!strcmp(s.cells[0].code, "print(1)\n") && !strcmp(buf_cstr(&s.cells[0].out), "1\n") &&
              !strcmp(s.cells[0].status, "ok"),
          "code, output and status of a cell");
    CHECK(s.cells[1].status == NULL && s.cells[1].end == NULL && s.cells[1].code[0] == '\0' &&
              !strcmp(s.cells[1].description, "gone"),
          "a cell that never ended");
    CHECK(s.damage && strstr(s.damage, "cells/2.py"), "a missing file is told: %s",
          s.damage ? s.damage : "");
    const char *answer = saved_text(&s, "answer", "text");
    CHECK(answer && !strcmp(answer, "because"), "the answer");
    CHECK(saved_text(&s, "no.such", "text") == NULL, "what is not there");
    struct buf b = BUF_MAX(100);
    CHECK(saved_read(&s, "../../etc/passwd", &b, &e) < 0 &&
              saved_read(&s, "/etc/passwd", &b, &e) < 0,
          "nothing outside the folder is read");
    CHECK(symlinkat("/etc/passwd", s.dir_fd, "cells/9.py") == 0 &&
              saved_read(&s, "cells/9.py", &b, &e) < 0,
          "no link is followed");
    CHECK(mkfifoat(s.dir_fd, "cells/8.py", 0600) == 0 && saved_read(&s, "cells/8.py", &b, &e) < 0,
          "a FIFO does not hang");
    buf_free(&b);
    saved_done(&s);
}

/* A crash may cut the events anywhere. */
static void test_cuts(void)
{
    cleanup_free char *dir = make(false), *events = io_join(dir, "events.jsonl");
    cleanup_buf struct buf all = BUF_MAX(1 << 20);
    struct err e = ERR_INIT;
    size_t bad = 0, damaged = 0, more = 0, last = 0;

    CHECK(io_read_file(events, &all, &e) == 0 && all.n > 300, "the events: %zu bytes", all.n);
    for (size_t n = 0; n <= all.n; n++) {
        struct saved s;
        io_write_atomic(AT_FDCWD, events, (struct str){ all.p, n }, 0600, &e);
        if (saved_load(dir, &s, &e) < 0) {
            bad++;
            continue;
        }
        bool line_end = n == 0 || all.p[n - 1] == '\n';
        /* The missing file of cell 2 is damage too, from its event on. */
        damaged += !line_end && s.damage == NULL;
        more += s.n_events < last;
        last = s.n_events;
        saved_done(&s);
        struct record *r = record_reopen(dir, &e);
        if (r == NULL) {
            bad++;
            continue;
        }
        event(r, "resumed", "{}");
        record_free(r);
        if (saved_load(dir, &s, &e) < 0 || s.n_events != last + 1 ||
            strcmp(json_str(s.events[last], "type"), "resumed") != 0 ||
            json_int(s.events[last], "seq", 0) != (int64_t)last + 1)
            bad++;
        saved_done(&s);
    }
    CHECK(bad == 0, "cut at any of %zu bytes it loads, and takes the next event (%zu do not)",
          all.n + 1, bad);
    CHECK(damaged == 0, "a cut line is told");
    CHECK(more == 0 && last == 5, "what was whole is there");
    io_write_atomic(AT_FDCWD, events, STR("{\"type\":\"a\"}\n[1]\n{\"type\":\"b\"}\n"), 0600, &e);
    struct saved s;
    CHECK(saved_load(dir, &s, &e) == 0 && s.n_events == 1 && s.damage && strstr(s.damage, "line 2"),
          "a damaged line ends it, and is named: %s", s.damage);
    saved_done(&s);
    unlink(events);
    CHECK(saved_load(dir, &s, &e) < 0 && e.code == ERR_USAGE, "a folder without events: %s", e.msg);
}

static void test_find(void)
{
    struct err e = ERR_INIT;
    struct saved_list l;
    cleanup_free char *a = make(true), *b = make(false);

    CHECK(saved_list(root, 0, &l, &e) == 0 && l.n >= 3, "the list has %zu sessions", l.n);
    bool sorted = true, killed = false;
    for (size_t i = 0; i < l.n; i++) {
        sorted =
            sorted && (i == 0 || l.v[i - 1].used > l.v[i].used ||
                       (l.v[i - 1].used == l.v[i].used && strcmp(l.v[i - 1].id, l.v[i].id) > 0));
        killed = killed || (!strcmp(l.v[i].id, io_basename(b)) &&
                            !strcmp(l.v[i].status, "killed") && !strcmp(l.v[i].question, "why?"));
    }
    CHECK(sorted && !strcmp(l.v[0].id, io_basename(b)), "the one used last first");
    CHECK(killed, "one without a manifest was killed");
    cleanup_free char *found = saved_find(root, io_basename(a), &e);
    CHECK(found && !strcmp(found, a), "found by its id: %s", e.msg);
    cleanup_free char *last = saved_find(root, "last", &e);
    CHECK(last && !strcmp(last + strlen(last) - strlen(l.v[0].id), l.v[0].id), "the last one");
    CHECK(saved_find(root, "2", &e) == NULL && strstr(e.msg, "sessions begin with"),
          "an ambiguous beginning: %s", e.msg);
    CHECK(saved_find(root, "zzz", &e) == NULL && strstr(e.msg, "there is no session"), "none: %s",
          e.msg);
    static const char *const hostile[] = { "../etc", "a/b", "", ".", "-x", "\033[2J", "A" };
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++)
        CHECK(saved_find(root, hostile[i], &e) == NULL && strstr(e.msg, "no session id"),
              "no id: %s", e.msg);
    struct record *held = record_reopen(a, &e);
    CHECK(held && record_reopen(a, &e) == NULL && strstr(e.msg, "another agent"),
          "a second process is told: %s", e.msg);
    saved_list_done(&l);
    CHECK(saved_list(root, 0, &l, &e) == 0 && l.n >= 3, "it is listed");
    bool running = false;
    for (size_t i = 0; i < l.n; i++)
        running =
            running || (!strcmp(l.v[i].id, io_basename(a)) && !strcmp(l.v[i].status, "running"));
    CHECK(running, "as running");
    record_free(held);
    saved_list_done(&l);
    CHECK(saved_list("/nonexistent/place", 0, &l, &e) == 0 && l.n == 0,
          "no folder is an empty list");
}

/* A copy has what is whole, and nothing that a link points to; a damaged record is mended once. */
static void test_copy(void)
{
    struct err e = ERR_INIT;
    cleanup_free char *a = make(true), *events = io_join(a, "events.jsonl");
    cleanup_fd int from = open(a, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_buf struct buf all = BUF_MAX(1 << 20);
    struct saved s;

    CHECK(mkdirat(from, "inputs/2", 0700) == 0 &&
              io_write_atomic(from, "inputs/2/x.csv", STR("a,b\n"), 0600, &e) == 0 &&
              symlinkat("/etc/passwd", from, "inputs/link") == 0 &&
              mkfifoat(from, "inputs/fifo", 0600) == 0,
          "a session with files, a link and a FIFO");
    io_read_file(events, &all, &e);
    buf_puts(&all, "{\"type\":\"torn");
    io_write_atomic(AT_FDCWD, events, buf_str(&all), 0600, &e);
    struct record *r = record_new(root, "copy-1", false, &e);
    if (!CHECK(r && record_copy(r, from, &e) == 0, "is copied: %s", e.msg))
        return;
    record_next_question(r, 2);
    event(r, "session.fork", "{}");
    cleanup_free char *dir = xstrdup(record_dir(r)), *copied = io_join(dir, "inputs/2/x.csv"),
                      *link = io_join(dir, "inputs/link"), *fifo = io_join(dir, "inputs/fifo"),
                      *old = io_join(dir, "manifest-1.json"), *now = io_join(dir, "manifest.json");
    CHECK(access(copied, F_OK) == 0 && faccessat(AT_FDCWD, link, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
              access(fifo, F_OK) < 0,
          "files alone");
    CHECK(access(old, F_OK) == 0 && access(now, F_OK) < 0, "the manifest has its number");
    const char *inputs = record_inputs(r, &e);
    CHECK(inputs && str_ends(str_of(inputs), "/inputs/2"), "further inputs have a place: %s",
          e.msg);
    record_free(r);
    CHECK(saved_load(dir, &s, &e) == 0 && s.n_events == 6 && json_int(s.events[5], "seq", 0) == 6 &&
              s.n_cells == 2,
          "it goes on behind the last whole event");
    saved_done(&s);
    CHECK(record_new(root, "copy-1", false, &e) == NULL && e.code == ERR_USAGE,
          "an id is taken: %s", e.msg);
    cleanup_free char *log = io_join(dir, "events.jsonl");
    io_write_atomic(AT_FDCWD, log, STR("{\"seq\":7,\"type\":\"a\"}\nrubbish\n{\"type\":\"b\"}\n"),
                    0600, &e);
    r = record_reopen(dir, &e);
    CHECK(r && record_damage(r) && strstr(record_damage(r), "line 2"), "damage is set aside: %s",
          r ? record_damage(r) : e.msg);
    record_free(r);
    cleanup_free char *aside = io_join(dir, "damaged-7.jsonl");
    buf_clear(&all);
    CHECK(io_read_file(aside, &all, &e) == 0 &&
              !strcmp(buf_cstr(&all), "rubbish\n{\"type\":\"b\"}\n"),
          "and kept");
    r = record_reopen(dir, &e);
    CHECK(r && record_damage(r) == NULL, "once");
    record_free(r);
}

int main(void)
{
    struct err e = ERR_INIT;

    if (mkdtemp(root) == NULL)
        return 1;
    test_whole();
    test_cuts();
    test_find();
    test_copy();
    io_remove_tree(AT_FDCWD, root, &e);
    return tap_done();
}

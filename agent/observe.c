#include "agent/observe.h"
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/sha256.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

/* A traceback is never clipped by the stream cap; this wall only stops a message that is itself
 * megabytes (raise ValueError(huge)). */
#define TRACEBACK_CAP (64 * KIB)
#define MAX_WORDS (4 * KIB) /* on what a figure shows */

void observe_collapse_cr(struct buf *out, struct str s)
{
    if (s.n == 0 || memchr(s.p, '\r', s.n) == NULL) {
        buf_putstr(out, s);
        return;
    }
    while (s.n) {
        struct str line;
        bool more = str_cut(&s, '\n', &line);

        while (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        const char *cr = line.n ? memrchr(line.p, '\r', line.n) : NULL;
        buf_putstr(out, cr ? str_from(line, (size_t)(cr - line.p) + 1) : line);
        if (more)
            buf_putc(out, '\n');
    }
}

/* Byte offset after the first n characters; malformed bytes count as one each. */
static size_t after_chars(struct str s, size_t n)
{
    size_t at = 0;

    while (n-- > 0 && at < s.n) {
        size_t k = utf8_seq(str_from(s, at), NULL);
        at += k ? k : 1;
    }
    return at;
}

static size_t count_chars(struct str s)
{
    size_t n = 0;

    for (size_t at = 0; at < s.n; n++) {
        size_t k = utf8_seq(str_from(s, at), NULL);
        at += k ? k : 1;
    }
    return n;
}

static size_t count_lines(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '\n';
    return n;
}

/* The part [from, to) of a stream is left out. */
struct cut {
    size_t from, to;
};

static struct cut plan_cut(struct str s, size_t cap)
{
    size_t chars = s.n <= cap ? s.n : count_chars(s);

    if (chars <= cap)
        return (struct cut){ s.n, s.n };
    size_t head = cap / 2 + cap % 2, tail = cap / 2;
    return (struct cut){ after_chars(s, head), after_chars(s, chars - tail) };
}

static void put_with_newline(struct buf *out, struct str s)
{
    utf8_clean(out, s);
    if (out->n && out->p[out->n - 1] != '\n')
        buf_putc(out, '\n');
}

static void put_cut_note(struct buf *out, struct str whole, struct cut cut, const char *dir,
                         const char *file)
{
    struct str gone = { whole.p + cut.from, cut.to - cut.from };

    if (out->n && out->p[out->n - 1] != '\n')
        buf_putc(out, '\n');
    buf_putf(out, "[... %zu bytes, %zu lines cut here", gone.n, count_lines(gone));
    if (file)
        buf_putf(out, "; the whole text is in %s/%s", dir, file);
    buf_puts(out, " ...]\n");
}

/* One stream whose pieces may be interleaved with results: its pieces are views of `whole`. */
struct stream {
    const char *label;
    struct buf raw, whole; /* as written; as shown */
    struct cut cut;
    const char *dir;
    char file[64];
    bool spilled, noted;
    size_t raw_at, at; /* how far it was given out, in each of them */
    /* The line that raw_at is in: where it begins in each of them, where it ends, and whether it
     * has carriage returns. */
    size_t line, shown_line, line_end;
    bool is_bar;
};

static void stream_open(struct stream *st, const struct observe_cell *c,
                        const struct sandbox_result *r, enum sandbox_item_kind kind,
                        const char *label, observe_spill *spill, void *arg)
{
    *st = (struct stream){ .label = label,
                           .dir = c->output,
                           .raw = BUF_MAX(SIZE_MAX / 4),
                           .whole = BUF_MAX(SIZE_MAX / 4) };
    for (size_t i = 0; i < r->n_items; i++)
        if (r->items[i].kind == kind)
            buf_put(&st->raw, r->items[i].text, r->items[i].n);
    observe_collapse_cr(&st->whole, buf_str(&st->raw));
    st->cut = plan_cut(buf_str(&st->whole), c->cap);
    if (st->cut.from < st->cut.to) {
        snprintf(st->file, sizeof st->file, "cell-%d-%s.txt", c->number, label);
        st->spilled = spill && spill(arg, st->file, buf_str(&st->whole));
    }
}

static void stream_close(struct stream *st)
{
    buf_free(&st->raw);
    buf_free(&st->whole);
}

static void next_line(struct stream *st, size_t from)
{
    const char *raw = st->raw.p, *end = memchr(raw + from, '\n', st->raw.n - from);

    st->line = from;
    st->line_end = end ? (size_t)(end - raw) : st->raw.n;
    st->is_bar = memchr(raw + from, '\r', st->line_end - from) != NULL;
}

/* Where the first n bytes as they were written end in what is shown. A line with carriage returns
 * (a progress bar) is shown once, in its last state: it belongs to the piece in which it ends. */
static size_t shown_end(struct stream *st, size_t n)
{
    if (n == st->raw.n)
        return st->whole.n;
    if (st->line_end == 0)
        next_line(st, 0);
    while (st->line_end < n) {
        const char *end = memchr(st->whole.p + st->shown_line, '\n', st->whole.n - st->shown_line);
        st->shown_line = (size_t)(end - st->whole.p) + 1;
        next_line(st, st->line_end + 1);
    }
    return st->is_bar ? st->shown_line : st->shown_line + (n - st->line);
}

/* Prints the next piece, of n bytes as they were written. */
static void stream_piece(struct buf *out, struct stream *st, size_t n)
{
    st->raw_at += n;
    size_t end = shown_end(st, st->raw_at);

    if (end <= st->at)
        return;
    buf_putf(out, "%s:\n", st->label);
    if (st->at < st->cut.from) {
        size_t to = end < st->cut.from ? end : st->cut.from;
        put_with_newline(out, (struct str){ st->whole.p + st->at, to - st->at });
    }
    if (end > st->cut.from && st->cut.from < st->cut.to && !st->noted) {
        put_cut_note(out, buf_str(&st->whole), st->cut, st->dir, st->spilled ? st->file : NULL);
        st->noted = true;
    }
    size_t from = st->at > st->cut.to ? st->at : st->cut.to;
    if (from < end)
        put_with_newline(out, (struct str){ st->whole.p + from, end - from });
    st->at = end;
}

static const struct sandbox_repr *find_repr(const struct sandbox_item *it, const char *mime)
{
    for (size_t i = 0; i < it->n_reprs; i++)
        if (strcmp(it->reprs[i].mime, mime) == 0)
            return &it->reprs[i];
    return NULL;
}

static void put_result(struct buf *out, const struct sandbox_item *it, int index,
                       const struct observe_cell *c, observe_spill *spill, void *arg)
{
    const struct sandbox_repr *text = find_repr(it, "text/plain");

    if (text == NULL)
        text = find_repr(it, "text/markdown");
    if (text == NULL)
        text = find_repr(it, "text/html");
    buf_puts(out, it->is_main ? "result:\n" : "display:\n");
    if (it->file) {
        buf_puts(out, "[figure saved as ");
        utf8_clean_line(out, str_of(it->file));
        buf_puts(out, "]\n");
        /* What the figure shows, in words: they stand below its address. */
        struct str words = text ? (struct str){ text->data, text->n } : str_of(NULL), first;
        str_cut(&words, '\n', &first);
        words = utf8_head(words, c->cap < MAX_WORDS ? c->cap : MAX_WORDS);
        if (words.n)
            put_with_newline(out, words);
        return;
    }
    if (text == NULL) {
        buf_putf(out, "[a value of type %s]\n", it->n_reprs ? it->reprs[0].mime : "unknown");
        return;
    }
    struct str s = { text->data, text->n };
    struct cut cut = plan_cut(s, c->cap);
    if (cut.from >= cut.to) {
        put_with_newline(out, s);
        return;
    }
    char file[64];
    snprintf(file, sizeof file, "cell-%d-result-%d.txt", c->number, index);
    bool spilled = spill && spill(arg, file, s);
    put_with_newline(out, (struct str){ s.p, cut.from });
    put_cut_note(out, s, cut, c->output, spilled ? file : NULL);
    put_with_newline(out, str_from(s, cut.to));
}

static void put_lost(struct buf *out, const struct sandbox_result *r)
{
    buf_puts(out, "The interpreter was started anew; files are still there. ");
    if (r->lost_names && r->lost_names[0]) {
        buf_puts(out, "These names were lost and must be made again: ");
        utf8_clean_line(out, str_of(r->lost_names));
        buf_putc(out, '\n');
    } else {
        buf_puts(out, "No variables were lost.\n");
    }
}

static void put_status(struct buf *out, const struct observe_cell *c,
                       const struct sandbox_result *r)
{
    double limit = (double)c->timeout_ms / 1000.0;

    switch (r->status) {
    case SANDBOX_OK:
    case SANDBOX_ERROR:
        if (r->lost_names) {
            buf_puts(out, "The interpreter had ended before this cell. ");
            put_lost(out, r);
        }
        break;
    case SANDBOX_TIMEOUT:
        if (r->lost_names)
            put_lost(out, r);
        buf_putf(out,
                 "The cell was interrupted at its time limit of %g s. Variables survive. Do less "
                 "work in one cell, or do it faster.\n",
                 limit);
        break;
    case SANDBOX_KILLED_TIME:
        buf_putf(out,
                 "The cell reached its time limit of %g s, did not heed the interrupt and was "
                 "killed. ",
                 limit);
        put_lost(out, r);
        break;
    case SANDBOX_MEMORY:
        buf_puts(out, "The cell was killed at the memory limit. Use less memory: read fewer "
                      "columns, or work in chunks. ");
        put_lost(out, r);
        break;
    case SANDBOX_OUTPUT:
        buf_puts(out, "The cell was killed because it printed too much. Print a summary. ");
        put_lost(out, r);
        break;
    case SANDBOX_DIED:
        if (r->signal)
            buf_putf(out, "The interpreter died of signal %d (%s). ", r->signal,
                     strsignal(r->signal));
        else
            buf_putf(out, "The interpreter exited with status %d. ", r->exit_code);
        put_lost(out, r);
        break;
    }
}

static void put_error(struct buf *out, const struct sandbox_result *r)
{
    if (r->traceback && r->traceback[0]) {
        struct str tb = str_of(r->traceback);

        buf_puts(out, "error:\n");
        if (tb.n <= TRACEBACK_CAP) {
            put_with_newline(out, tb);
            return;
        }
        struct cut cut = { utf8_head(tb, TRACEBACK_CAP / 2).n,
                           tb.n - utf8_tail(tb, TRACEBACK_CAP / 2).n };
        put_with_newline(out, (struct str){ tb.p, cut.from });
        put_cut_note(out, tb, cut, NULL, NULL);
        put_with_newline(out, str_from(tb, cut.to));
    } else if (r->error_name) {
        buf_puts(out, "error:\n");
        utf8_clean_line(out, str_of(r->error_name));
        buf_puts(out, ": ");
        put_with_newline(out, str_of(r->error_value));
    }
}

#define DENIED_SHOWN 8

/* "The sandbox refused: socket(AF_INET) 3 times, ptrace once." */
static void put_denied(struct buf *out, const struct sandbox_result *r)
{
    bool network = false, readonly = false;

    if (r->n_denied == 0)
        return;
    buf_puts(out, "The sandbox refused: ");
    for (size_t i = 0; i < r->n_denied && i < DENIED_SHOWN; i++) {
        const struct sandbox_denied *d = &r->denied[i];
        network = network || strcmp(d->what, "network") == 0;
        readonly = readonly || strcmp(d->what, "read-only") == 0;
        buf_putf(out, "%s%s ", i ? ", " : "", d->name);
        if (d->count == 1)
            buf_puts(out, "once");
        else
            buf_putf(out, "%" PRId64 " times", d->count);
    }
    if (r->n_denied > DENIED_SHOWN)
        buf_putf(out, " and %zu other kinds of calls", r->n_denied - DENIED_SHOWN);
    buf_puts(out, network ? ". No socket leads out of here." : ".");
    buf_puts(out, readonly ? " Only /workspace and /tmp can be written.\n" : "\n");
}

void observe_cell(struct buf *out, const struct observe_cell *c, const struct sandbox_result *r,
                  observe_spill *spill, void *arg)
{
    struct stream so, se;
    size_t start = out->n;
    int results = 0;

    stream_open(&so, c, r, ITEM_STDOUT, "stdout", spill, arg);
    stream_open(&se, c, r, ITEM_STDERR, "stderr", spill, arg);
    for (size_t i = 0; i < r->n_items; i++) {
        const struct sandbox_item *it = &r->items[i];
        size_t n = it->n;

        if (it->kind == ITEM_RESULT) {
            put_result(out, it, ++results, c, spill, arg);
            continue;
        }
        while (i + 1 < r->n_items && r->items[i + 1].kind == it->kind)
            n += r->items[++i].n; /* pieces of one write are one piece of text */
        if (it->kind == ITEM_STDOUT)
            stream_piece(out, &so, n);
        else
            stream_piece(out, &se, n);
    }
    stream_close(&so);
    stream_close(&se);
    if (r->cleared)
        buf_puts(out, "[what was shown before was taken back by clear_output()]\n");
    if (r->dropped_results)
        buf_putf(out, "[%" PRId64 " more results were too many or too large to keep]\n",
                 r->dropped_results);
    if (r->forged)
        buf_putf(out, "[%d forged messages from the cell were ignored]\n", r->forged);
    put_denied(out, r);
    if (c->files && c->files[0])
        buf_putf(out, "files:\n%s", c->files);
    if (out->n == start && r->status == SANDBOX_OK)
        buf_puts(out, "(the cell ran and printed nothing)\n");
    put_status(out, c, r);
    put_error(out, r);
}

static void digest_field(struct sha256 *h, const char *p, size_t n)
{
    uint64_t len = n;

    sha256_put(h, &len, sizeof len);
    sha256_put(h, p, n);
}

/* Where a stream was cut into pieces is chance: only its text counts. */
static void digest_stream(struct sha256 *h, const struct sandbox_result *r,
                          enum sandbox_item_kind kind)
{
    digest_field(h, "stream", 6);
    for (size_t i = 0; i < r->n_items; i++)
        if (r->items[i].kind == kind)
            sha256_put(h, r->items[i].text, r->items[i].n);
}

void observe_digest(struct str code, const struct sandbox_result *r, char *ret)
{
    struct sha256 h;
    struct str trimmed = str_trim(code);

    sha256_init(&h);
    digest_field(&h, trimmed.p, trimmed.n);
    digest_field(&h, (const char *)&r->status, sizeof r->status);
    digest_stream(&h, r, ITEM_STDOUT);
    digest_stream(&h, r, ITEM_STDERR);
    for (size_t i = 0; i < r->n_items; i++) {
        const struct sandbox_item *it = &r->items[i];
        if (it->kind != ITEM_RESULT)
            continue;
        /* A figure's file name counts up and its pixels are not compared: its presence is. */
        const struct sandbox_repr *text = it->file ? NULL : find_repr(it, "text/plain");
        digest_field(&h, text ? text->data : "figure", text ? text->n : 6);
    }
    struct str name = str_of(r->error_name), value = str_of(r->error_value);
    digest_field(&h, name.p, name.n);
    digest_field(&h, value.p, value.n);
    sha256_hex(&h, ret);
}

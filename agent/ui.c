#include "agent/ui_line.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/log.h"
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

#define TICK_MS 100

static const char *const style_on[] = {
    [PLAIN] = "",          [DIM] = "\033[2m",    [RED] = "\033[31m",
    [YELLOW] = "\033[33m", [GREEN] = "\033[32m", [CYAN] = "\033[36m",
};

static bool env_set(const char *name)
{
    const char *v = getenv(name);
    return v && *v;
}

static bool want_colour(enum conf_color mode)
{
    const char *term = getenv("TERM"), *force = getenv("FORCE_COLOR");

    if (mode != COLOR_AUTO)
        return mode == COLOR_ALWAYS;
    if (env_set("NO_COLOR"))
        return false;
    if (force && *force && strcmp(force, "0") != 0)
        return true;
    return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

static bool is_utf8_locale(void)
{
    const char *names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (env_set(names[i]))
            return strcasestr(getenv(names[i]), "utf-8") || strcasestr(getenv(names[i]), "utf8");
    return false;
}

static bool same_terminal(void)
{
    struct stat out, err;

    return isatty(STDOUT_FILENO) && isatty(STDERR_FILENO) && fstat(STDOUT_FILENO, &out) == 0 &&
           fstat(STDERR_FILENO, &err) == 0 && out.st_rdev == err.st_rdev;
}

struct ui *ui_new(const struct conf *c)
{
    const char *term = getenv("TERM");
    struct ui *u = xcalloc(1, sizeof *u);

    if (c) {
        u->quiet = c->quiet;
        u->inline_images = c->inline_images;
        u->verbose = c->verbose;
        u->show_code = c->show_code;
        u->show_reasoning = c->show_reasoning && !c->quiet;
    }
    u->colour = want_colour(c ? (enum conf_color)c->color : COLOR_AUTO);
    u->moving = !u->quiet && isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
    if (c == NULL)
        u->inline_images = INLINE_NEVER;
    u->ascii = !is_utf8_locale();
    u->same = same_terminal();
    /* A stream for programs, on the screen of a human: it is not drawn over. */
    if (c && c->output_format != FORMAT_TEXT && isatty(STDOUT_FILENO))
        u->moving = false;
    u->partial = (struct buf)BUF_MAX(16);
    u->said = (struct buf)BUF_MAX(SIZE_MAX / 8);
    u->held = (struct buf)BUF_MAX(SIZE_MAX / 8);
    u->tail = (struct buf)BUF_MAX(4 * UI_TAIL_BYTES);
    u->reply = markdown_new();
    u->at_line_start = true;
    return u;
}

size_t ui_width(void)
{
    struct winsize w;

    /* Asked each time: it is one cheap call, and the window may have been resized. */
    if ((ioctl(STDERR_FILENO, TIOCGWINSZ, &w) < 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0) ||
        w.ws_col == 0)
        return 80;
    return w.ws_col < 10 ? 10 : w.ws_col;
}

/* A reader of our progress who goes away must not end the run: the answer is still wanted. */
void ui_out(struct ui *u, struct str s)
{
    struct err e = ERR_INIT;

    if (!u->gone && s.n && io_write_all(STDERR_FILENO, s.p, s.n, &e) < 0)
        u->gone = true;
}

void ui_styled(const struct ui *u, struct buf *b, enum ui_style style, struct str s)
{
    if (u->colour && style != PLAIN)
        buf_puts(b, style_on[style]);
    buf_putstr(b, s);
    if (u->colour && style != PLAIN)
        buf_puts(b, "\033[0m");
}

/* Ends streamed text so that a line of ours starts at the left. */
static void end_stream(struct ui *u)
{
    if (u->partial.n) {
        ui_out(u, STR("\xEF\xBF\xBD"));
        buf_clear(&u->partial);
        u->at_line_start = false;
    }
    if (u->stream && !u->at_line_start)
        ui_out(u, STR("\n"));
    u->stream = 0;
    u->at_line_start = true;
}

/* On a terminal lines are broken between words; a word that fits into no line, as a path, stays
 * whole, so that it can be copied. */
static void put_broken(struct str line, size_t used, size_t columns, struct buf *b)
{
    while (line.n) {
        size_t n = 0;
        while (n < line.n && line.p[n] == ' ')
            n++;
        size_t gap = n;
        while (n < line.n && line.p[n] != ' ')
            n++;
        size_t w = utf8_width((struct str){ line.p + gap, n - gap });
        if (used + gap + w > columns && used > 2 && w + 2 <= columns) {
            buf_puts(b, "\n  ");
            used = 2;
        } else {
            buf_put(b, line.p, gap);
            used += gap;
        }
        buf_put(b, line.p + gap, n - gap);
        used += w;
        if (w + 2 > columns)
            used %= columns; /* the terminal has wrapped it */
        line = str_from(line, n);
    }
}

/* One line: optional coloured label, then foreign text made harmless. Written in one go, so that
 * lines of parallel runs into one log do not mix. */
void ui_line(struct ui *u, enum ui_style style, const char *label, struct str text)
{
    cleanup_buf struct buf redacted = BUF_MAX(UI_MAX_LINE), clean = BUF_MAX(8 * UI_MAX_LINE),
                           b = BUF_MAX(16 * UI_MAX_LINE);

    end_stream(u);
    secret_redact(&redacted, text);
    utf8_clean(&clean, buf_str(&redacted));
    ui_styled(u, &b, style, str_of(label));
    struct str rest = buf_str(&clean), l;
    for (bool more = u->moving, first = true; more; first = false) {
        more = str_cut(&rest, '\n', &l);
        buf_puts(&b, first ? "" : "\n");
        put_broken(l, first ? utf8_width(str_of(label)) : 0, ui_width() - 1, &b);
    }
    if (!u->moving)
        buf_putstr(&b, rest);
    buf_putc(&b, '\n');
    ui_stay(u, buf_str(&b), false, true);
}

/* Foreign text with newlines could pretend to be lines of ours: a note is one line, always. A
 * warning or an error may have several; those after the first are indented. */
__attribute__((format(printf, 5, 0))) static void
vline(struct ui *u, enum ui_style style, const char *label, bool one, const char *fmt, va_list ap)
{
    cleanup_buf struct buf b = BUF_MAX(UI_MAX_LINE), out_text = BUF_MAX(8 * UI_MAX_LINE);
    struct str rest, l;

    buf_vputf(&b, fmt, ap);
    if (b.over)
        buf_puts(&out_text, "(a message too long to show)");
    rest = str_trim(buf_str(&b));
    if (one)
        utf8_clean_line(&out_text, rest);
    for (bool more = !one, first = true; more; first = false) {
        more = str_cut(&rest, '\n', &l);
        buf_puts(&out_text, first ? "" : "\n  ");
        buf_putstr(&out_text, l);
    }
    ui_line(u, style, label, buf_str(&out_text));
}

void ui_note(struct ui *u, const char *fmt, ...)
{
    va_list ap;

    if (u->quiet)
        return;
    va_start(ap, fmt);
    vline(u, PLAIN, "", true, fmt, ap);
    va_end(ap);
}

void ui_respond(struct ui *u, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vline(u, PLAIN, "", true, fmt, ap);
    va_end(ap);
}

void ui_detail(struct ui *u, const char *fmt, ...)
{
    va_list ap;

    if (!u->verbose)
        return;
    va_start(ap, fmt);
    vline(u, PLAIN, "", true, fmt, ap);
    va_end(ap);
}

void ui_warn(struct ui *u, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vline(u, YELLOW, "agent: warning: ", false, fmt, ap);
    va_end(ap);
}

__attribute__((format(printf, 2, 3))) static void error_line(struct ui *u, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vline(u, RED, "agent: ", false, fmt, ap);
    va_end(ap);
}

void ui_error(struct ui *u, const struct err *e)
{
    ui_reply_end(u, true);
    ui_cell_left(u);
    ui_wait_end(u);
    error_line(u, "%s", e->msg);
}

/* --- the moving line --- */

void ui_put_elapsed(struct buf *b, int64_t ms)
{
    long long s = ms / 1000;

    if (s < 60)
        buf_putf(b, "%llds", s);
    else if (s < 3600)
        buf_putf(b, "%lldm%02llds", s / 60, s % 60);
    else
        buf_putf(b, "%lldh%02lldm", s / 3600, s / 60 % 60);
}

void ui_wait(struct ui *u, const char *what)
{
    cleanup_buf struct buf clean = BUF_MAX(UI_MAX_LINE);

    if (!u->moving)
        return;
    end_stream(u);
    free(u->waiting);
    utf8_clean_line(&clean, utf8_head(str_of(what), 1000));
    u->waiting = buf_steal(&clean);
    u->wait_since = now_ms();
    ui_draw(u);
}

void ui_wait_end(struct ui *u)
{
    ui_erase(u);
    free(u->waiting);
    u->waiting = NULL;
}

void ui_tick(struct ui *u)
{
    if (u->waiting && !u->stream && now_ms() - u->last_draw >= TICK_MS)
        ui_draw(u);
}

/* --- streams --- */

/* How many bytes at the end of `s` could be the start of a sequence whose rest is yet to come. */
static size_t unfinished(struct str s)
{
    for (size_t back = 1; back <= 3 && back <= s.n; back++) {
        unsigned char c = (unsigned char)s.p[s.n - back];
        if ((c & 0xC0) == 0x80)
            continue;
        size_t want = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC2 ? 2 : 1;
        return want > back ? back : 0;
    }
    return 0;
}

static void stream(struct ui *u, int which, enum ui_style style, struct str piece)
{
    cleanup_buf struct buf all = BUF_MAX(SIZE_MAX / 2), clean = BUF_MAX(SIZE_MAX / 2),
                           b = BUF_MAX(SIZE_MAX / 2);

    if (piece.n == 0)
        return;
    if (u->stream != which) {
        ui_erase(u);
        end_stream(u);
        u->stream = which;
    }
    buf_putstr(&all, buf_str(&u->partial));
    buf_putstr(&all, piece);
    size_t keep = unfinished(buf_str(&all));
    buf_clear(&u->partial);
    buf_put(&u->partial, all.p + all.n - keep, keep);
    struct str now = { all.p, all.n - keep };
    if (now.n == 0)
        return;
    utf8_clean(&clean, now);
    if (clean.n == 0)
        return;
    ui_styled(u, &b, style, buf_str(&clean));
    ui_out(u, buf_str(&b));
    u->at_line_start = clean.p[clean.n - 1] == '\n';
}

void ui_text(struct ui *u, struct str piece)
{
    if (u->moving) {
        if (u->stream && piece.n)
            end_stream(u); /* the reasoning before it */
        ui_reply(u, piece);
    } else if (u->verbose) {
        stream(u, 1, PLAIN, piece);
    }
}

void ui_reasoning(struct ui *u, struct str piece)
{
    if (u->show_reasoning)
        stream(u, 4, DIM, piece);
}

void ui_text_end(struct ui *u, bool goes_on)
{
    if (u->stream == 1 || u->stream == 4)
        end_stream(u);
    ui_reply_end(u, goes_on);
}

void ui_cell_output(struct ui *u, bool is_stderr, struct str bytes)
{
    if (u->verbose)
        stream(u, is_stderr ? 3 : 2, is_stderr ? YELLOW : DIM, bytes);
    else
        ui_cell_tail(u, bytes);
}

void ui_retry(struct ui *u, const struct err *why, int64_t wait_ms, int attempt)
{
    cleanup_buf struct buf wait = BUF_MAX(64);

    if (u->quiet)
        return;
    ui_reply_end(u, false);
    if (wait_ms < 1000)
        buf_putf(&wait, "%lld ms", (long long)wait_ms);
    else
        buf_putf(&wait, "%.1f s", (double)wait_ms / 1000);
    ui_warn(u, "%s; attempt %d in %s", why->msg, attempt, buf_cstr(&wait));
}

/* Was this what has streamed last, on the terminal that is standard output too? */
static bool has_streamed(const struct ui *u, struct str text)
{
    return u->moving && u->same && u->after == AFTER_TEXT &&
           str_eq(str_trim(text), str_trim(buf_str(&u->said)));
}

int ui_answer(struct ui *u, struct str text, struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 2);
    const char *term = getenv("TERM");

    ui_erase(u);
    end_stream(u);
    if (has_streamed(u, text))
        return 0;
    if (isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0) {
        struct markdown_look look = ui_look(u);
        if (u->moving && u->same && u->after == AFTER_LINE)
            buf_putc(&b, '\n');
        markdown_render(text, &look, &b);
        u->after = AFTER_TEXT;
    } else {
        utf8_clean(&b, text);
        while (b.n && (b.p[b.n - 1] == '\n' || b.p[b.n - 1] == ' ' || b.p[b.n - 1] == '\t'))
            b.n--;
        buf_putc(&b, '\n');
    }
    if (io_write_all(STDOUT_FILENO, b.p, b.n, e) < 0)
        return err_wrap(e, "the answer could not be written to standard output");
    return 0;
}

void ui_free(struct ui *u)
{
    if (u == NULL)
        return;
    ui_reply_end(u, true);
    ui_cell_left(u);
    ui_wait_end(u);
    end_stream(u);
    markdown_free(u->reply);
    buf_free(&u->said);
    buf_free(&u->held);
    buf_free(&u->tail);
    buf_free(&u->partial);
    free(u);
}

/* Cells, artifacts and the last line: what a run did, one line each. */
#include <math.h>
#include <stdlib.h>
#include "agent/base/log.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/highlight.h"
#include "agent/ui_line.h"
#include "agent/base/banned.h"

/* The first line of the code that says something: not blank, no comment sign, no import. */
static struct str first_line(struct str code)
{
    struct str rest = code, l, first = { "", 0 };

    for (bool more = true; more;) {
        more = str_cut(&rest, '\n', &l);
        l = str_trim(l);
        if (l.n == 0)
            continue;
        if (first.n == 0)
            first = l;
        if (!str_starts(l, "import ") && !str_starts(l, "from ") && !str_starts(l, "#"))
            return l;
    }
    return first;
}

static void show_code(struct ui *u, const char *language, struct str code)
{
    cleanup_buf struct buf clean = BUF_MAX(SIZE_MAX / 8), b = BUF_MAX(SIZE_MAX / 8);
    const struct highlight_language *l = u->colour ? highlight_find(str_of(language)) : NULL;
    struct highlight_state st = { 0 };
    struct str rest, line;

    utf8_clean(&clean, str_trim(code));
    rest = buf_str(&clean);
    for (bool more = true; more;) {
        cleanup_styled struct styled t = STYLED_INIT;
        more = str_cut(&rest, '\n', &line);
        styled_put(&t, STR("    | "), ST_DIM);
        highlight_line(l, &st, line, &t);
        styled_write(&t, 0, t.text.n, u->colour, &b);
        buf_putc(&b, '\n');
    }
    ui_stay(u, buf_str(&b), false, false);
}

void ui_cell_begin(struct ui *u, int number, const char *language, const char *description,
                   struct str code)
{
    cleanup_buf struct buf clean = BUF_MAX(UI_MAX_LINE), label = BUF_MAX(64);
    struct str text = str_trim(str_of(description));

    if (u->quiet)
        return;
    ui_cell_left(u);
    if (text.n == 0)
        text = first_line(code);
    utf8_clean_line(&clean, utf8_head(text, 1000));
    buf_putf(&label, "[%d] ", number);
    u->cell = number;
    buf_clear(&u->tail);
    if (u->moving && !u->verbose && !u->show_code) {
        u->cell_text = buf_steal(&clean);
        cleanup_free char *moving = xasprintf("%s%s", buf_cstr(&label), u->cell_text);
        ui_wait(u, moving);
        return;
    }
    ui_line(u, CYAN, buf_cstr(&label), buf_str(&clean));
    if (u->verbose || u->show_code)
        show_code(u, language, code);
    ui_wait(u, "running");
}

/* On a terminal: "✓ [1] Load the data  0.4 s, printed 3 lines", in one line if that can be, else
 * the outcome below. */
static void live_line(struct ui *u, bool ok, const char *mark, struct str outcome)
{
    cleanup_styled struct styled head = STYLED_INIT, tail = STYLED_INIT;
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 8), label = BUF_MAX(64),
                           clean = BUF_MAX(UI_MAX_LINE);
    size_t columns = ui_width() - 1;

    buf_putf(&label, " [%d] ", u->cell);
    styled_put(&head, str_of(mark), ok ? ST_GREEN : ST_RED);
    styled_put(&head, buf_str(&label), ST_CYAN);
    size_t least = styled_width(&head) + 12;
    styled_put(&head, str_of(u->cell_text), 0);
    utf8_clean_line(&clean, outcome);
    styled_put(&tail, buf_str(&clean), ok ? (unsigned)ST_DIM : ST_RED);
    size_t w = styled_width(&tail) + 2, all = styled_width(&head);
    if (all + w <= columns || least + w <= columns) {
        styled_write_cut(&head, columns - w, u->colour, u->ascii, &b);
        buf_puts(&b, "  ");
        styled_write(&tail, 0, tail.text.n, u->colour, &b);
    } else {
        styled_write_cut(&head, columns, u->colour, u->ascii, &b);
        buf_puts(&b, "\n    ");
        styled_write_cut(&tail, columns > 4 ? columns - 4 : 0, u->colour, u->ascii, &b);
    }
    buf_putc(&b, '\n');
    free(u->cell_text);
    u->cell_text = NULL;
    buf_clear(&u->tail);
    ui_stay(u, buf_str(&b), false, false);
}

void ui_cell_left(struct ui *u)
{
    if (u->cell_text)
        live_line(u, false, u->ascii ? "x" : "✗", STR("not finished"));
}

static void put_bytes(struct buf *b, int64_t n)
{
    if (n < 1024)
        buf_putf(b, "%lld B", (long long)n);
    else if (n < 1024 * 1024)
        buf_putf(b, "%.1f KB", (double)n / 1024);
    else if (n < 1024ll * 1024 * 1024)
        buf_putf(b, "%.1f MB", (double)n / (1024 * 1024));
    else
        buf_putf(b, "%.1f GB", (double)n / (1024.0 * 1024 * 1024));
}

static void put_time(struct buf *b, int64_t us)
{
    if (us < 0)
        us = 0;
    if (us < 1000000)
        buf_putf(b, "%lld ms", (long long)((us + 500) / 1000));
    else if (us < 60000000)
        buf_putf(b, "%.1f s", (double)us / 1e6);
    else
        ui_put_elapsed(b, us / 1000);
}

/* What came of it, after the status. */
static void put_outcome(struct buf *b, const struct ui_cell_end *end)
{
    cleanup_buf struct buf names = BUF_MAX(UI_MAX_LINE);

    put_time(b, end->duration_us);
    if (end->stdout_bytes > 0) {
        buf_putf(b, ", printed %zu line%s (", end->stdout_lines, end->stdout_lines == 1 ? "" : "s");
        put_bytes(b, end->stdout_bytes);
        buf_putc(b, ')');
    }
    if (end->stderr_bytes > 0) {
        buf_puts(b, ", ");
        put_bytes(b, end->stderr_bytes);
        buf_puts(b, " on stderr");
    }
    for (size_t i = 0; i < end->n_artifacts && i < 8; i++) {
        buf_puts(&names, i ? ", " : "; made ");
        utf8_clean_line(&names, str_of(end->artifacts[i]));
    }
    if (end->n_artifacts > 8)
        buf_putf(&names, " and %zu more", end->n_artifacts - 8);
    buf_putstr(b, buf_str(&names));
    if (end->error_line && *end->error_line) {
        buf_puts(b, ": ");
        utf8_clean_line(b, utf8_head(str_of(end->error_line), 500));
    }
}

void ui_cell_end(struct ui *u, int number, const struct ui_cell_end *end)
{
    cleanup_buf struct buf b = BUF_MAX(UI_MAX_LINE), label = BUF_MAX(256);

    if (u->quiet)
        return;
    if (u->cell_text) {
        if (!end->ok)
            buf_putf(&b, "%s ", end->status);
        put_outcome(&b, end);
        const char *mark = end->ok ? u->ascii ? "+" : "✓" : u->ascii ? "x" : "✗";
        live_line(u, end->ok, mark, buf_str(&b));
        ui_wait_end(u);
        return;
    }
    ui_wait_end(u);
    buf_putf(&label, "[%d] %s", number, end->status);
    buf_putc(&b, ' ');
    put_outcome(&b, end);
    ui_line(u, end->ok ? GREEN : RED, buf_cstr(&label), buf_str(&b));
}

void ui_picture(struct ui *u, struct str png)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 8);

    if (!u->moving || u->inline_images == INLINE_NEVER)
        return;
    if (!u->asked)
        picture_ask((enum conf_inline)u->inline_images, &u->pictures);
    u->asked = true;
    if (picture_put(&u->pictures, png, &b))
        ui_stay(u, buf_str(&b), false, false);
}

void ui_usage(struct ui *u, const struct ui_usage *us)
{
    cleanup_buf struct buf b = BUF_MAX(UI_MAX_LINE);

    ui_cell_left(u);
    ui_wait_end(u);
    if (u->quiet)
        return;
    buf_putf(&b, "%d turn%s, %d cell%s", us->turns, us->turns == 1 ? "" : "s", us->cells,
             us->cells == 1 ? "" : "s");
    if (us->input_tokens >= 0 && us->output_tokens >= 0)
        buf_putf(&b, ", %lld tokens in and %lld out", (long long)us->input_tokens,
                 (long long)us->output_tokens);
    if (!isnan(us->cost))
        buf_putf(&b, ", USD %.4f", us->cost);
    if (us->duration_ms >= 0) {
        buf_puts(&b, ", ");
        put_time(&b, us->duration_ms * 1000);
    }
    ui_line(u, DIM, "done: ", buf_str(&b));
}

void ui_spent(struct ui *u, const char *what, const struct ui_spent *s)
{
    cleanup_buf struct buf b = BUF_MAX(UI_MAX_LINE), head = BUF_MAX(200);

    ui_wait_end(u);
    if (s->input >= 0)
        buf_putf(&b, "%lld tokens in", (long long)s->input);
    else
        buf_puts(&b, "tokens in not told");
    if (s->cached > 0)
        buf_putf(&b, " (%lld cached)", (long long)s->cached);
    if (s->output >= 0)
        buf_putf(&b, ", %lld out", (long long)s->output);
    else
        buf_puts(&b, ", out not told");
    if (s->reasoning > 0)
        buf_putf(&b, " (%lld reasoning)", (long long)s->reasoning);
    if (isnan(s->cost))
        buf_puts(&b, ", unpriced");
    else
        buf_putf(&b, ", USD %.*f", s->cost < 0.01 ? 6 : 4, s->cost);
    buf_putf(&head, "%s: ", what);
    ui_line(u, DIM, buf_cstr(&head), buf_str(&b));
}

void ui_artifact(struct ui *u, const char *path, int64_t bytes)
{
    cleanup_buf struct buf b = BUF_MAX(UI_MAX_LINE);

    if (u->quiet)
        return;
    utf8_clean_line(&b, str_of(path));
    buf_puts(&b, " (");
    put_bytes(&b, bytes);
    buf_putc(&b, ')');
    ui_line(u, GREEN, "file: ", buf_str(&b));
}

void ui_diff(struct ui *u, struct str diff)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 8);
    struct str line;

    if (u->quiet)
        return;
    while (diff.n) {
        cleanup_buf struct buf redacted = BUF_MAX(SIZE_MAX / 8), clean = BUF_MAX(SIZE_MAX / 8);
        (void)str_cut(&diff, '\n', &line);
        char sign = line.n ? line.p[0] : ' ';
        secret_redact(&redacted, line);
        utf8_clean(&clean, buf_str(&redacted));
        ui_styled(u, &b,
                  sign == '+'   ? GREEN
                  : sign == '-' ? RED
                  : sign == '@' ? CYAN
                                : PLAIN,
                  buf_str(&clean));
        buf_putc(&b, '\n');
    }
    ui_stay(u, buf_str(&b), false, true);
}

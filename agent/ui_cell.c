/* Cells, artifacts and the last line: what a run did, one line each. */
#include <math.h>
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
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

static void show_code(struct ui *u, struct str code)
{
    cleanup_buf struct buf clean = BUF_MAX(SIZE_MAX / 2), b = BUF_MAX(SIZE_MAX / 2);
    struct str rest, l;

    utf8_clean(&clean, str_trim(code));
    rest = buf_str(&clean);
    for (bool more = true; more;) {
        more = str_cut(&rest, '\n', &l);
        ui_styled(u, &b, DIM, STR("    | "));
        buf_putstr(&b, l);
        buf_putc(&b, '\n');
    }
    ui_out(u, buf_str(&b));
}

void ui_cell_begin(struct ui *u, int number, const char *description, struct str code)
{
    cleanup_buf struct buf clean = BUF_MAX(UI_MAX_LINE), label = BUF_MAX(64);
    struct str text = str_trim(str_of(description));

    if (u->quiet)
        return;
    if (text.n == 0)
        text = first_line(code);
    utf8_clean_line(&clean, utf8_head(text, 1000));
    buf_putf(&label, "[%d] ", number);
    /* On a terminal the line says it all in its width; a log may be read with other means. */
    struct str shown = buf_str(&clean);
    if (u->moving)
        shown = ui_fit(shown, ui_width() - label.n - 1);
    ui_line(u, CYAN, buf_cstr(&label), shown);
    if (u->verbose || u->show_code)
        show_code(u, code);
    ui_wait(u, "running");
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

void ui_cell_end(struct ui *u, int number, const struct ui_cell_end *end)
{
    cleanup_buf struct buf b = BUF_MAX(UI_MAX_LINE), names = BUF_MAX(UI_MAX_LINE),
                           label = BUF_MAX(256);

    ui_wait_end(u);
    if (u->quiet)
        return;
    buf_putf(&label, "[%d] %s", number, end->status);
    buf_putc(&b, ' ');
    put_time(&b, end->duration_us);
    if (end->stdout_bytes > 0) {
        buf_putf(&b, ", printed %zu line%s (", end->stdout_lines,
                 end->stdout_lines == 1 ? "" : "s");
        put_bytes(&b, end->stdout_bytes);
        buf_putc(&b, ')');
    }
    if (end->stderr_bytes > 0) {
        buf_puts(&b, ", ");
        put_bytes(&b, end->stderr_bytes);
        buf_puts(&b, " on stderr");
    }
    for (size_t i = 0; i < end->n_artifacts && i < 8; i++) {
        buf_puts(&names, i ? ", " : "; made ");
        utf8_clean_line(&names, str_of(end->artifacts[i]));
    }
    if (end->n_artifacts > 8)
        buf_putf(&names, " and %zu more", end->n_artifacts - 8);
    buf_putstr(&b, buf_str(&names));
    if (end->error_line && *end->error_line) {
        buf_puts(&b, ": ");
        utf8_clean_line(&b, utf8_head(str_of(end->error_line), 500));
    }
    ui_line(u, end->ok ? GREEN : RED, buf_cstr(&label), buf_str(&b));
}

void ui_usage(struct ui *u, const struct ui_usage *us)
{
    cleanup_buf struct buf b = BUF_MAX(UI_MAX_LINE);

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

/* The live rows of a terminal, and the model's reply that streams above them. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "agent/base/utf8.h"
#include "agent/ui_line.h"
#include "agent/base/banned.h"

#define TAIL_LINES 5

struct markdown_look ui_look(const struct ui *u)
{
    /* One column stays free: some terminals wrap when the last one is written. */
    return (struct markdown_look){ ui_width() - 1, u->colour, u->ascii };
}

/* Rows that the live lines take up now: a line that is wider than the window has been wrapped. */
static size_t rows_now(const struct ui *u)
{
    size_t columns = ui_width(), rows = 0;

    for (size_t i = 0; i < u->n_rows; i++)
        rows += u->rows[i] > columns ? (u->rows[i] + columns - 1) / columns : 1;
    return rows;
}

static void put_erase(struct ui *u, struct buf *b)
{
    size_t rows = rows_now(u);

    if (rows == 0)
        return;
    buf_puts(b, "\r");
    if (rows > 1)
        buf_putf(b, "\033[%zuA", rows - 1);
    buf_puts(b, rows > 1 ? "\033[J" : "\033[K");
    u->n_rows = 0;
}

void ui_erase(struct ui *u)
{
    cleanup_buf struct buf b = BUF_MAX(64);

    put_erase(u, &b);
    ui_out(u, buf_str(&b));
}

/* --- drawing --- */

/* A rendered line, cut to the columns; our colour sequences take up none. Returns its columns. */
static size_t put_cut(struct str line, size_t columns, struct buf *b)
{
    size_t used = 0;
    bool coloured = false;

    while (line.n) {
        size_t n = utf8_seq(line, NULL), w = 0;
        if (n == 0)
            n = 1;
        if (line.p[0] == '\033') {
            while (n < line.n && line.p[n - 1] != 'm')
                n++;
            coloured = true;
        } else {
            w = utf8_width((struct str){ line.p, n });
        }
        if (used + w > columns)
            break;
        buf_put(b, line.p, n);
        used += w;
        line = str_from(line, n);
    }
    if (line.n && coloured)
        buf_puts(b, "\033[0m");
    return used;
}

static void live_line(struct ui *u, struct str line, struct buf *b)
{
    if (u->n_rows == UI_MAX_ROWS)
        return;
    if (u->n_rows)
        buf_puts(b, "\r\n");
    u->rows[u->n_rows++] = put_cut(line, ui_width() - 1, b);
}

/* The last `n` of these lines. */
static void last_lines(struct ui *u, struct str lines, size_t n, struct buf *b)
{
    struct str line;
    size_t at = lines.n;

    if (at && lines.p[at - 1] == '\n')
        lines.n = --at;
    for (size_t found = 0; at > 0; at--)
        if (lines.p[at - 1] == '\n' && ++found == n)
            break;
    lines = str_from(lines, at);
    while (lines.n) {
        str_cut(&lines, '\n', &line);
        live_line(u, line, b);
    }
}

/* Half of the window at most. */
static size_t room(void)
{
    struct winsize w;
    size_t rows = ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row ? w.ws_row : 24;
    size_t n = rows / 2;

    return n < 1 ? 1 : n > UI_MAX_ROWS - 1 ? UI_MAX_ROWS - 1 : n;
}

/* The output's last lines: of each what was written last over itself (progress bars), without
 * colours. */
static void draw_tail(struct ui *u, struct buf *b)
{
    cleanup_buf struct buf lines = BUF_MAX(16 * UI_TAIL_BYTES);
    struct str rest = buf_str(&u->tail), line;
    size_t n = room() < TAIL_LINES ? room() : TAIL_LINES;

    while (rest.n) {
        cleanup_buf struct buf bare = BUF_MAX(4 * UI_TAIL_BYTES);
        str_cut(&rest, '\n', &line);
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        const char *over = memrchr(line.p, '\r', line.n);
        if (over)
            line = str_from(line, (size_t)(over + 1 - line.p));
        for (size_t i = 0; i < line.n; i++) {
            if (line.p[i] == '\033' && i + 1 < line.n && line.p[i + 1] == '[') {
                i += 2;
                while (i < line.n && (unsigned char)line.p[i] < 0x40)
                    i++;
            } else {
                buf_putc(&bare, line.p[i] == '\t' ? ' ' : line.p[i]);
            }
        }
        buf_puts(&lines, u->colour ? "\033[2m" : "");
        buf_puts(&lines, "    ");
        utf8_clean_line(&lines, buf_str(&bare));
        buf_puts(&lines, u->colour ? "\033[0m\n" : "\n");
    }
    last_lines(u, buf_str(&lines), n, b);
}

static void draw_reply(struct ui *u, struct buf *b)
{
    cleanup_buf struct buf lines = BUF_MAX(SIZE_MAX / 8);
    struct markdown_look look = ui_look(u);

    if (u->same) {
        if (u->after == AFTER_LINE)
            buf_putc(&lines, '\n');
        markdown_rest(u->reply, &look, &lines);
        last_lines(u, buf_str(&lines), room(), b);
    } else {
        /* Only its end, since it may be the answer, which standard output gets. */
        buf_putstr(&lines, utf8_tail(buf_str(&u->held), UI_TAIL_BYTES));
        markdown_rest(u->reply, &look, &lines);
        last_lines(u, buf_str(&lines), room() < TAIL_LINES ? room() : TAIL_LINES, b);
    }
}

static void put_moving_line(struct ui *u, struct buf *b)
{
    static const char *const frames[] = { "⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏" };
    static const char *const ascii[] = { "|", "/", "-", "\\" };
    cleanup_buf struct buf line = BUF_MAX(UI_MAX_LINE), tail = BUF_MAX(64);
    size_t columns = ui_width();

    /* Not before there is something to tell: the line may stand still for a while. */
    if (now_ms() - u->wait_since >= 1000) {
        buf_putc(&tail, ' ');
        ui_put_elapsed(&tail, now_ms() - u->wait_since);
    }
    ui_styled(u, &line, CYAN,
              str_of(u->ascii ? ascii[u->frame % ARRAY_LEN(ascii)]
                              : frames[u->frame % ARRAY_LEN(frames)]));
    u->frame++;
    buf_putc(&line, ' ');
    put_cut(str_of(u->waiting), columns > tail.n + 3 ? columns - tail.n - 3 : 0, &line);
    if (tail.n)
        ui_styled(u, &line, DIM, buf_str(&tail));
    live_line(u, buf_str(&line), b);
}

static void put_live(struct ui *u, struct buf *b)
{
    if (!u->moving || u->waiting == NULL || u->stream)
        return;
    if (u->in_reply)
        draw_reply(u, b);
    else if (u->tail.n)
        draw_tail(u, b);
    put_moving_line(u, b);
    u->last_draw = now_ms();
}

void ui_draw(struct ui *u)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 8);

    if (u->n_rows)
        put_erase(u, &b);
    else
        buf_puts(&b, "\r\033[K");
    put_live(u, &b);
    ui_out(u, buf_str(&b));
}

void ui_stay(struct ui *u, struct str lines, bool text, bool again)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 4);

    put_erase(u, &b);
    /* Text stands apart from lines of ours. */
    if (u->moving && ((text && u->after == AFTER_LINE) || (!text && u->after == AFTER_TEXT)))
        buf_putc(&b, '\n');
    u->after = text ? AFTER_TEXT : AFTER_LINE;
    buf_putstr(&b, lines);
    if (again)
        put_live(u, &b);
    ui_out(u, buf_str(&b));
}

/* --- the reply --- */

void ui_reply(struct ui *u, struct str piece)
{
    cleanup_buf struct buf lines = BUF_MAX(SIZE_MAX / 8);
    struct markdown_look look = ui_look(u);

    if (!u->in_reply) {
        buf_clear(&u->said);
        buf_clear(&u->held);
    }
    u->in_reply = true;
    buf_putstr(&u->said, piece);
    markdown_feed(u->reply, piece, &look, &lines);
    if (!u->same)
        buf_putstr(&u->held, buf_str(&lines));
    else if (lines.n)
        ui_stay(u, buf_str(&lines), true, true);
    ui_tick(u);
}

void ui_reply_end(struct ui *u, bool goes_on)
{
    cleanup_buf struct buf lines = BUF_MAX(SIZE_MAX / 8);
    struct markdown_look look = ui_look(u);

    if (!u->in_reply)
        return;
    u->in_reply = false;
    buf_putstr(&lines, buf_str(&u->held));
    buf_clear(&u->held);
    markdown_end(u->reply, &look, &lines);
    if (lines.n && (u->same || goes_on))
        ui_stay(u, buf_str(&lines), true, false);
    else
        ui_erase(u);
}

/* --- a cell's output --- */

void ui_cell_tail(struct ui *u, struct str bytes)
{
    if (!u->moving || u->waiting == NULL)
        return;
    bytes = str_from(bytes, bytes.n > UI_TAIL_BYTES ? bytes.n - UI_TAIL_BYTES : 0);
    if (u->tail.n + bytes.n > 2 * UI_TAIL_BYTES)
        buf_drop_front(&u->tail, u->tail.n + bytes.n - UI_TAIL_BYTES);
    buf_putstr(&u->tail, bytes);
    ui_tick(u);
}

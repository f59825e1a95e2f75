#include "agent/consent.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

#define LINE_BYTES 4096 /* what a terminal gives at once */

struct consent {
    int fd;
    const char *flag;
    bool always;
};

struct consent *consent_open(const char *flag, struct err *e)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

    if (fd < 0) {
        err_set(e, ERR_USAGE, 0,
                "%s needs a terminal to ask on, and this process has none (%s): start it from one, "
                "or leave %s out",
                flag, strerror(errno), flag);
        return NULL;
    }
    struct consent *c = xcalloc(1, sizeof *c);
    c->fd = fd;
    c->flag = flag;
    return c;
}

void consent_free(struct consent *c)
{
    if (c)
        close(c->fd);
    free(c);
}

static int show(struct consent *c, const struct buf *b, struct err *e)
{
    return io_write_all(c->fd, buf_cstr(b), b->n, e) < 0 ? err_wrap(e, "%s: the terminal", c->flag)
                                                         : 0;
}

static int show_cell(struct consent *c, const struct consent_cell *cell, struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 4);
    struct str rest = cell->code, line;

    buf_putf(&b, "\nCell %d, %s", cell->number, cell->language);
    if (cell->description) {
        buf_puts(&b, ": ");
        utf8_clean_line(&b, str_of(cell->description));
    }
    buf_puts(&b, "\n");
    for (bool more = rest.n > 0; more;) {
        more = str_cut(&rest, '\n', &line);
        if (!more && line.n == 0)
            break;
        buf_puts(&b, "  | ");
        utf8_clean(&b, line);
        buf_putc(&b, '\n');
    }
    return show(c, &b, e);
}

/* One line from the terminal without its end; 0 at its end of file. */
static int read_line(struct consent *c, const struct stop *stop, struct buf *line, struct err *e)
{
    char piece[LINE_BYTES];

    for (;;) {
        struct pollfd p[2] = { { c->fd, POLLIN, 0 }, { stop->cancel_fd, POLLIN, 0 } };
        if (stop_check(stop, e) < 0)
            return -1;
        if (poll(p, 2, stop_poll_ms(stop, -1)) < 0 && errno != EINTR)
            return err_set(e, ERR_SYS, errno, "%s: wait for the terminal", c->flag);
        if (stop_check(stop, e) < 0)
            return -1;
        if (p[0].revents == 0)
            continue;
        ssize_t n = read(c->fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, ERR_SYS, errno, "%s: read from the terminal", c->flag);
        if (n == 0)
            return 0;
        buf_put(line, piece, (size_t)n);
        if (line->n && line->p[line->n - 1] == '\n') {
            line->n--;
            return 1;
        }
        if (line->over)
            return 1;
    }
}

static int put_question(struct consent *c, const char *text, const struct stop *stop,
                        struct buf *answer, struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(4096);

    buf_clear(answer);
    buf_puts(&b, text);
    tcflush(c->fd, TCIFLUSH); /* typed ahead is no answer to what was not seen yet */
    bool echo = io_set_echo(c->fd, true);
    int r = show(c, &b, e) < 0 ? -1 : read_line(c, stop, answer, e);
    (void)io_set_echo(c->fd, echo);
    return r;
}

static char *clean(struct str s)
{
    cleanup_buf struct buf b = BUF_MAX(8 * LINE_BYTES);

    utf8_clean_line(&b, utf8_head(str_trim(s), 1000));
    return b.n ? buf_steal(&b) : NULL;
}

static bool is_word(struct str s, char letter, const char *word)
{
    char c = s.n ? (char)(s.p[0] | 0x20) : 0;

    return s.n == 1 ? c == letter : s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

int consent_ask(struct consent *c, const struct consent_cell *cell, const struct stop *stop,
                enum consent_answer *ret, char **ret_reason, struct err *e)
{
    cleanup_buf struct buf line = BUF_MAX(LINE_BYTES);

    *ret = CONSENT_YES;
    *ret_reason = NULL;
    if (c->always)
        return 0;
    if (show_cell(c, cell, e) < 0)
        return -1;
    for (;;) {
        struct str word, rest;
        int r = put_question(c, "Run it? y(es), n(o) and why, a(lways), q(uit): ", stop, &line, e);
        if (r < 0)
            return -1;
        rest = str_trim(buf_str(&line));
        (void)str_cut(&rest, ' ', &word);
        if (r == 0 || is_word(word, 'q', "quit"))
            return err_set(e, ERR_CANCEL, SIGINT, "stopped by the user before cell %d",
                           cell->number);
        c->always = is_word(word, 'a', "always");
        if (c->always || is_word(word, 'y', "yes"))
            return 0;
        if (!is_word(word, 'n', "no"))
            continue;
        *ret = CONSENT_NO;
        if (word.n < str_trim(buf_str(&line)).n) {
            *ret_reason = clean(rest);
            return 0;
        }
        r = put_question(c, "Why not? The model is told (Enter for no reason): ", stop, &line, e);
        if (r < 0)
            return -1;
        *ret_reason = r ? clean(buf_str(&line)) : NULL;
        return 0;
    }
}

int consent_yes(struct consent *c, struct str text, const char *question, const struct stop *stop,
                bool *ret, struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 4), line = BUF_MAX(LINE_BYTES);

    utf8_clean(&b, text);
    if (show(c, &b, e) < 0)
        return -1;
    for (;;) {
        int r = put_question(c, question, stop, &line, e);
        if (r < 0)
            return -1;
        struct str word = str_trim(buf_str(&line));
        *ret = r && is_word(word, 'y', "yes");
        if (r == 0 || *ret || is_word(word, 'n', "no"))
            return 0;
    }
}

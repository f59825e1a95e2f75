#include "agent/chat_line.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

#define MAX_HISTORY 1000
#define PASTE_BEGIN "\033[200~"
#define PASTE_END "\033[201~"
#define LINE_END_SIGN "␤" /* a pasted line end, until the line is taken */

struct chat_line {
    const struct stop *stop;
    const char *const *words, *const *paths;
    EditLine *el; /* NULL = not interactive */
    History *history;
    FILE *in, *out;
    const char *prompt;
    struct buf queue; /* bytes that were read and not yet taken */
    bool pasting, broken, ended;
    bool fresh; /* nothing of this line was read yet */
    bool echo;  /* the terminal showed what is typed before we came */
    unsigned short columns, rows;
    struct err why;
};

/* --- bytes --- */

/* Waits for input, or for what ends the wait; adds what came to the queue. 0 = end of input. */
static int fill(struct chat_line *l, int ms)
{
    char bytes[4096];

    for (;;) {
        struct pollfd p[] = { { STDIN_FILENO, POLLIN, 0 }, { l->stop->cancel_fd, POLLIN, 0 } };
        int r = poll(p, l->stop->cancel_fd >= 0 ? 2 : 1, stop_poll_ms(l->stop, ms));
        if (r < 0 && errno != EINTR) {
            err_set(&l->why, ERR_INTERNAL, errno, "poll");
            return -1;
        }
        if (stop_check(l->stop, &l->why) < 0) {
            /* Ctrl-C at the prompt is no end; anything else is. */
            if (l->why.code == ERR_CANCEL && l->why.sys == SIGINT && l->el) {
                (void)stop_take_signal(l->stop);
                l->why = (struct err)ERR_INIT;
                l->broken = true;
            }
            return -1;
        }
        if (r > 0 && p[0].revents) {
            ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
            if (n < 0 && (errno == EINTR || errno == EAGAIN))
                continue;
            if (n <= 0)
                return 0;
            buf_put(&l->queue, bytes, (size_t)n);
            return 1;
        }
        if (ms >= 0)
            return 0;
        struct winsize w;
        if (l->el && ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 &&
            (w.ws_col != l->columns || w.ws_row != l->rows)) {
            l->columns = w.ws_col;
            l->rows = w.ws_row;
            el_resize(l->el);
        }
    }
}

/* Is this sequence next? It may come in pieces. */
static bool next_is(struct chat_line *l, const char *sequence)
{
    size_t n = strlen(sequence);

    while (l->queue.n < n && strncmp(l->queue.p, sequence, l->queue.n) == 0)
        if (fill(l, 20) <= 0)
            return false;
    if (l->queue.n < n || strncmp(l->queue.p, sequence, n) != 0)
        return false;
    buf_drop_front(&l->queue, n);
    return true;
}

/* libedit's next character. */
static int next_char(EditLine *el, wchar_t *ret)
{
    struct chat_line *l = NULL;
    unsigned cp = 0;

    el_get(el, EL_CLIENTDATA, &l);
    for (;;) {
        if (l->queue.n == 0) {
            int r = fill(l, -1);
            if (r <= 0)
                return r;
        }
        /* A Ctrl-D that was typed while the terminal was not yet the editor's comes as a NUL. */
        if (l->fresh && l->queue.p[0] == '\0')
            l->queue.p[0] = '\004';
        l->fresh = false;
        if (l->queue.p[0] == '\033' && next_is(l, l->pasting ? PASTE_END : PASTE_BEGIN)) {
            l->pasting = !l->pasting;
            continue;
        }
        size_t n = utf8_seq(buf_str(&l->queue), &cp);
        unsigned char first = (unsigned char)l->queue.p[0];
        size_t want = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
        if (n == 0 && l->queue.n < want && fill(l, 20) > 0)
            continue;
        if (n == 0)
            cp = 0xFFFD;
        buf_drop_front(&l->queue, n ? n : 1);
        if (l->pasting && (cp == '\r' || cp == '\n')) {
            if (cp == '\r' && l->queue.n && l->queue.p[0] == '\n')
                buf_drop_front(&l->queue, 1);
            cp = 0x2424;
        } else if (l->pasting && cp == '\t') {
            cp = ' ';
        } else if (l->pasting && (cp < 0x20 || cp == 0x7f)) {
            continue; /* pasted keys are text, not keys */
        }
        *ret = (wchar_t)cp;
        return 1;
    }
}

/* --- completion --- */

static void offer(struct buf *best, size_t *hits, size_t typed, const char *word, const char *end)
{
    if ((*hits)++ == 0) {
        buf_puts(best, word);
        buf_puts(best, end);
        return;
    }
    size_t n = 0;
    while (n < best->n && word[n] && best->p[n] == word[n])
        n++;
    best->n = n < typed ? typed : n; /* what they share */
    best->p[best->n] = '\0';
}

static void offer_files(struct buf *best, size_t *hits, const char *typed)
{
    const char *slash = strrchr(typed, '/'), *name = slash ? slash + 1 : typed;
    cleanup_free char *dir = slash ? xstrndup(typed, (size_t)(slash + 1 - typed)) : xstrdup("");
    DIR *d = opendir(dir[0] ? dir : ".");
    struct dirent *entry;

    for (size_t i = 0; d && i < MAX_SCAN_ENTRIES && (entry = readdir(d)) != NULL; i++) {
        struct stat st;
        if (strncmp(entry->d_name, name, strlen(name)) != 0 ||
            (entry->d_name[0] == '.' && name[0] != '.'))
            continue;
        cleanup_free char *path = xasprintf("%s%s", dir, entry->d_name);
        offer(best, hits, strlen(typed), path,
              stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? "/" : " ");
    }
    if (d)
        closedir(d);
}

static unsigned char on_tab(EditLine *el, int ch)
{
    cleanup_buf struct buf best = BUF_MAX(64 * KIB);
    struct chat_line *l = NULL;
    const LineInfo *line = el_line(el);
    size_t hits = 0, n = (size_t)(line->cursor - line->buffer);

    (void)ch;
    el_get(el, EL_CLIENTDATA, &l);
    cleanup_free char *typed = xstrndup(line->buffer, n);
    char *space = strchr(typed, ' ');
    if (typed[0] != '/')
        return CC_ERROR;
    if (space == NULL) {
        for (size_t i = 0; l->words[i]; i++)
            if (strncmp(l->words[i], typed, n) == 0)
                offer(&best, &hits, n, l->words[i], " ");
    } else {
        bool takes_path = false;
        for (size_t i = 0; l->paths[i]; i++)
            takes_path = takes_path || (strlen(l->paths[i]) == (size_t)(space - typed) &&
                                        strncmp(l->paths[i], typed, (size_t)(space - typed)) == 0);
        if (!takes_path)
            return CC_ERROR;
        memmove(typed, space + 1, strlen(space));
        offer_files(&best, &hits, typed);
    }
    n = strlen(typed);
    /* A file's name may hold what would drive the terminal. */
    cleanup_buf struct buf clean = BUF_MAX(1 * MIB);
    utf8_clean_line(&clean, buf_str(&best));
    if (best.n <= n || !str_eq(buf_str(&clean), buf_str(&best)))
        return CC_ERROR;
    el_insertstr(el, best.p + n);
    return CC_REFRESH;
}

/* --- the history --- */

static char *history_path(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    if (state && state[0] == '/')
        return io_join(state, "agent/history");
    return home && home[0] ? io_join(home, ".local/state/agent/history") : NULL;
}

static void load_history(struct chat_line *l)
{
    cleanup_free char *path = history_path();
    HistEvent ev;

    l->history = history_init();
    history(l->history, &ev, H_SETSIZE, MAX_HISTORY);
    history(l->history, &ev, H_SETUNIQUE, 1);
    if (path)
        history(l->history, &ev, H_LOAD, path);
    el_set(l->el, EL_HIST, history, l->history);
}

/* Whole or not at all, and nobody else's to read. A history that cannot be kept is no reason to end
 * with an error. */
static void save_history(struct chat_line *l)
{
    cleanup_free char *path = history_path();
    struct err ignored = ERR_INIT;
    HistEvent ev;

    if (path == NULL)
        return;
    cleanup_free char *dir = xstrndup(path, strlen(path) - strlen("/history"));
    cleanup_free char *fresh = xasprintf("%s.%d", path, (int)getpid());
    if (io_mkdirs(dir, 0700, &ignored) < 0)
        return;
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (f == NULL)
        return;
    bool ok = history(l->history, &ev, H_SAVE_FP, f) >= 0;
    if (fclose(f) != 0 || !ok || rename(fresh, path) < 0)
        unlink(fresh);
}

/* --- reading --- */

static char *show_prompt(EditLine *el)
{
    struct chat_line *l = NULL;

    el_get(el, EL_CLIENTDATA, &l);
    return (char *)l->prompt;
}

struct chat_line *chat_line_new(const struct stop *stop, const char *const *complete,
                                const char *const *paths)
{
    struct chat_line *l = xcalloc(1, sizeof *l);
    const char *term = getenv("TERM");

    l->stop = stop;
    l->words = complete;
    l->paths = paths;
    l->queue = (struct buf)BUF_MAX(SIZE_MAX / 8);
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO) || term == NULL || *term == '\0' ||
        strcmp(term, "dumb") == 0)
        return l;
    /* The text is UTF-8 whatever the locale says; messages stay as they are. */
    if (setlocale(LC_CTYPE, "") == NULL || strcmp(setlocale(LC_CTYPE, NULL), "C") == 0 ||
        strcmp(setlocale(LC_CTYPE, NULL), "POSIX") == 0)
        setlocale(LC_CTYPE, "C.UTF-8");
    l->in = fdopen(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), "r");
    l->out = fdopen(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3), "w");
    l->el = l->in && l->out ? el_init("agent", l->in, l->out, l->out) : NULL;
    if (l->el == NULL)
        return l;
    el_set(l->el, EL_CLIENTDATA, l);
    el_set(l->el, EL_PROMPT, show_prompt);
    el_set(l->el, EL_EDITOR, "emacs");
    el_set(l->el, EL_SIGNAL, 0);
    el_set(l->el, EL_GETCFN, next_char);
    el_set(l->el, EL_ADDFN, "agent-complete", "complete commands and files", on_tab);
    el_set(l->el, EL_BIND, "^I", "agent-complete", NULL);
    el_set(l->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    load_history(l);
    /* The editor shows what is typed. What is typed while it is not reading, it shows later; and
     * between its prompt and its first look the terminal would show it as well. */
    l->echo = io_set_echo(STDIN_FILENO, false);
    return l;
}

bool chat_line_interactive(const struct chat_line *l)
{
    return l->el != NULL;
}

void chat_line_free(struct chat_line *l)
{
    if (l == NULL)
        return;
    if (l->el) {
        (void)io_set_echo(STDIN_FILENO, l->echo);
        save_history(l);
        el_end(l->el);
        history_end(l->history);
    }
    if (l->in)
        fclose(l->in);
    if (l->out)
        fclose(l->out);
    buf_free(&l->queue);
    free(l);
}

/* One line of a terminal, without its end. */
static bool edit_line(struct chat_line *l, struct buf *out)
{
    int n = 0;

    fputs("\033[?2004h", l->out);
    fflush(l->out);
    l->fresh = true;
    const char *line = el_gets(l->el, &n);
    (void)io_set_echo(STDIN_FILENO, false); /* libedit gives it back as it found it at first */
    fputs(l->broken ? "^C\n\033[?2004l" : "\033[?2004l", l->out);
    fflush(l->out);
    l->pasting = false;
    if (line == NULL || n <= 0 || l->broken) {
        if (!l->broken) {
            fputs("\n", l->out);
            fflush(l->out);
        }
        el_reset(l->el);
        return false;
    }
    for (struct str rest = { line, (size_t)n }; rest.n;) {
        if (str_starts(rest, LINE_END_SIGN)) {
            buf_putc(out, '\n');
            rest = str_from(rest, strlen(LINE_END_SIGN));
        } else {
            if (rest.p[0] != '\n' || rest.n > 1)
                buf_putc(out, rest.p[0]);
            rest = str_from(rest, 1);
        }
    }
    return true;
}

/* One line of a file or pipe, the last also without its end. */
static bool plain_line(struct chat_line *l, struct buf *out)
{
    for (size_t looked = 0;;) {
        const char *end =
            l->queue.n > looked ? memchr(l->queue.p + looked, '\n', l->queue.n - looked) : NULL;
        if (end || (l->ended && l->queue.n)) {
            size_t n = end ? (size_t)(end - l->queue.p) : l->queue.n;
            buf_put(out, l->queue.p, n && l->queue.p[n - 1] == '\r' ? n - 1 : n);
            buf_drop_front(&l->queue, end ? n + 1 : n);
            return true;
        }
        looked = l->queue.n;
        if (looked > MAX_PROMPT_BYTES) {
            err_set(&l->why, ERR_USAGE, 0, "a line of standard input is longer than %u bytes",
                    MAX_PROMPT_BYTES);
            return false;
        }
        if (l->ended)
            return false;
        int r = fill(l, -1);
        if (r < 0)
            return false;
        l->ended = r == 0;
    }
}

static bool take_line(struct chat_line *l, const char *prompt, struct buf *out)
{
    l->prompt = prompt;
    return l->el ? edit_line(l, out) : plain_line(l, out);
}

enum chat_got chat_line_read(struct chat_line *l, char **ret, struct err *e)
{
    cleanup_buf struct buf all = BUF_MAX(MAX_PROMPT_BYTES);
    bool first = true, quoted = false, more = true;

    l->broken = false;
    l->why = (struct err)ERR_INIT;
    while (more) {
        cleanup_buf struct buf line = BUF_MAX(2 * MAX_PROMPT_BYTES);
        if (!take_line(l, first ? "> " : ". ", &line)) {
            if (l->broken)
                return CHAT_BREAK;
            *e = l->why;
            if (l->why.code != ERR_NONE || all.n == 0)
                return CHAT_END;
            break; /* the input ends in the middle of a question: it is all there is */
        }
        if (str_is(str_trim(buf_str(&line)), "\"\"\"")) {
            more = first;
            quoted = first;
        } else if (!quoted && line.n && line.p[line.n - 1] == '\\') {
            buf_put(&all, line.p, line.n - 1);
            buf_putc(&all, '\n');
        } else {
            buf_putstr(&all, buf_str(&line));
            buf_puts(&all, quoted ? "\n" : "");
            more = quoted;
        }
        first = false;
    }
    if (all.over) {
        err_set(e, ERR_USAGE, 0,
                "the question is longer than %u bytes. Attach the text as a file (/file)",
                MAX_PROMPT_BYTES);
        return CHAT_END;
    }
    cleanup_free char *text = str_dup(str_trim(buf_str(&all)));
    if (l->el && text[0]) {
        HistEvent ev;
        history(l->history, &ev, H_ENTER, text);
    }
    *ret = steal_ptr(&text);
    return CHAT_LINE;
}

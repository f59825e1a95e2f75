#include "agent/textguess.h"
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

/* Formats that may begin with much text but are none. */
static bool has_binary_magic(struct str b)
{
    static const char *const magic[] = { "%PDF-",
                                         "PK\003\004",
                                         "\x89PNG",
                                         "\x1f\x8b",
                                         "PAR1",
                                         "SQLite format 3",
                                         "\xff\xd8\xff",
                                         "GIF8",
                                         "\x7f"
                                         "ELF",
                                         "BZh",
                                         "\xfd"
                                         "7zXZ",
                                         "\x28\xb5\x2f\xfd" };

    for (size_t i = 0; i < ARRAY_LEN(magic); i++)
        if (str_starts(b, magic[i]))
            return true;
    return false;
}

enum attach_encoding guess_encoding(struct str b, bool is_all)
{
    size_t nul[2] = { 0, 0 }, controls = 0;
    bool ascii = true;

    if (has_binary_magic(b))
        return ENC_BINARY;
    if (b.n >= 2 && memcmp(b.p, "\xFF\xFE", 2) == 0)
        return ENC_UTF16LE;
    if (b.n >= 2 && memcmp(b.p, "\xFE\xFF", 2) == 0)
        return ENC_UTF16BE;
    for (size_t i = 0; i < b.n; i++) {
        unsigned char c = (unsigned char)b.p[i];
        nul[i & 1] += c == 0;
        controls += c < 32 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1b;
        ascii = ascii && c < 0x80;
    }
    /* Latin text in UTF-16 without a mark: every other byte is NUL, and only those. */
    if (nul[1] * 2 > b.n / 2 && nul[0] * 20 < b.n)
        return ENC_UTF16LE;
    if (nul[0] * 2 > b.n / 2 && nul[1] * 20 < b.n)
        return ENC_UTF16BE;
    if (nul[0] + nul[1] || controls * 50 > b.n)
        return ENC_BINARY;
    if (ascii)
        return ENC_ASCII;
    bool mark = str_starts(b, "\xEF\xBB\xBF");
    /* The end of the sample may cut a sequence: give up to three bytes back. */
    for (size_t back = 0; back <= (is_all ? 0u : 3u) && back <= b.n; back++)
        if (utf8_valid((struct str){ b.p, b.n - back }))
            return mark ? ENC_UTF8_BOM : ENC_UTF8;
    return ENC_8BIT;
}

static void put_cp(struct buf *out, unsigned cp)
{
    char s[4];
    size_t n;

    if (cp < 0x80) {
        s[0] = (char)cp;
        n = 1;
    } else if (cp < 0x800) {
        s[0] = (char)(0xC0 | cp >> 6);
        n = 2;
    } else if (cp < 0x10000) {
        s[0] = (char)(0xE0 | cp >> 12);
        n = 3;
    } else {
        s[0] = (char)(0xF0 | cp >> 18);
        n = 4;
    }
    for (size_t i = 1; i < n; i++)
        s[i] = (char)(0x80 | (cp >> (6 * (n - 1 - i)) & 0x3F));
    buf_put(out, s, n);
}

static void decode_utf16(struct str b, bool big, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)b.p;

    for (size_t i = 0; i + 1 < b.n; i += 2) {
        unsigned u = big ? (unsigned)p[i] << 8 | p[i + 1] : (unsigned)p[i + 1] << 8 | p[i];
        if (i == 0 && u == 0xFEFF)
            continue;
        if (u >= 0xD800 && u < 0xDC00 && i + 3 < b.n) {
            unsigned v =
                big ? (unsigned)p[i + 2] << 8 | p[i + 3] : (unsigned)p[i + 3] << 8 | p[i + 2];
            if (v >= 0xDC00 && v < 0xE000) {
                put_cp(out, 0x10000 + ((u - 0xD800) << 10) + (v - 0xDC00));
                i += 2;
                continue;
            }
        }
        put_cp(out, u >= 0xD800 && u < 0xE000 ? 0xFFFD : u);
    }
    if (b.n % 2)
        put_cp(out, 0xFFFD);
}

static void decode_8bit(struct str b, struct buf *out)
{
    /* cp1252 where it differs from Latin-1: 0x80 to 0x9F; 0 = not assigned. */
    static const unsigned short high[32] = {
        0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
        0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
        0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178,
    };

    for (size_t i = 0; i < b.n; i++) {
        unsigned c = (unsigned char)b.p[i];
        if (c >= 0x80 && c < 0xA0)
            c = high[c - 0x80] ? high[c - 0x80] : 0xFFFD;
        put_cp(out, c);
    }
}

void guess_decode(struct str b, enum attach_encoding enc, struct buf *out)
{
    switch (enc) {
    case ENC_BINARY:
        break;
    case ENC_UTF16LE:
    case ENC_UTF16BE:
        decode_utf16(b, enc == ENC_UTF16BE, out);
        break;
    case ENC_8BIT:
        decode_8bit(b, out);
        break;
    case ENC_UTF8_BOM:
        b = str_from(b, 3);
        /* fall through */
    default:
        for (size_t n; b.n; b = str_from(b, n ? n : 1)) {
            n = utf8_seq(b, NULL);
            if (n)
                buf_put(out, b.p, n);
            else
                buf_puts(out, "\xEF\xBF\xBD");
        }
    }
}

/* One line off the front, without its end: LF, CR LF, or a lone CR (old Mac and Excel files). */
static bool take_line(struct str *s, struct str *line)
{
    size_t n = 0;

    if (s->n == 0)
        return false;
    while (n < s->n && s->p[n] != '\n' && s->p[n] != '\r')
        n++;
    *line = (struct str){ s->p, n };
    size_t end = n < s->n ? n + 1 : n;
    if (n + 1 < s->n && s->p[n] == '\r' && s->p[n + 1] == '\n')
        end = n + 2;
    *s = str_from(*s, end);
    return true;
}

/* A sample that is cut inside a character would show a U+FFFD that is not in the file. */
static struct str whole_characters(struct str b, bool is_all, enum attach_encoding enc)
{
    if (is_all)
        return b;
    if (enc == ENC_UTF16LE || enc == ENC_UTF16BE)
        b.n -= b.n % 2;
    else if (enc == ENC_UTF8 || enc == ENC_UTF8_BOM)
        for (size_t back = 0; back < 3 && b.n && !utf8_valid(b); back++)
            b.n--;
    return b;
}

bool guess_head(struct str bytes, bool is_all, enum attach_encoding enc, size_t lines, size_t max,
                struct buf *out)
{
    cleanup_buf struct buf text = BUF_MAX(8 * GUESS_BYTES);
    size_t start = out->n, per_line = max / 3;
    struct str rest, line;
    bool all = is_all;

    if (enc == ENC_BINARY)
        return false;
    bytes = whole_characters(bytes, is_all, enc);
    if (bytes.n > GUESS_BYTES) {
        bytes.n = GUESS_BYTES;
        all = false;
    }
    guess_decode(bytes, enc, &text);
    rest = buf_str(&text);
    for (size_t i = 0; i < lines && take_line(&rest, &line); i++) {
        cleanup_buf struct buf clean = BUF_MAX(64 * GUESS_BYTES), shown = BUF_MAX(64 * GUESS_BYTES);
        utf8_clean(&clean, line);
        struct str head = utf8_head(buf_str(&clean), per_line);
        buf_putstr(&shown, head);
        if (head.n < clean.n) {
            buf_putf(&shown, "... (%s%zu more bytes)", rest.n || all ? "" : "at least ",
                     clean.n - head.n);
            all = false;
        }
        buf_putc(&shown, '\n');
        if (out->n - start + shown.n > max)
            return false;
        buf_putstr(out, buf_str(&shown));
    }
    return all && rest.n == 0;
}

static bool is_json(struct str s, char first)
{
    struct err e = ERR_INIT;

    s = str_trim(s);
    if (s.n == 0 || s.p[0] != first)
        return false;
    cleanup_json struct cJSON *j = json_parse(s, &e);
    return j != NULL;
}

/* The number of separators outside quotes, and how many of them are followed by a space. */
static size_t count_sep(struct str line, char sep, size_t *spaced)
{
    bool quoted = false;
    size_t n = 0;

    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == '"')
            quoted = !quoted;
        if (line.p[i] != sep || quoted)
            continue;
        n++;
        *spaced += i + 1 < line.n && line.p[i + 1] == ' ';
    }
    return n;
}

/* Every one of the first lines has the same number of separators. In prose a comma is followed by a
 * space; in a table seldom. */
static bool is_table(struct str text, bool is_all, char sep)
{
    size_t lines = 0, columns = 0, total = 0, spaced = 0;
    struct str line;

    while (lines < 10 && take_line(&text, &line)) {
        if (text.n == 0 && !is_all)
            break; /* the sample may have cut this line */
        if (str_trim(line).n == 0)
            continue;
        size_t n = count_sep(line, sep, &spaced);
        if (n == 0 || (lines > 0 && n != columns))
            return false;
        columns = n;
        total += n;
        lines++;
    }
    return lines >= 2 && (sep == '\t' || spaced * 2 < total);
}

const char *guess_format(struct str text, bool is_all)
{
    struct str rest = str_trim(text), first, second = { "", 0 };

    if (rest.n && (rest.p[0] == '{' || rest.p[0] == '[')) {
        struct str all = rest;
        (void)take_line(&rest, &first);
        bool two = take_line(&rest, &second) && (rest.n || is_all || second.n);
        if (two && is_json(first, '{') && str_starts(second, "{"))
            return "jsonl";
        if (is_all ? is_json(all, all.p[0]) : true)
            return "json";
    }
    if (is_table(text, is_all, '\t'))
        return "tsv";
    if (is_table(text, is_all, ',') || is_table(text, is_all, ';') || is_table(text, is_all, '|'))
        return "csv";
    return NULL;
}

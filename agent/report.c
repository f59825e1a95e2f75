#include "agent/report.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/conf.h"
#include "agent/ground.h"
#include "agent/report_parts.h"
#include "agent/base/banned.h"

/* --- which --- */

static const struct {
    const char *ending;
    enum report_format format;
} endings[] = {
    { ".html", REPORT_HTML },         { ".htm", REPORT_HTML }, { ".md", REPORT_MARKDOWN },
    { ".markdown", REPORT_MARKDOWN }, { ".pdf", REPORT_PDF },  { ".xlsx", REPORT_XLSX },
};

int report_format_of(const char *path, enum report_format *ret, struct err *e)
{
    const char *dot = strrchr(io_basename(path), '.');

    for (size_t i = 0; dot && dot > io_basename(path) && i < ARRAY_LEN(endings); i++)
        if (strcasecmp(dot, endings[i].ending) == 0) {
            *ret = endings[i].format;
            return 0;
        }
    return err_set(e, ERR_USAGE, 0,
                   "%s: a report's format is told by its ending: .html, .md, .pdf or .xlsx", path);
}

/* --- converters, each run as one cell of a fresh sandbox --- */

extern const char report_pdf_py[], report_pdf_py_end[], report_xlsx_py[], report_xlsx_py_end[];
static const struct tool {
    const char *begin, *end, *input, *output, *module, *format, *package;
} tools[] = {
    [TOOL_PDF] = { report_pdf_py, report_pdf_py_end, "report.html", "report.pdf", "weasyprint",
                   "PDF", "weasyprint" },
    [TOOL_XLSX] = { report_xlsx_py, report_xlsx_py_end, "report.json", "report.xlsx", "openpyxl",
                    "XLSX", "python3-openpyxl" },
};

static int missing(const struct tool *t, struct err *e)
{
    return err_set(e, ERR_CONFIG, 0,
                   "a report as %s is made with the Python module %s, which does not import in the "
                   "sandbox: install it (Debian: apt install %s), or ask for .html or .md",
                   t->format, t->module, t->package);
}

int report_check(const char *const *paths, size_t n, struct sandbox *probe, const struct stop *stop,
                 struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        enum report_format f;
        cleanup_buf struct buf found = BUF_MAX(MAX_CONF_BYTES);
        if (report_format_of(paths[i], &f, e) < 0)
            return -1;
        if (f != REPORT_PDF && f != REPORT_XLSX)
            continue;
        const struct tool *t = &tools[f == REPORT_PDF ? TOOL_PDF : TOOL_XLSX];
        if (sandbox_probe(probe, t->module, stop, &found, e) < 0)
            return -1;
        if (str_trim(buf_str(&found)).n == 0)
            return missing(t, e);
    }
    return 0;
}

static int give(struct sandbox *s, const struct tool *t, struct str content,
                const struct stop *stop, struct err *e)
{
    cleanup_fd int fd = memfd_create("report", MFD_CLOEXEC);

    if (fd < 0 || io_write_all(fd, content.p, content.n, e) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return err_set(e, ERR_SYS, errno, "hold a report of %zu bytes in memory", content.n);
    return sandbox_file_write(s, str_of(t->input), fd, stop, e);
}

static int run_tool(struct sandbox *s, const struct tool *t, const struct stop *stop,
                    struct buf *out, struct err *e)
{
    __attribute__((cleanup(sandbox_result_done))) struct sandbox_result r = { 0 };
    struct sandbox_cell cell = {
        .context = "default",
        .number = 1,
        .code = { t->begin, (size_t)(t->end - t->begin) },
        .timeout_ms = REPORT_CONVERT_MS,
    };
    int64_t size = 0;

    if (sandbox_run(s, &cell, stop, NULL, &r, e) < 0)
        return -1;
    if (r.status == SANDBOX_ERROR && r.error_name &&
        strcmp(r.error_name, "ModuleNotFoundError") == 0 && strstr(r.error_value, t->module))
        return missing(t, e);
    if (r.status != SANDBOX_OK) {
        cleanup_buf struct buf why = BUF_MAX(MAX_CONF_BYTES);
        utf8_clean_line(&why, utf8_head(str_of(r.error_value), 200));
        return err_set(e, ERR_SANDBOX, 0, "the %s could not be made with %s: %s%s%.200s", t->format,
                       t->module, r.error_name ? r.error_name : sandbox_status_word(r.status),
                       why.n ? ": " : "", buf_cstr(&why));
    }
    cleanup_fd int fd = sandbox_file_open(s, str_of(t->output), &size, e);
    if (fd < 0)
        return err_wrap(e, "%s of %s", t->format, t->module);
    return io_read_fd(fd, out, e);
}

int report_convert(enum report_tool tool, struct str content, const struct conf *c,
                   const struct stop *stop, struct buf *out, struct err *e)
{
    const struct tool *t = &tools[tool];
    struct sandbox_spec spec = {
        .helper = c->sandbox_helper,
        .python = c->python,
        .memory_bytes = c->memory_bytes,
        .workspace_bytes = c->workspace_bytes,
        .file_bytes = c->file_bytes,
        .max_processes = (int)c->max_processes,
        .best = c->sandbox == SANDBOX_BEST,
        .fonts_fd = -1,
    };
    struct sandbox *s = sandbox_start(&spec, e);
    int r = s ? 0 : -1;

    if (r == 0)
        r = sandbox_wait_ready(s, stop, e);
    if (r == 0)
        r = give(s, t, content, stop, e);
    if (r == 0)
        r = run_tool(s, t, stop, out, e);
    sandbox_free(s);
    return r;
}

/* --- writing --- */

void report_facts(const struct report *r, report_fact *fn, void *arg)
{
    char s[200];

    if (r->question) {
        cleanup_buf struct buf q = BUF_MAX(MAX_CONF_BYTES);
        utf8_clean_line(&q, utf8_head(str_of(r->question), 1000));
        fn(arg, "Question", buf_cstr(&q));
    }
    if (r->made)
        fn(arg, "Made", r->made);
    if (r->from_record)
        fn(arg, "How", "from a recorded session, without a model");
    if (r->model) {
        cleanup_free char *m =
            xasprintf("%s%s%s", r->model, r->service && r->service[0] ? ", " : "",
                      r->service ? r->service : "");
        fn(arg, "Model", m);
    }
    if (r->model)
        fn(arg, "Cost", r->cost ? r->cost : "not known: there is no price for this model");
    if (r->cells) {
        snprintf(s, sizeof s, "%d ran, %d of them to their end", r->cells, r->cells_ok);
        fn(arg, "Cells", s);
    }
    if (r->duration_ms) {
        snprintf(s, sizeof s, "%.1f s", (double)r->duration_ms / 1000.0);
        fn(arg, "Time", s);
    }
    if (r->grounding) {
        snprintf(s, sizeof s, "%zu numbers and file names looked up, %zu not found",
                 r->grounding->checked, r->grounding->n_unmatched);
        fn(arg, "Checked", s);
    }
    if (r->session)
        fn(arg, "Session", r->session);
    fn(arg, "Program", "agent " AGENT_VERSION);
}

int report_write(const struct report *r, const char *path, const struct conf *c,
                 const struct stop *stop, struct err *e)
{
    cleanup_buf struct buf page = BUF_MAX(MAX_REPORT_BYTES), out = BUF_MAX(MAX_REPORT_BYTES);
    enum report_format format;
    int failed = 0;

    if (report_format_of(path, &format, e) < 0)
        return -1;
    switch (format) {
    case REPORT_MARKDOWN:
        return report_markdown(r, path, e) < 0 ? err_wrap(e, "report") : 0;
    case REPORT_HTML:
        report_html(r, false, &out);
        break;
    case REPORT_PDF:
        report_html(r, true, &page);
        failed = report_convert(TOOL_PDF, buf_str(&page), c, stop, &out, e);
        break;
    case REPORT_XLSX:
        report_sheets(r, &page);
        failed = report_convert(TOOL_XLSX, buf_str(&page), c, stop, &out, e);
        break;
    }
    if (failed)
        return err_wrap(e, "report %s", path);
    if (page.over || out.over)
        return err_set(e, ERR_LIMIT, 0, "report %s: it is larger than %llu MiB", path,
                       MAX_REPORT_BYTES / MIB);
    /* What cannot be written is named already. */
    return io_write_atomic(AT_FDCWD, path, buf_str(&out), 0666, e) < 0 ? err_wrap(e, "report") : 0;
}

/* --- a recorded session --- */

static const char *text_of(const cJSON *o, const char *name)
{
    const char *s = json_str(o, name);

    return s && s[0] ? s : NULL;
}

int report_of_saved(const struct saved *s, struct report_store *st, struct report *ret,
                    struct buf *notes, struct err *e)
{
    const cJSON *event = saved_last(s, "report");
    const char *text = event ? json_str(event, "markdown") : saved_text(s, "answer", "text");
    const cJSON *m = s->manifest, *start = saved_last(s, "session.start");

    *st = (struct report_store){ .markdown = BUF_MAX(MAX_ANSWER_BYTES * 2) };
    if (text == NULL)
        return err_set(e, ERR_USAGE, 0, "session %s has no answer to make a report of", s->id);
    buf_puts(&st->markdown, text);
    published_load(&st->values, s, notes);
    st->code = xcalloc(s->n_cells + 1, sizeof *st->code);
    *ret = (struct report){
        .markdown = buf_str(&st->markdown),
        .values = &st->values,
        .question = text_of(start, "question"),
        .model = text_of(start, "model"),
        .service = text_of(start, "service"),
        .session = s->id,
        .inputs = json_arr(m ? m : saved_last(s, "inputs"), m ? "inputs" : "files"),
        .turns = (int)json_int(m, "turns", 0),
        .duration_ms = json_int(m, "duration_ms", 0),
        .code = st->code,
        .n_code = s->n_cells,
    };
    for (size_t i = 0; i < s->n_cells; i++) {
        const struct saved_cell *c = &s->cells[i];
        bool ok = c->status && strcmp(c->status, "ok") == 0;
        st->code[i] =
            (struct report_cell){ c->number, c->language, c->description, str_of(c->code), ok };
        ret->cells++;
        ret->cells_ok += ok;
    }
    const char *t = text_of(start, "t");
    if (t && strlen(t) >= 16) {
        snprintf(st->made, sizeof st->made, "%.10s %.5s UTC", t, t + 11);
        ret->made = st->made;
    }
    double cost = json_num(json_obj(m, "usage"), "cost_usd", NAN);
    if (!isnan(cost)) {
        snprintf(st->cost, sizeof st->cost, "%.4f USD", cost);
        ret->cost = st->cost;
    }
    return 0;
}

void report_store_done(struct report_store *s)
{
    published_done(&s->values);
    free(s->code);
    buf_free(&s->markdown);
}

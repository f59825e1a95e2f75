/* What the writers of reports share. */
#ifndef AGENT_REPORT_PARTS_H
#define AGENT_REPORT_PARTS_H

#include "agent/report.h"

/* A report's text, taken apart: pieces of Markdown without references, and between them the
 * figures and tables, in the order of reading. */
enum report_block_kind { BLOCK_MARKDOWN, BLOCK_FIGURE, BLOCK_TABLE };
struct report_block {
    enum report_block_kind kind;
    char *markdown;                      /* owned */
    const struct published_value *value; /* figure, table */
    int number;                          /* Figure 1, Table 1; each kind counts by itself */
};
struct report_blocks {
    struct report_block *v;
    size_t n;
};
void report_blocks_of(struct str markdown, const struct published *values,
                      struct report_blocks *ret);
void report_blocks_done(struct report_blocks *b);

/* "Figure 1" or "Table 1", with the caption behind it. */
void report_label(const struct report_block *b, struct buf *out);
/* The text of one cell of a table: formatted where the code gave a form. */
void report_cell_text(const struct cJSON *data, int row, int column, const struct cJSON *value,
                      struct buf *out);
/* The title on one clean line; caller frees. */
char *report_title(const struct report *r);
/* A table as Markdown, `max_rows` rows of it, with a count of what is not there. */
void report_table_markdown(const struct cJSON *data, size_t max_rows, struct buf *out);
/* The same for a page. `for_print`: a wide one in parts that fit, and fewer rows. */
void report_table_html(const struct cJSON *data, bool for_print, struct buf *out);
/* An index that says more than the row's number. */
bool report_index_matters(const struct cJSON *data);
/* Lines "name: value" about how the report was made. */
typedef void report_fact(void *arg, const char *name, const char *value);
void report_facts(const struct report *r, report_fact *fn, void *arg);

/* The whole page. `for_print`: nothing is folded, and no script. */
void report_html(const struct report *r, bool for_print, struct buf *out);
int report_markdown(const struct report *r, const char *path, struct err *e);
/* The spreadsheet's content for report_xlsx.py. */
void report_sheets(const struct report *r, struct buf *out);
/* Runs one of our converters over `content` and appends what it made to `out`. */
enum report_tool { TOOL_PDF, TOOL_XLSX };
int report_convert(enum report_tool tool, struct str content, const struct conf *c,
                   const struct stop *stop, struct buf *out, struct err *e);

#endif

/* The rows of a batch and their results: reading questions (JSON lines or CSV), shards, result
 * lines, taking up a results file after a crash, merging several. Reads and writes files; never
 * waits. */
#ifndef AGENT_BATCH_ROWS_H
#define AGENT_BATCH_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include "agent/base/err.h"
#include "agent/base/str.h"
#include "agent/conf.h"

struct cJSON;
struct ui;

struct batch_row {
    char *id;       /* as given; NULL = none */
    char *question; /* NULL when `fault` says why there is none */
    char *model, *system_prompt, *append_system;
    struct conf_list files;
    char *fault; /* what is wrong with the row */
    bool mine;   /* of this shard */
    bool done;   /* has a result */
    bool again;  /* its share of --max-cost did not suffice once */
};
struct batch_rows {
    struct batch_row *v;
    size_t n;
    char digest[65]; /* of the whole file: results belong to one list of questions */
};

/* All rows, in order; a bad row is a row with a fault. */
int batch_read(struct batch_rows *rows, const char *path, struct err *e);
void batch_rows_done(struct batch_rows *rows);
/* Marks the rows of the shard; NULL = all. Reads the variables of Slurm and Kubernetes for "auto".
 */
int batch_choose(struct batch_rows *rows, const char *shard, struct err *e);

/* The result line of a row: from what its process printed and how it ended; or of a bad row. Caller
 * owns. */
struct cJSON *batch_result(const struct batch_rows *rows, size_t row, struct str printed, bool cut,
                           int wait_status);
struct cJSON *batch_fault(const struct batch_rows *rows, size_t row);
/* Marks the rows that have a result in `fd`, adds up their cost, and takes away a last line that a
 * crash cut. */
int batch_take_up(struct batch_rows *rows, int fd, const char *path, double *ret_spent,
                  struct err *e);
/* Marks only; the file is as it is, and its last line may still be growing. */
int batch_mark(struct batch_rows *rows, int fd, const char *path, struct err *e);
/* Joins files of results into `out`, whole or not at all: one line a row, in order; of two the
 * good one. ERR_CHECK when some before the last are missing. */
int batch_join(const char *const *paths, size_t n, const char *out, struct ui *ui, struct err *e);
/* agent batch merge --out FILE RESULTS... */
void batch_merge(const struct conf *c, struct ui *ui, struct err *e);

struct program;
/* batch_slurm.c: agent batch --slurm N. Waits for Slurm, under the stop. */
void batch_slurm(struct program *p, struct err *e);

#endif

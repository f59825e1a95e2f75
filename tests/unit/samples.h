/* Reads the recorded bodies under tests/cases. Tests run from the top of the tree. */
#ifndef TESTS_UNIT_SAMPLES_H
#define TESTS_UNIT_SAMPLES_H

#include <stdio.h>
#include <stdlib.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"

/* The whole file; a missing one ends the test. Caller frees with buf_free. */
__attribute__((unused)) static struct buf sample(const char *path)
{
    struct buf b = BUF_MAX(64u << 20);
    struct err e = ERR_INIT;

    if (io_read_file(path, &b, &e) < 0) {
        printf("Bail out! %s\n", e.msg);
        exit(1);
    }
    return b;
}

/* The same splits in every run. */
__attribute__((unused)) static unsigned next_random(unsigned *state)
{
    *state = *state * 1103515245u + 12345u;
    return *state >> 8;
}

#endif

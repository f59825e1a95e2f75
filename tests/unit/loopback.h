/* Starts tests/unit/http_server.py for one test program, and stops it at its end. */
#ifndef TESTS_UNIT_LOOPBACK_H
#define TESTS_UNIT_LOOPBACK_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int loopback_port; /* 0: python3 is not there */
static int loopback_in = -1;
static pid_t loopback_pid;

/* Tests run from the top of the tree. */
static bool loopback_start(void)
{
    int in[2], out[2];
    char line[32] = "";

    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        return false;
    loopback_pid = fork();
    if (loopback_pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execlp("python3", "python3", "tests/unit/http_server.py", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    loopback_in = in[1];
    for (size_t n = 0; n < sizeof line - 1 && !strchr(line, '\n');) {
        ssize_t k = read(out[0], line + n, sizeof line - 1 - n);
        if (k <= 0)
            break;
        n += (size_t)k;
    }
    close(out[0]);
    loopback_port = (int)strtol(line, NULL, 10);
    return loopback_port > 0;
}

__attribute__((unused)) static char *loopback_url(const char *path)
{
    char *s = NULL;

    return asprintf(&s, "http://127.0.0.1:%d/%s", loopback_port, path) < 0 ? NULL : s;
}

static void loopback_stop(void)
{
    if (loopback_in >= 0)
        close(loopback_in);
    if (loopback_pid > 0)
        waitpid(loopback_pid, NULL, 0);
}

#endif

/* agent: argv → settings → the command → exit status. This file alone prints the error and exits.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/log.h"
#include "agent/base/mem.h"
#include "agent/conf_table.h"
#include "agent/events.h"
#include "agent/program.h"
#include "agent/base/banned.h"

static int print_text(struct str text, struct err *e)
{
    return io_write_all(STDOUT_FILENO, text.p, text.n, e) < 0 && e->sys != EPIPE ? -1 : 0;
}

static void help_command(struct program *p, struct err *why)
{
    cleanup_buf struct buf b = BUF_MAX(MAX_CONF_BYTES);
    int command = p->conf.n_args ? conf_command_find(str_of(p->conf.args[0])) : CMD_ASK;

    if (command < 0) {
        err_set(why, ERR_USAGE, 0, "there is no command of that name: agent --help lists them");
        return;
    }
    conf_help((enum conf_command)command, &b);
    print_text(buf_str(&b), why);
}

static void (*const commands[CMD_COUNT])(struct program *p, struct err *why) = {
    [CMD_ASK] = ask_command,
    [CMD_CHAT] = chat_command,
    [CMD_EXEC] = exec_command,
    [CMD_ENV] = env_command,
    [CMD_MODELS] = models_command,
    [CMD_USAGE] = usage_command,
    [CMD_SESSIONS] = sessions_command,
    [CMD_BATCH] = batch_command,
    [CMD_EXPORT] = export_command,
    [CMD_REPORT] = report_command,
    [CMD_RERUN] = ask_command,
    [CMD_JOB] = job_command,
    [CMD_HELP] = help_command,
    [CMD_PROFILE] = profile_command,
    [CMD_DOCTOR] = doctor_command,
    [CMD_KEYS] = keys_command,
    [CMD_COMPLETION] = completion_command,
};

/* No core dump and no ptrace by siblings: the key is in this memory. The descriptors 0-2 are open,
 * so that no file of ours ever becomes "standard output". A standard output that was closed stays
 * one that cannot be written: the answer must not vanish with status 0. */
static int harden(struct err *e)
{
    struct rlimit none = { 0, 0 };

    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return err_set(e, ERR_INTERNAL, errno, "open /dev/null");
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        return err_set(e, ERR_INTERNAL, errno, "signal");
    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
        return err_set(e, ERR_INTERNAL, errno, "forbid core dumps");
    return 0;
}

static int print_and_done(struct program *p, struct ui *ui)
{
    cleanup_buf struct buf b = BUF_MAX(MAX_CONF_BYTES);
    struct err e = ERR_INIT;

    switch (p->conf.action) {
    case CONF_HELP:
        conf_help(p->conf.command, &b);
        break;
    case CONF_VERSION:
        buf_puts(&b, "agent " AGENT_VERSION "\n");
        break;
    case CONF_PRINT:
        conf_print(&p->conf, &b);
        break;
    case CONF_RUN:
        break;
    }
    if (print_text(buf_str(&b), &e) < 0) {
        ui_error(ui, &e);
        return err_exit_status(&e);
    }
    return 0;
}

static void on_tick(void *arg)
{
    struct program *p = arg;

    if (p->shows_progress)
        ui_tick(p->run.ui);
    events_tick(p->run.events);
}

int main(int argc, char **argv)
{
    struct program p = { .stop = STOP_NEVER,
                         .fonts = { .fd = -1 },
                         .env = ENV_NONE,
                         .started_ms = now_ms(),
                         .exit_status = -1 };
    struct err e = ERR_INIT;
    int status;

    if (harden(&e) < 0 || stop_open_signals(&p.stop, &e) < 0 ||
        conf_load(&p.conf, argc, argv, &e) < 0) {
        p.run.ui = ui_new(NULL);
        ui_error(p.run.ui, &e);
        status = err_exit_status(&e);
    } else if (p.conf.action != CONF_RUN) {
        p.run.ui = ui_new(&p.conf);
        status = print_and_done(&p, p.run.ui);
    } else {
        p.run.ui = ui_new(&p.conf);
        p.run.conf = &p.conf;
        p.run.stop = &p.stop;
        p.stop = stop_within(&p.stop, p.conf.deadline_ms);
        p.shows_progress = isatty(STDERR_FILENO) && !p.conf.quiet;
        if (p.shows_progress || p.conf.json || p.conf.output_format == FORMAT_STREAM) {
            p.stop.tick = on_tick;
            p.stop.arg = &p;
        }
        for (size_t i = 0; i < p.conf.notes.n; i++)
            ui_warn(p.run.ui, "%s", p.conf.notes.v[i]);
        if (p.conf.debug == NULL || log_open(p.conf.debug, &e) == 0)
            commands[p.conf.command](&p, &e);
        if (e.code != ERR_NONE)
            ui_error(p.run.ui, &e);
        status = p.exit_status >= 0 ? p.exit_status : err_exit_status(&e);
    }
    program_done(&p);
    return status;
}

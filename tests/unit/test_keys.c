/* The key: the three ways to give it, what is refused, and what is left behind. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/log.h"
#include "agent/base/mem.h"
#include "agent/keys.h"
#include "tests/unit/tap.h"
#include "agent/base/banned.h"

#define KEY "sk-test-canary-0123456789"

static char root[] = "/tmp/agent-keys-XXXXXX";
static const struct stop never = STOP_NEVER;

static struct key_source base(void)
{
    static char url[] = "https://api.example.org/v1", name[] = "AGENT_TEST_KEY";

    return (struct key_source){ .url = url, .env = name };
}

static int try_key(const struct key_source *c, struct key *k, struct err *e)
{
    *k = (struct key){ NULL, NULL, NULL };
    *e = (struct err)ERR_INIT;
    return keys_resolve(c, &never, k, e);
}

static void put(const char *text, mode_t mode)
{
    struct err e = ERR_INIT;

    unlink("key");
    if (io_write_atomic(AT_FDCWD, "key", str_of(text), 0600, &e) < 0)
        printf("Bail out! %s\n", e.msg);
    chmod("key", mode);
}

/* Is the key anywhere in the environment, as the kernel would show it? */
static bool in_environ(void)
{
    cleanup_buf struct buf b = BUF_MAX(1 << 20);
    struct err e = ERR_INIT;

    io_read_file("/proc/self/environ", &b, &e);
    return memmem(b.p, b.n, KEY, strlen(KEY)) != NULL;
}

static void test_env(void)
{
    struct key_source c = base();
    struct key k;
    struct err e;

    setenv("AGENT_TEST_KEY", " " KEY "\n", 1);
    char *copy = getenv("AGENT_TEST_KEY");
    CHECK(try_key(&c, &k, &e) == 0 && !strcmp(k.value, KEY), "from the environment: %s", e.msg);
    CHECK(!strcmp(k.hint, "AGENT_TEST_KEY") && !k.warning, "it says where from");
    CHECK(!getenv("AGENT_TEST_KEY") && copy[1] == '\0', "its copy there is wiped");
    cleanup_buf struct buf b = BUF_MAX(4096);
    secret_redact(&b, STR("a " KEY " b"));
    CHECK(!strcmp(buf_cstr(&b), "a [redacted] b"), "it is a registered secret");
    key_done(&k);
    CHECK(!k.value && !k.hint, "released");

    setenv("AGENT_TEST_KEY", "two words", 1);
    CHECK(try_key(&c, &k, &e) < 0 && e.code == ERR_CONFIG && strstr(e.msg, "AGENT_TEST_KEY") &&
              !strstr(e.msg, "two words"),
          "%s", e.msg);
    CHECK(!getenv("AGENT_TEST_KEY"), "even a bad one is taken away");
    setenv("AGENT_TEST_KEY", KEY "\r\nX-Injected: yes", 1);
    CHECK(try_key(&c, &k, &e) == 0 && !strcmp(k.value, KEY), "nothing after the first line");
    key_done(&k);
    setenv("AGENT_TEST_KEY", "k\303\244y", 1);
    CHECK(try_key(&c, &k, &e) < 0 && strstr(e.msg, "0xc3 at position 2"), "%s", e.msg);

    CHECK(try_key(&c, &k, &e) < 0 && err_exit_status(&e) == 3, "no key: status 3");
    CHECK(strstr(e.msg, "AGENT_TEST_KEY") && strstr(e.msg, "api_key_file") &&
              strstr(e.msg, "api_key_cmd") && strstr(e.msg, "--replay") &&
              strstr(e.msg, "api.example.org"),
          "no key: every way is named");
    c.url = (char[]){ "http://127.0.0.1:8080/v1" };
    CHECK(try_key(&c, &k, &e) == 0 && !k.value && k.hint, "a server on loopback needs none");
    key_done(&k);
    setenv("AGENT_TEST_KEY", KEY, 1);
    CHECK(try_key(&c, &k, &e) == 0 && k.value && !k.warning, "but gets one that is there");
    key_done(&k);
    c.url = (char[]){ "http://192.0.2.7/v1" };
    setenv("AGENT_TEST_KEY", KEY, 1);
    CHECK(try_key(&c, &k, &e) == 0 && k.warning && strstr(k.warning, "not encrypted"), "%s",
          k.warning);
    key_done(&k);
    c.replay = true;
    setenv("AGENT_TEST_KEY", KEY, 1);
    CHECK(try_key(&c, &k, &e) == 0 && !k.value && !getenv("AGENT_TEST_KEY"),
          "a replay takes no key, and leaves none in the environment");
    key_done(&k);
}

/* The first environment block of a process is what others see in /proc: needs an exec. */
static void test_environ(char *self)
{
    if (getenv("AGENT_TEST_CHILD")) {
        struct key_source c = base();
        struct key k;
        struct err e;
        bool before = in_environ(), ok = try_key(&c, &k, &e) == 0;
        printf("%s %s %s\n", before ? "seen" : "unseen", ok ? "ok" : "failed",
               in_environ() ? "seen" : "unseen");
        exit(0);
    }
    cleanup_free char *cmd = xasprintf("AGENT_TEST_CHILD=1 AGENT_TEST_KEY=" KEY " '%s'", self);
    struct key_source c = base();
    struct key k;
    struct err e;
    c.cmd = cmd;
    /* The command's output is "seen ok unseen", which is no key: the message would not show it, so
     * it is compared through a file. */
    cleanup_free char *with = xasprintf("%s > '%s/seen'", cmd, root);
    c.cmd = with;
    try_key(&c, &k, &e);
    cleanup_buf struct buf b = BUF_MAX(4096);
    cleanup_free char *path = io_join(root, "seen");
    io_read_file(path, &b, &e);
    CHECK(!strcmp(buf_cstr(&b), "seen ok unseen\n"), "/proc/PID/environ: %s", buf_cstr(&b));
}

static void test_file(void)
{
    static const struct {
        const char *name, *text;
        mode_t mode;
        const char *says; /* NULL: works */
    } cases[] = {
        { "plain", KEY "\n", 0600, NULL },
        { "no newline", KEY, 0600, NULL },
        { "stricter", KEY, 0400, NULL },
        { "CR LF and spaces", "  " KEY "\r\nnote: mine\n", 0600, NULL },
        { "group may read", KEY, 0640, "chmod 600 key" },
        { "everyone may read", KEY, 0644, "chmod 600 key" },
        { "group may write", KEY, 0620, "has mode 0620" },
        { "empty", "", 0600, "first line is empty" },
        { "blank first line", "\n" KEY "\n", 0600, "first line is empty" },
        { "words", "my key is " KEY, 0600, "byte 0x20 at position 3" },
        { "NAME=VALUE in quotes", "KEY=\"" KEY " x\"", 0600, "byte 0x20" },
    };
    struct key_source c = base();
    struct key k;
    struct err e;

    c.file = (char[]){ "key" };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        put(cases[i].text, cases[i].mode);
        int r = try_key(&c, &k, &e);
        if (cases[i].says)
            CHECK(r < 0 && e.code == ERR_CONFIG && strstr(e.msg, cases[i].says) &&
                      strstr(e.msg, "api_key_file key") && !strstr(e.msg, KEY),
                  "%s: %s", cases[i].name, e.msg);
        else
            CHECK(r == 0 && !strcmp(k.value, KEY) && !strcmp(k.hint, "api_key_file key"), "%s %s",
                  cases[i].name, e.msg);
        key_done(&k);
    }
    put(KEY, 0600);
    setenv("AGENT_TEST_KEY", "sk-other-key", 1);
    CHECK(try_key(&c, &k, &e) == 0 && !strcmp(k.value, "sk-other-key"),
          "the variable stands above the file");
    key_done(&k);
    unlink("key");
    CHECK(try_key(&c, &k, &e) < 0 && strstr(e.msg, "No such file"), "%s", e.msg);
    mkfifo("key", 0600);
    CHECK(try_key(&c, &k, &e) < 0 && strstr(e.msg, "not a regular file"),
          "a FIFO does not hang: %s", e.msg);
    unlink("key");
    mkdir("key", 0700);
    CHECK(try_key(&c, &k, &e) < 0 && strstr(e.msg, "not a regular file"), "%s", e.msg);
    rmdir("key");
    cleanup_buf struct buf big = BUF_MAX(1 << 20);
    for (int i = 0; i < 70000; i++)
        buf_putc(&big, 'k');
    put(buf_cstr(&big), 0600);
    CHECK(try_key(&c, &k, &e) < 0 && strstr(e.msg, "more than 65536 bytes"), "%s", e.msg);
    big.p[9000] = '\n';
    put(buf_cstr(&big), 0600);
    CHECK(try_key(&c, &k, &e) < 0, "more after a long first line is refused as well");
    if (geteuid() == 0) {
        put(KEY, 0600);
        if (chown("key", 12345, (gid_t)-1) == 0)
            CHECK(try_key(&c, &k, &e) < 0 && strstr(e.msg, "another user (uid 12345)"), "%s",
                  e.msg);
    } else {
        tap_skip("only root can give a file to another user");
    }
    unlink("key");
}

/* As systemd lays it out: a folder of the service's own, files that cannot be written. */
static void test_credential(void)
{
    cleanup_free char *dir = io_join(root, "credentials");
    cleanup_free char *file = xasprintf("%s/agent-groq", dir);
    struct key_source c = base();
    struct key k;
    struct err e;

    c.service = "groq";
    c.file = (char[]){ "key" };
    put("sk-of-the-file", 0600);
    mkdir(dir, 0700);
    if (io_write_atomic(AT_FDCWD, file, STR(KEY "\n"), 0400, &e) < 0)
        printf("Bail out! %s\n", e.msg);
    CHECK(try_key(&c, &k, &e) == 0 && !strcmp(k.value, "sk-of-the-file"), "no manager: %s", e.msg);
    key_done(&k);
    setenv("CREDENTIALS_DIRECTORY", dir, 1);
    cleanup_free char *where = keys_where(&c);
    CHECK(try_key(&c, &k, &e) == 0 && !strcmp(k.value, KEY) && strstr(k.hint, "the credential ") &&
              strstr(where, "the credential "),
          "a credential stands above the file: %s", e.msg);
    key_done(&k);
    setenv("AGENT_TEST_KEY", "sk-other-key", 1);
    CHECK(try_key(&c, &k, &e) == 0 && !strcmp(k.value, "sk-other-key"), "and below the variable");
    key_done(&k);
    chmod(file, 0440);
    CHECK(try_key(&c, &k, &e) == 0, "the mask of an access list is no right of others: %s", e.msg);
    key_done(&k);
    chmod(file, 0444);
    CHECK(try_key(&c, &k, &e) < 0 && strstr(e.msg, "has mode 0444"), "%s", e.msg);
    c.service = "openai";
    CHECK(try_key(&c, &k, &e) == 0 && !strcmp(k.value, "sk-of-the-file"),
          "another service's is none");
    key_done(&k);
    c.service = "../agent-groq";
    CHECK(try_key(&c, &k, &e) == 0 && !strcmp(k.value, "sk-of-the-file"), "a name is no path");
    key_done(&k);
    unsetenv("CREDENTIALS_DIRECTORY");
    unlink(file);
    rmdir(dir);
    unlink("key");
}

static void test_cmd(void)
{
    struct key_source c = base();
    struct key k;
    struct err e;
    static const struct {
        const char *cmd, *says;
    } bad[] = {
        { "exit 7", "failed with status 7" },
        { "echo " KEY "; exit 1", "failed with status 1" },
        { "true", "first line is empty" },
        { "kill -9 $$", "ended by signal 9" },
        { "no-such-program-here 2>/dev/null", "status 127" },
        { "head -c 100000 /dev/zero | tr '\\0' k", "more than 65536 bytes" },
        { "yes " KEY, "more than 65536 bytes" },
        { "cat; echo", "first line is empty" }, /* standard input is empty, not ours */
    };

    c.cmd = (char[]){ "printf '" KEY "\\nmore\\n'" };
    CHECK(try_key(&c, &k, &e) == 0 && !strcmp(k.value, KEY) && !strcmp(k.hint, "api_key_cmd"),
          "the first line of its output: %s", e.msg);
    key_done(&k);
    c.cmd = (char[]){ "trap : TERM; kill -TERM $$; echo " KEY };
    CHECK(try_key(&c, &k, &e) == 0, "signals are as a program expects them: %s", e.msg);
    key_done(&k);
    int64_t start = now_ms();
    c.cmd = (char[]){ "sleep 20 & echo " KEY };
    CHECK(try_key(&c, &k, &e) == 0 && now_ms() - start < 10000,
          "something left in the background is not waited for (%lld ms)",
          (long long)(now_ms() - start));
    key_done(&k);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cleanup_free char *cmd = xstrdup(bad[i].cmd);
        c.cmd = cmd;
        CHECK(try_key(&c, &k, &e) < 0 && e.code == ERR_CONFIG && strstr(e.msg, bad[i].says),
              "%s: %s", bad[i].cmd, e.msg);
    }

    e = (struct err)ERR_INIT;
    start = now_ms();
    CHECK(keys_from_cmd("sleep 61", &never, 200, &k, &e) < 0 && e.code == ERR_CONFIG &&
              strstr(e.msg, "no key within 0.2 s") && now_ms() - start < 10000,
          "its own limit: %s", e.msg);

    /* It may not outlive the run's deadline, and neither may what it started. */
    cleanup_free char *slow = xasprintf("sleep 61 & echo $! > '%s/pid'; sleep 61", root);
    struct stop soon = stop_within(&never, 300);
    c.cmd = slow;
    start = now_ms();
    e = (struct err)ERR_INIT;
    CHECK(keys_resolve(&c, &soon, &k, &e) < 0 && e.code == ERR_DEADLINE && now_ms() - start < 10000,
          "a deadline ends it: %s", e.msg);
    cleanup_buf struct buf b = BUF_MAX(4096);
    cleanup_free char *path = io_join(root, "pid");
    long long pid = 0;
    io_read_file(path, &b, &e);
    bool known = str_to_ll(str_trim(buf_str(&b)), &pid) && pid > 1, gone = false;
    for (int i = 0; known && i < 100 && !gone; i++) {
        cleanup_free char *stat_path = xasprintf("/proc/%lld/stat", pid);
        cleanup_buf struct buf st = BUF_MAX(4096);
        /* Gone, or dead and waiting for an init that reaps. */
        gone = io_read_file(stat_path, &st, &e) < 0 || strstr(buf_cstr(&st), ") Z");
        if (!gone)
            stop_sleep(&never, 20, &e);
    }
    CHECK(known && gone, "with all that it started");
}

int main(int argc, char **argv)
{
    struct err e = ERR_INIT;
    cleanup_free char *self = realpath(argv[0], NULL);

    (void)argc;
    if (getenv("AGENT_TEST_CHILD"))
        test_environ(self);
    if (mkdtemp(root) == NULL || chdir(root) < 0) {
        printf("Bail out! no temporary folder\n");
        return 1;
    }
    test_env();
    test_environ(self);
    test_file();
    test_credential();
    test_cmd();
    if (chdir("/") == 0)
        io_remove_tree(AT_FDCWD, root, &e);
    return tap_done();
}

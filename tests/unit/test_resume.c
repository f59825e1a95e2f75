/* Which settings hold when a session goes on. */
#include "agent/resume.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "tests/unit/tap.h"

/* Flags of this command, the record, the setting that is looked at, and what it must be. */
static const struct {
    const char *flag, *record, *name, *want;
    bool namespaces, noted;
} cases[] = {
    { NULL, "{\"memory\":\"1g\"}", "memory", "1g", true, true },
    { NULL, "{\"memory\":\"4g\"}", "memory", "2g", true, false },
    { "--memory=8g", "{\"memory\":\"1g\"}", "memory", "8g", true, false },
    { NULL, "{}", "memory", "2g", true, false },
    { NULL, "{\"cpu_time\":\"10s\"}", "cpu_time", "10s", true, true },
    { NULL, "{\"cpu_time\":\"0\"}", "cpu_time", "0", true, false },
    { NULL, "{\"validate\":\"strict\"}", "validate", "strict", true, true },
    { NULL, "{\"validate\":\"off\"}", "validate", "warn", true, false },
    { NULL, "{\"network\":\"a.org b.org\"}", "network", "none", true, true },
    { "--network=c.org", "{\"network\":\"a.org\"}", "network", "c.org", true, false },
    { NULL, "{\"devices\":\"/dev/null\"}", "devices", "none", true, true },
    { "--sandbox=best", "{\"sandbox\":\"strict\"}", "sandbox", "best", true, false },
    { NULL, "{\"sandbox\":\"best\"}", "sandbox", "strict", false, false },
    { NULL, "{\"languages\":\"python bash\"}", "languages", "python bash", true, true },
    { NULL, "{\"model\":\"other\",\"base_url\":\"\"}", "model", "other", true, true },
    { NULL, "{\"model\":\"\",\"base_url\":\"\"}", "model", "gpt-4.1-mini", true, false },
    { "--model=mine", "{\"model\":\"other\",\"base_url\":\"\"}", "model", "mine", true, false },
    { NULL, "{\"model\":\"other\",\"base_url\":\"https://x.example\"}", "model", "gpt-4.1-mini",
      true, false },
};

static char *setting(const struct conf *c, const char *name)
{
    cleanup_json cJSON *o = resume_settings(c);

    return xstrdup(json_str(o, name) ? json_str(o, name) : "");
}

int main(void)
{
    setenv("HOME", "/nonexistent", 1);
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("OPENAI_BASE_URL");
    if (chdir("/") < 0)
        return 1;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *words[] = { (char[]){ "agent" }, xstrdup("q"), NULL, NULL };
        struct conf c;
        struct err e = ERR_INIT;
        cleanup_buf struct buf notes = BUF_MAX(1 << 16);
        cleanup_json cJSON *record = json_parse(str_of(cases[i].record), &e);
        if (cases[i].flag)
            words[2] = xstrdup(cases[i].flag);
        if (conf_load(&c, cases[i].flag ? 3 : 2, words, &e) == 0 &&
            resume_policy(&c, record, cases[i].namespaces, &notes, &e) == 0 &&
            resume_policy_asked(&c, record, &notes, &e) == 0) {
            cleanup_free char *got = setting(&c, cases[i].name);
            bool noted = strstr(buf_cstr(&notes), cases[i].name) != NULL;
            CHECK(!strcmp(got, cases[i].want) && noted == cases[i].noted,
                  "%s now, %s then: %s = %s (want %s), %s",
                  cases[i].flag ? cases[i].flag : "nothing", cases[i].record, cases[i].name, got,
                  cases[i].want, noted ? "noted" : "not noted");
        } else {
            CHECK(false, "%s: %s", cases[i].record, e.msg);
        }
        conf_done(&c);
        free(words[1]);
        free(words[2]);
    }
    struct conf c;
    struct err e = ERR_INIT;
    char *plain[] = { (char[]){ "agent" }, (char[]){ "q" }, NULL };
    cleanup_buf struct buf notes = BUF_MAX(1 << 16);
    cleanup_json cJSON *bad = json_parse(STR("{\"memory\":\"much\"}"), &e);
    CHECK(conf_load(&c, 2, plain, &e) == 0 && resume_policy(&c, bad, true, &notes, &e) < 0 &&
              strstr(e.msg, "record: memory"),
          "a value that is none is refused: %s", e.msg);
    conf_done(&c);
    return tap_done();
}

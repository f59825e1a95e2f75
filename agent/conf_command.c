/* The commands, as the command line and --help know them. What they do is in agent/<name>.c. */
#include "agent/conf_table.h"
#include "agent/base/banned.h"

#define ALL_GROUPS ((1u << G_COUNT) - 1)

const struct conf_command_row conf_commands[CMD_COUNT] = {
    [CMD_ASK] = {
        .name = "ask",
        .usage = "agent [flags] \"question\"",
        .about = "answers a question (the command when none is named)",
        .text = "Answers a question with the help of Python code that a language model writes\n"
                "and that runs in a sandbox on this machine.\n",
        .examples =
            "  agent \"what is the 1000th prime?\"\n"
            "  agent -f sales.csv \"which month was best? draw a chart\"\n"
            "  agent -f a.csv -f b.csv:returns.csv -o report.md \"join them on id\"\n"
            "  psql --csv -c 'select * from orders' | agent \"top ten by revenue\"\n"
            "  agent --deadline 10m -q -f log.csv - < question.txt\n",
        .groups = ALL_GROUPS,
    },
    [CMD_HELP] = {
        .name = "help",
        .usage = "agent help [COMMAND]",
        .about = "shows what a command does and which flags it takes",
        .text = "The same as agent COMMAND --help.\n",
        .examples = "  agent help\n"
                    "  agent help ask\n",
    },
};

int conf_command_find(struct str word)
{
    for (int i = 0; i < CMD_COUNT; i++)
        if (str_is(word, conf_commands[i].name))
            return i;
    return -1;
}

bool conf_in_scope(const struct conf_setting *s, enum conf_command command)
{
    struct str rest = str_of(s->only), name;

    if (s->only == NULL)
        return conf_commands[command].groups & (1u << s->group);
    for (bool more = true; more;) {
        more = str_cut(&rest, ' ', &name);
        if (str_is(name, conf_commands[command].name))
            return true;
    }
    return false;
}

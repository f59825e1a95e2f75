/* The commands, as the command line and --help know them. What they do is in agent/<name>.c. */
#include "agent/conf_table.h"
#include "agent/base/banned.h"

#define ALL_GROUPS (((1u << G_COUNT) - 1) & ~(1u << G_CODE | 1u << G_BATCH | 1u << G_PACKAGES))

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
            "  agent -c \"and without the outliers?\"\n"
            "  agent --deadline 10m -q -f log.csv - < question.txt\n",
        .groups = ALL_GROUPS,
    },
    [CMD_CHAT] = {
        .name = "chat",
        .usage = "agent chat [flags]",
        .about = "asks and answers, question after question; variables stay",
        .text = "Questions are typed at a prompt, with history and completion; a line that ends\n"
                "in \\ goes on in the next, and so does all between two lines of \"\"\". Variables,\n"
                "files and the conversation stay from question to question, and all of it is one\n"
                "recorded session (-c goes on with it). Ctrl-C stops the turn or the cell that\n"
                "runs and keeps the rest; Ctrl-D ends. /help lists the commands.\n"
                "\n"
                "When standard input is no terminal, each of its lines is a question (the same\n"
                "rules make one of several lines), there is no prompt, and the exit status is\n"
                "that of the last question that failed.\n",
        .examples = "  agent chat\n"
                    "  agent chat -f sales.csv\n"
                    "  agent chat -c\n"
                    "  agent chat < questions.txt\n",
        .groups = 0,
        .asks = true,
        .not_on = "output output_format json stdin schema dry_run",
    },
    [CMD_EXEC] = {
        .name = "exec",
        .usage = "agent exec [flags] [FILE | -] [ARGUMENT]...\n"
                 "       agent exec [flags] -c CODE [-c CODE]... [ARGUMENT]...",
        .about = "runs code in the sandbox as python3 would run it: no model, no key",
        .text =
            "Runs Python in the sandbox: from a file, from standard input (-), or from -c.\n"
            "It behaves like python3 but for what the sandbox forbids: what the code prints\n"
            "comes out as it is printed, an exception ends it with status 1, its own exit\n"
            "with the status it gives. Flags stand before FILE; all words after it are the\n"
            "code's own (sys.argv). Unless the code itself comes from standard input, it\n"
            "can read it. The value of the last expression is not shown, as by python3;\n"
            "--notebook shows it, and --json tells everything in one JSON object.\n"
            "\n"
            "The code works in a folder of its own, where files given by -f and FILE itself\n"
            "lie. Files that it makes or changes, and figures shown or left open, are\n"
            "brought out to --out-dir, or to a new folder agent-files-ID here; a line on\n"
            "standard error says where each one is.\n"
            "\n"
            "Exit status: that of the code; 124 at the time limit, 137 at a memory or\n"
            "output limit (standard error says which), 128+N after signal N. Before any\n"
            "code ran: 2 wrong use, 3 wrong settings, 5 no sandbox.\n",
        .examples = "  agent exec script.py a b\n"
                    "  echo 'print(6*7)' | agent exec -\n"
                    "  agent exec -f sales.csv --out-dir charts plot.py\n"
                    "  agent exec --json -c 'import math' -c 'math.pi'\n",
        .groups = 1u << G_CODE | 1u << G_SANDBOX | 1u << G_FILES,
        .also = "file deadline timeout out_dir quiet verbose color debug",
        .words_end_flags = true,
    },
    [CMD_ENV] = {
        .name = "env",
        .usage = "agent env create NAME [-r FILE] [--wheels DIR] PACKAGE...\n"
                 "       agent env create NAME --lock FILE [--wheels DIR]\n"
                 "       agent env list\n"
                 "       agent env show NAME\n"
                 "       agent env remove NAME",
        .about = "makes environments of packages for the code, lists, shows and removes them",
        .text = "An environment is a set of packages that the code can import when a question is\n"
                "asked with --env NAME. It is built in a sandbox of its own that reaches the\n"
                "package index and nothing else, or nothing at all with --wheels DIR. Ready-made\n"
                "wheels are installed; nothing of a package runs while it is built. The versions\n"
                "and hashes are kept in a lock file, from which --lock makes the same again.\n",
        .examples = "  agent env create stats statsmodels \"polars>=0.20\"\n"
                    "  agent env create work -r requirements.txt\n"
                    "  agent env create offline --wheels ~/wheels polars\n"
                    "  agent --env stats -f sales.csv \"is the trend significant?\"\n",
        .groups = 1u << G_PACKAGES | 1u << G_FILES,
        .also = "deadline quiet verbose color debug memory max_processes python sandbox "
                "sandbox_helper",
    },
    [CMD_MODELS] = {
        .name = "models",
        .usage = "agent models [flags] [SERVICE]",
        .about = "lists the services, which have a key, and the models of one",
        .text = "Without a word: every service that is known, whether there is a key for it, and\n"
                "the models of the service that the settings name, if it can be asked. With\n"
                "one: what that service offers by its own list, with the prices and sizes that\n"
                "are known. Keys are never shown.\n",
        .examples = "  agent models\n"
                    "  agent models openrouter\n"
                    "  agent models ollama --json\n",
        .groups = 1u << G_NETWORK | 1u << G_FILES,
        .also = "model provider base_url wire api_key_env api_key_file api_key_cmd quiet verbose "
                "color debug",
    },
    [CMD_USAGE] = {
        .name = "usage",
        .usage = "agent usage [flags]",
        .about = "sums tokens and cost of the recorded sessions by day and model",
        .text = "Tokens and cost of every recorded turn, by day (UTC) and model. A turn whose\n"
                "cost is not known counts as unpriced, never as nothing. Runs with --ephemeral\n"
                "left no record.\n",
        .examples = "  agent usage\n"
                    "  agent usage --json\n",
        .groups = 1u << G_FILES,
        .also = "session_dir quiet verbose color debug",
    },
    [CMD_SESSIONS] = {
        .name = "sessions",
        .usage = "agent sessions [list]\n"
                 "       agent sessions search TEXT\n"
                 "       agent sessions show ID\n"
                 "       agent sessions delete ID...\n"
                 "       agent sessions prune [--older-than TIME] [--keep N] [--max-size SIZE]",
        .about = "lists, searches, shows and deletes recorded sessions",
        .text = "ID is a session's id, its beginning, or \"last\", the one used last. search looks\n"
                "into questions, answers, code and what it printed. show tells the whole of one;\n"
                "-v does not shorten it. prune deletes those beyond a rule that have rested\n"
                "longest; --dry-run says which. What is running is never deleted.\n"
                "agent -c \"question\" goes on with the last one, agent -r ID \"question\" with\n"
                "any.\n",
        .examples = "  agent sessions\n"
                    "  agent sessions search birdstrikes\n"
                    "  agent sessions show last\n"
                    "  agent sessions prune --older-than 90d --keep 100\n",
        .groups = 1u << G_FILES,
        .also = "session_dir quiet verbose color debug",
    },
    [CMD_BATCH] = {
        .name = "batch",
        .usage = "agent batch QUESTIONS [-j N] [--out FILE] [--resume] [flags of ask]\n"
                 "       agent batch merge --out FILE RESULTS...",
        .about = "asks many questions, from a file, each in a run of its own",
        .text =
            "QUESTIONS is a file of JSON lines or CSV: each row has a question, and may have\n"
            "id, file, model, system, append_system. Each becomes a line of --out, whatever\n"
            "comes of it: status, answer, tokens, cost, the session's id. The flags of\n"
            "agent ask hold for all rows; --max-cost is for all of them together. When\n"
            "the service says \"slow down\" to one, all wait. After a crash --resume asks\n"
            "only what is missing.\n"
            "\n"
            "--slurm N makes an array job of it. --shard I/N takes each Nth row, for other\n"
            "machines; merge joins their results, one line a row, in order.\n",
        .examples = "  agent batch questions.csv -j 4 --out results.jsonl\n"
                    "  agent batch questions.jsonl --out results.jsonl --resume\n"
                    "  agent batch q.jsonl --shard 2/8 --out part-2.jsonl --max-cost 5\n"
                    "  agent batch merge --out all.jsonl part-*.jsonl\n",
        .groups = 1u << G_BATCH | 1u << G_FILES,
        .also = "quiet verbose color debug",
        .asks = true,
        .not_on = "output report output_format json stdin session_id resume continue fork replay_cells dry_run ask "
                  "record show_code usage out_dir pause_file template_image",
    },
    [CMD_EXPORT] = {
        .name = "export",
        .usage = "agent export SESSION --py | --ipynb | --md | --html [-o FILE]",
        .about = "makes a script, a notebook, Markdown or a page of a recorded session",
        .text = "SESSION is a session's id, its beginning, or \"last\". It goes to standard output\n"
                "or whole or not at all to FILE (-o), whose ending chooses the format too.\n"
                "--py       runs by itself on the files that were attached; others in their\n"
                "           place are its arguments. What failed is left out, and said\n"
                "--ipynb    a notebook with question, answer, cells, outputs and pictures\n"
                "--md       Markdown, with pictures in a folder beside FILE, or within: --embed\n"
                "--html     one page: question, answer, cells, tables, charts, cost and where\n"
                "           all of it comes from. Numbers that were not found in what the code\n"
                "           printed are marked\n",
        .examples = "  agent export last -o report.html\n"
                    "  agent export 20261121 --py > analysis.py\n"
                    "  agent export last -o notebook.ipynb\n",
        .groups = 0,
        .also = "output session_dir quiet verbose color debug",
    },
    [CMD_DOCTOR] = {
        .name = "doctor",
        .usage = "agent doctor [flags]",
        .about = "tries what this machine gives the agent, and says how to mend it",
        .text = "Tries, and does not guess: every layer of the sandbox is built and probed, code\n"
                "runs in it, the libraries, fonts and languages are looked at from inside, the\n"
                "chosen model's service is asked for its list (no tokens). Each line is ok,\n"
                "weaker (it works, with less) or missing, with the cause and after > what mends\n"
                "it. Keys are never shown.\n"
                "\n"
                "Exit status: 0, or 5 when the sandbox would not start or a layer of it does not\n"
                "hold.\n",
        .examples = "  agent doctor\n"
                    "  agent doctor --offline\n"
                    "  agent doctor -m ollama/qwen3 --all\n"
                    "  agent doctor --json\n",
        .groups = 1u << G_SANDBOX | 1u << G_FILES,
        .also = "model provider base_url wire api_key_env api_key_file api_key_cmd session_dir "
                "ephemeral quiet verbose color debug deadline",
    },
    [CMD_KEYS] = {
        .name = "keys",
        .usage = "agent keys [list]\n"
                 "       agent keys set SERVICE\n"
                 "       agent keys remove SERVICE\n"
                 "       agent keys test SERVICE",
        .about = "shows which services have a key, and keeps, removes and tests keys",
        .text = "A key is read from the environment, else from api_key_file, else from\n"
                "api_key_cmd, else from what set kept: a file of that service's name in\n"
                "~/.config/agent/keys, mode 0600. set asks for the key without showing it, or\n"
                "takes the first line of standard input. test asks the service for something\n"
                "that costs nothing. Keys are never shown.\n",
        .examples = "  agent keys\n"
                    "  agent keys set anthropic\n"
                    "  pass show openrouter | agent keys set openrouter\n"
                    "  agent keys test openrouter\n",
        .groups = 1u << G_NETWORK | 1u << G_FILES,
        .also = "model provider base_url wire api_key_env api_key_file api_key_cmd quiet verbose "
                "color debug",
    },
    [CMD_COMPLETION] = {
        .name = "completion",
        .usage = "agent completion bash\n"
                 "       agent completion zsh\n"
                 "       agent completion fish",
        .about = "prints what makes a shell complete agent's commands, flags and values",
        .text = "make install and the Debian package put it where the shells look; without them,\n"
                "evaluate it in the shell's own start-up file. Models are completed from lists\n"
                "that agent models fetched before: completing never uses the network.\n",
        .examples = "  eval \"$(agent completion bash)\"     in ~/.bashrc\n"
                    "  eval \"$(agent completion zsh)\"      in ~/.zshrc, after compinit\n"
                    "  agent completion fish | source      in ~/.config/fish/config.fish\n",
        .groups = 1u << G_FILES,
        .also = "quiet verbose color debug session_dir",
        .words_end_flags = true,
    },
    [CMD_RERUN] = {
        .name = "rerun",
        .usage = "agent rerun SESSION [-f FILE[:NAME]]... [flags]",
        .about = "runs the code of a recorded session again on other files: no model, no cost",
        .text = "SESSION is a session's id, its beginning, or \"last\". A file takes the place of\n"
                "the session's file of the same name or, if there is only one, kind; FILE:NAME\n"
                "says which. Files for which none is given are read again where they lay. What\n"
                "comes of it is a session of its own, with the same text: values that the code\n"
                "published ({{num:...}}) are the new ones, and numbers that stand in it as plain\n"
                "text are struck through, as nobody computed them again. Cells that failed are\n"
                "left out unless what they did before is used later.\n"
                "\n"
                "A cell that fails now ends it with status 9, and no model is asked. With\n"
                "--repair auto, or ask and a yes on the terminal, the model repairs it from that\n"
                "cell on, in the same sandbox and under the limits that a question has, and also\n"
                "a text whose numbers only a model can write anew. What it changed is shown as a\n"
                "diff and kept, and the new session holds the repaired code: agent rerun last\n"
                "runs that.\n",
        .examples = "  agent rerun last -f week-48.csv\n"
                    "  agent rerun 20261121 -f new.csv:sales.csv -o report.md\n"
                    "  agent rerun last -f week-49.csv --repair auto --max-cost 0.50\n",
        .groups = 1u << G_SANDBOX | 1u << G_MODEL | 1u << G_NETWORK,
        .also = "file deadline timeout max_turns output_cap strict output output_format out_dir "
                "session_dir session_id quiet verbose usage show_code color debug",
    },
    [CMD_REPORT] = {
        .name = "report",
        .usage = "agent report SESSION FILE...",
        .about = "writes the report of a recorded session, without a model",
        .text = "SESSION is a session's id, its beginning, or \"last\". Each FILE is one report,\n"
                "and its ending is the format: .html, .md (with files beside it), .pdf (made by\n"
                "weasyprint in the sandbox), .xlsx (by openpyxl). It shows the session's last\n"
                "answer with the values that its code published. agent --report FILE writes one\n"
                "at the end of a run.\n",
        .examples = "  agent report last report.html\n"
                    "  agent report 20261125-2002 sales.pdf sales.xlsx\n",
        .groups = 1u << G_FILES,
        .also = "session_dir deadline quiet verbose color debug memory workspace_size file_size "
                "max_processes python sandbox sandbox_helper",
    },
    [CMD_PROFILE] = {
        .name = "profile",
        .usage = "agent profile [flags] FILE...",
        .about = "tells what is in tables and data files: no model, no key",
        .text = "Encoding, delimiter, header, rows; of each column its type, missing and\n"
                "different values, range, form of dates; the line of Python that reads the\n"
                "file, tried; and what may join several files. For CSV, TSV, JSON, JSON lines,\n"
                "XLSX, SQLite and Parquet. The files are read in the sandbox. A large one is\n"
                "sampled, which the text says. The files of a question are profiled in the same\n"
                "way (--intake).\n",
        .examples = "  agent profile sales.csv\n"
                    "  agent profile orders.csv customers.xlsx\n"
                    "  agent profile --intake schema --json shop.db\n",
        .groups = 1u << G_SANDBOX | 1u << G_FILES,
        .also = "deadline quiet verbose color debug",
    },
    [CMD_JOB] = {
        .name = "job",
        .usage = "agent job new|check|run|show|log|remove NAME.job\n"
                 "       agent job install [--cron] NAME.job\n"
                 "       agent job list [FOLDER]",
        .about = "makes reports that a job file describes, by hand or on a schedule",
        .text = "new writes a file to begin with, check says whether it can run, show what it\n"
                "would do now, log what its runs did. run makes one report: the code of the last\n"
                "one runs again on the present files, repaired by the model where it does not\n"
                "do; the first time, or when mode is model-always, the model is asked. The\n"
                "report comes into a new folder named by the time, and only when all of it is\n"
                "there is the link `latest' switched to it.\n"
                "Two runs never overlap. Status 10: nothing had changed (only_if_changed).\n"
                "\n"
                "install has the system start it as its schedule says: by a timer of systemd (of\n"
                "the system for root, of your own manager else) or, with --cron, by a line in\n"
                "your crontab. Once more, it brings that up to date. remove takes away what\n"
                "install wrote, also when the job file is gone. list says what is installed.\n",
        .examples = "  agent job new weekly.job\n"
                    "  agent job run weekly.job\n"
                    "  agent job run weekly.job --param region=south\n"
                    "  agent job install weekly.job     # with schedule = Mon 07:00 in it\n"
                    "  agent job remove weekly.job\n",
        .groups = 0,
        .also = "cron param session_dir quiet verbose color debug",
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

static bool has_word(const char *words, const char *word)
{
    struct str rest = str_of(words), one;

    for (bool more = true; more;) {
        more = str_cut(&rest, ' ', &one);
        if (str_is(one, word))
            return true;
    }
    return false;
}

bool conf_in_scope(const struct conf_setting *s, enum conf_command command)
{
    const struct conf_command_row *c = &conf_commands[command];

    if (c->asks && conf_in_scope(s, CMD_ASK))
        return !has_word(c->not_on, s->name);
    if (s->only)
        return has_word(s->only, c->name);
    return (c->groups & (1u << s->group)) || (c->also && has_word(c->also, s->name));
}

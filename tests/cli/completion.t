#!/usr/bin/python3
"""Completions in real shells, and the manual held to what the program says."""
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *
from listing import Listing

home = new_home()
env = {**base_env(home), "XDG_CACHE_HOME": str(home / "cache")}  # models are kept there: not in what all tests share
(home / "config/agent/agent.conf").write_text("[profile nightly]\nmax_turns = 3\n[profile local]\n")
(home / "work" / "data one.csv").write_text("a\n1\n")
(home / "work" / "folder").mkdir()
run("how many?", home=home, script=[say("3")])
session = next((home / "share/agent/sessions").iterdir()).name


def words(*typed):
    r = subprocess.run([AGENT, "completion", "complete", *typed], env=env, cwd=home / "work", stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True)
    return [line.split("\t")[0] for line in r.stdout.splitlines()]


helps = {c: subprocess.run([AGENT, c, "--help"], env=env, stdout=subprocess.PIPE, text=True).stdout
         for c in words("")}
ok({"ask", "exec", "sessions", "doctor", "keys", "models", "completion"} <= set(helps), "all commands", list(helps))
for command, text in helps.items():
    flags = set(re.findall(r"^  (?:-\w, |    )--(?:\[no-\])?([\w-]+)", text, re.M))
    offered = {w[2:] for w in words(command, "--") if not w.startswith("--no-")}
    eq(offered, flags, f"{command}: the flags of its --help are offered, and no others")
    like(text, r"\A(Usage: agent.*\n(       agent.*\n)*)\nExamples:\n  ", f"{command} --help starts with examples")
    eq([line for line in text.splitlines() if len(line) > 80], [], f"{command} --help fits 80 columns")

with Listing() as server:
    r = finish(start("models", "openai", url=server.url, home=home, env={"XDG_CACHE_HOME": env["XDG_CACHE_HOME"]}))
eq(r.status, 0, "agent models fetched a list")
for typed, want in ((["sess"], ["sessions"]), (["sessions", "sh"], ["show"]), (["sessions", "show", session[:6]], [session]),
                    (["-m", "openai/"], ["openai/alpha-1", "openai/beta:2"]), (["--model=openai/al"], ["--model=openai/alpha-1"]),
                    (["--model", "=", "openai/al"], ["openai/alpha-1"]), (["-P", ""], ["nightly", "local"]),
                    (["--color", ""], ["auto", "always", "never"]), (["-f", ""], [":files"]), (["--out-dir", ""], [":folders"]),
                    (["keys", "set", "openr"], ["openrouter"]), (["completion", ""], ["bash", "zsh", "fish"]),
                    (["job", "re"], ["remove"]), (["job", "ins"], ["install"]), (["job", "install", "--cron", ""], [":files"]),
                    (["job", "log", ""], [":files"]), (["job", "list", ""], [":folders"]),
                    (["help", "doc"], ["doctor"]), (["exec", ""], [":files"]), (["exec", "x.py", "--"], [":files"]),
                    (["a question", "--max-tu"], ["--max-turns"]), (["--nonsense", ""], None), (["a question", ""], [])):
    got = words(*typed)
    ok(got == want if want is not None else True, f"complete {typed}", f"got {got!r}", f"want {want!r}")

for shell in ("bash", "zsh", "fish"):
    r = subprocess.run([AGENT, "completion", shell], env=env, stdout=subprocess.PIPE, text=True)
    script = write(f"completion.{shell}", r.stdout)
    if not shutil.which(shell):
        skip(f"{shell} is not installed", f"completion in {shell}", 3)
        continue
    path = {"PATH": f"{AGENT.parent}:/usr/bin:/bin"}
    if shell == "bash":
        ask = write("ask.bash", f"""source {script}
COMP_LINE="$*" COMP_POINT=${{#COMP_LINE}} COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
compopt() {{ :; }}
_agent
printf '%s\\n' "${{COMPREPLY[@]}}"
""")
        command = lambda *w: ["bash", "--norc", ask, "agent", *w]
    elif shell == "fish":
        command = lambda *w: ["fish", "--no-config", "-c", f"source {script}; complete -C '{' '.join(['agent', *w])}'"]
    else:
        ask = write("ask.zsh", f"""compdef() {{ :; }}
compadd() {{ while [[ $1 != -a ]]; do shift; [[ $1 == -d ]] && shift; done; print -l -- ${{(P)2}} }}
_files() {{ print -l -- * }}
source {script}
words=(agent "$@") CURRENT=$(($# + 1))
_agent
""")
        command = lambda *w: ["zsh", "-f", ask, *w]
    for typed, want in ((["sess"], "sessions"), (["sessions", "show", session[:8]], session), (["-f", "da" if shell != "zsh" else ""], "data one.csv")):
        r = subprocess.run(command(*typed), env={**env, **path}, cwd=home / "work", stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, timeout=60 * PATIENCE)
        got = [line.split("\t")[0].replace("\\ ", " ") for line in r.stdout.splitlines()]
        ok(want in got and not r.stderr, f"{shell} completes {typed}", got, r.stderr)

# The manual is made from the tables: every flag and setting is in it, and it is well formed.
build = AGENT.parent
for page, want in (("agent.1", {f for t in helps.values() for f in re.findall(r"--(?:\[no-\])?([a-z][\w-]+)", t)}),
                   ("agent.conf.5", set(re.findall(r"^#?([a-z_]+) =", subprocess.run(
                       [AGENT, "--print-config"], env=env, stdout=subprocess.PIPE, text=True).stdout, re.M)))):
    text = (build / page).read_text().replace("\\-", "-").replace("\\&", "")
    missing = sorted(w for w in want if not re.search(rf"(?<![\w-])(?:\[no-\])?{re.escape(w)}(?![\w-])", text))
    eq(missing, [], f"{page} names all that the program has")
pages = [build / "agent.1", build / "agent.conf.5", TOP / "docs" / "agent-sandbox.1"]
if shutil.which("mandoc"):
    r = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    eq(r.stdout, "", "mandoc finds nothing to warn of")
else:
    skip("mandoc is not installed", "the manual is well formed")
done()

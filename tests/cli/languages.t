#!/usr/bin/python3
"""Further languages: offered when they are asked for and work, each with its tool, its context, its record."""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *


def cell(tool, source, description="Run it"):
    return {"calls": [call(tool, {"code": source, "description": description})]}


def tools(r):
    return [t["function"]["name"] for t in r.bodies()[0]["tools"]]


# --- Python alone, unless more is asked for
r = run("q", script=[cell("execute_bash", "echo hi"), say("done")])
eq(tools(r), ["execute_python"], "by default Python alone is offered")
like(r.observations[0], r'there is no tool named "execute_bash"\. Use: execute_python\.', "and nothing else can be called")
ok("execute_bash" not in r.bodies()[0]["messages"][0]["content"], "the instructions name no other tool")

# --- the setting
for words, why in {"ruby": r'no language "ruby"; there are: python javascript', "bash": r'python is always among .* write "python bash"',
                   "": "python is always among"}.items():
    r = run("q", "--languages", words)
    eq(r.status, 2, f"--languages '{words}': a usage error")
    like(r.err, why, f"--languages '{words}': says what to write")
home = new_home()
project = home / "work"
project.mkdir(exist_ok=True)
(project / "agent.conf").write_text("languages = python bash\nbash = /tmp/own\n")
r = run("q", script=[say("x")], home=home, cwd=project)
eq(r.status, 3, "a project's agent.conf may not choose the program")
like(r.err, r"bash.*chooses the program that runs the code", "and the message says why")

# --- Bash is everywhere
r = run("q", "--languages", "python,bash", "-v", script=[
    cell("execute_bash", "n=5; echo \"hello $n\" | tee made.txt", "Greet"),
    cell("execute_bash", "echo $((n + 1))\nfalse"),
    cell("execute_python", "open('made.txt').read()"),
    say("done")])
eq((r.status, r.out), (0, "done\n"), "a run with two languages")
eq(tools(r), ["execute_python", "execute_bash"], "both tools are offered, Python first")
like(r.bodies()[0]["tools"][1]["function"]["description"], r"Bash \d", "the tool names the version that was found")
like(r.bodies()[0]["messages"][0]["content"], r"`execute_bash` \(Bash \d", "so do the instructions")
like(r.err, r"\[1\] Bash: Greet", "the progress line names the language")
like(r.observations[0], r"hello 5\n", "what it printed is the observation")
like(r.observations[0], r"made\.txt", "the file it made is told")
like(r.observations[1], r"6\n(.*\n)*.*ExitStatus: the cell ended with status 1", "state stays, and the exit status is an error")
like(r.observations[2], r"hello 5", "Python sees the same files")
rec = r.record
ends = [e for e in rec.events if e["type"] == "cell.end"]
eq([e["language"] for e in ends], ["bash", "bash", "python"], "the record says which language")
eq([e["code"] for e in rec.events if e["type"] == "cell.start"], ["cells/1.sh", "cells/2.sh", "cells/3.py"], "and keeps the code by its extension")
eq((ends[1]["error"]["name"], ends[1]["error"]["line"]), ("ExitStatus", 2), "errors have the same shape")

# --- a program that is not there, and one that does not work
r = run("q", "--languages", "python bash javascript", "--node", "/nonexistent/node", script=[say("done")])
eq((r.status, tools(r)), (0, ["execute_python", "execute_bash"]), "a language without its program is not offered, and the run goes on")
like(r.err, r"JavaScript is not offered: .*/nonexistent/node.*`node = PATH`", "the reason is said, and what to do")
fake = write("node", "#!/bin/sh\nexit 3\n")
os.chmod(fake, 0o755)
r = run("q", "--languages", "python javascript", "--node", str(fake), script=[say("done")])
eq((r.status, tools(r)), (0, ["execute_python"]), "a program that does not work is not offered")
like(r.err, r"JavaScript is not offered: .* does not work in the sandbox", "it was tried for real, and that is said")

# --- JavaScript and TypeScript, where there is node
if not shutil.which("node"):
    skip("node is not installed", "JavaScript", 6)
else:
    home = new_home()
    script = [cell("execute_javascript", "const rows = [3, 4]; rows.map(x => x * x)"),
              cell("execute_javascript", "rows.length + missing"), say("done")]
    r = run("q", "--languages", "python js", script=script, home=home)
    eq(tools(r), ["execute_python", "execute_javascript"], "JavaScript is offered")
    like(r.err, r"looking whether JavaScript works here \(once\)", "it was tried")
    like(r.observations[0], r"\[ 9, 16 \]", "the value of the last expression is shown")
    like(r.observations[1], r"ReferenceError: missing is not defined\n\s+at cell 2:1:", "an error shows the cell's own line")
    r = run("q", "--languages", "python js", script=script, home=home)
    unlike(r.err, r"looking whether", "the second run need not try again")
    like(r.observations[0], r"\[ 9, 16 \]", "and it works as before")
# --- agent exec --language
def execute(*args, stdin=None):
    done = subprocess.run([str(AGENT), "exec", *args], input=stdin, capture_output=True, text=True, timeout=120, env=base_env(new_home()), cwd="/tmp")
    return done.returncode, done.stdout, done.stderr


eq(execute("--language", "bash", "-c", "echo hi; exit 4"), (4, "hi\n", ""), "agent exec runs Bash: output and exit status")
eq(execute("--language", "sh", "-c", "read -r line; echo \"<$line>\"", stdin="from outside\n")[:2], (0, "<from outside>\n"), "it reads standard input")
eq(execute("--language", "bash", "--cwd", "/tmp", "--setenv", "WHO=ada", "-c", "echo $PWD $WHO")[:2], (0, "/tmp ada\n"), "directory and environment are obeyed")
eq(execute("--language", "bash", "-c", "n=1", "-c", "echo $((n + 1))")[:2], (0, "2\n"), "several pieces share the interpreter")
r = execute("--language", "ruby", "-c", "1")
eq(r[0], 2, "an unknown language is a usage error")
like(r[2], r'no language "ruby"; there are: python javascript', "which names those there are")
r = execute("--language", "go", "--go", "/nonexistent/go", "-c", "1")
eq(r[0], 3, "a program that is not there is a matter of configuration")
like(r[2], r"/nonexistent/go.*`go = PATH`", "which says what to set")
r = execute("--language", "bash", "--json", "-c", "false")
eq((r[0], json.loads(r[1])["error"]["name"]), (1, "ExitStatus"), "--json has the same shape")
done()

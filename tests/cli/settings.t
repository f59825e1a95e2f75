#!/usr/bin/python3
"""Settings as a user meets them: flags, agent.conf, environment, the key. The table itself has unit tests."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

OK = [say("ok", times=0)]


def asked(r):
    return r.bodies()[0] if r.bodies() else {}


def refused(name, status, says, *args, **more):
    r = run("go on", *args, script=OK, **more)
    eq(r.status, status, f"{name}: status {status}")
    like(r.err, says, f"{name}: the message says what is wrong")
    eq((r.out, len(r.requests)), ("", 0), f"{name}: nothing was asked")
    return r


# --- bad flags
refused("a flag that is not known", 2, r"--max-turms.*--max-turns", "--max-turms", "3")
refused("a flag without its value", 2, r"--model|-m", "-m", model=None)
refused("a number that is none", 2, r"--max-turns.*many", "--max-turns", "many")
refused("a number out of range", 2, r"--max-turns.*0", "--max-turns", "0")
refused("a duration that is none", 2, r"--deadline.*soon", "--deadline", "soon")
refused("a key on the command line", 2, r"(?s)OPENAI_API_KEY.*api[-_]key[-_](file|cmd)", "--api-key",
        "sk-something")

# --- agent.conf
def conf(text, user=True, home=None):
    home = home or new_home()
    path = home / ("config/agent" if user else "work") / "agent.conf"
    path.write_text(text)
    return home


refused("an unknown key in agent.conf", 3, r"agent\.conf:2: .*max_turn\b.*max_turns",
        home=conf("model = x\nmax_turn = 3\n"))
refused("a bad value in agent.conf", 3, r"agent\.conf:1: .*timeout", home=conf("timeout = never\n"))
refused("a line that is none", 3, r"agent\.conf:3", home=conf("model = x\n\nwhat is this\n"))
refused("a bad value in the environment", 3, r"AGENT_TIMEOUT", env={"AGENT_TIMEOUT": "never"})
refused("a project that wants to run a command", 3, r"(?s)api_key_cmd.*trust",
        home=conf("api_key_cmd = touch pwned\n", user=False))
refused("a project that wants the key elsewhere", 3, r"(?s)base_url.*trust",
        home=conf("base_url = http://127.0.0.1:1/v1\n", user=False))

# --- precedence
home = conf("model = from-user\n")
eq(asked(run("go on", script=OK, model=None, home=home)).get("model"), "from-user",
   "the user's agent.conf is read")
conf("model = from-project\n", user=False, home=home)
eq(asked(run("go on", script=OK, model=None, home=home)).get("model"), "from-project",
   "the project's stands above it")
eq(asked(run("go on", script=OK, model=None, home=home, env={"AGENT_MODEL": "from-env"})).get("model"),
   "from-env", "the environment stands above both")
eq(asked(run("go on", script=OK, model="from-flag", home=home, env={"AGENT_MODEL": "from-env"})).get("model"),
   "from-flag", "a flag stands above all")
r = run("go on", "--max-tokens", "77", "--temperature", "0.5", script=OK)
body = asked(r)
eq((body.get("max_tokens", body.get("max_completion_tokens")), body.get("temperature")), (77, 0.5),
   "settings of the model reach the request")
ok("temperature" not in asked(run("go on", script=OK)), "what nobody set is not sent")
r = run("go on", "--system", "You are a pirate.", script=OK)
like(asked(r)["messages"][0]["content"], r"You are a pirate\.", "--system replaces the instructions")
unlike(asked(r)["messages"][0]["content"], r"careful data analyst", "all of them")
r = run("go on", "--append-system", "Answer in Latin.", script=OK)
like(asked(r)["messages"][0]["content"], r"(?s)execute_python.*Answer in Latin\.",
     "--append-system adds to them")

# --- print-config
printed = run("--print-config", model=None)
eq(printed.status, 0, "--print-config: status 0")
eq(printed.out, (TOP / "agent.conf.example").read_text(),
   "agent.conf.example is what --print-config prints")
r = run("go on", script=OK, home=conf(printed.out))
eq((r.status, r.out), (0, "ok\n"), "what it prints is a valid agent.conf")
r = run("--print-config", "-n", "5", model=None)
like(r.out, r"^max_turns = 5$", "it prints what is in force")

# --- the key
refused("no key", 3, r"(?s)OPENAI_API_KEY.*api_key_file.*api_key_cmd", key=None,
        url="http://agent-test.invalid/v1")
KEYED = {"key": None, "env": {"AGENT_CONNECT_TIMEOUT": "2s"}}


def authorised(r):
    return bool(r.requests) and r.requests[0]["auth"]


home = new_home()
secret = home / "key"
secret.write_text(KEY + "\n")
secret.chmod(0o600)
r = run("go on", "--api-key-file", secret, script=OK, home=home, key=None)
ok(authorised(r), "api_key_file gives the key", r.err)
secret.chmod(0o644)
r = run("go on", "--api-key-file", secret, script=OK, home=home, key=None)
eq(r.status, 3, "a key file that others can read is refused: status 3")
like(r.err, r"chmod 600", "and the command that mends it is named")
home = conf(f"api_key_cmd = printf '%s\\n' {KEY}\n")
r = run("go on", script=OK, home=home, key=None)
(home / "config/agent/agent.conf").unlink()
ok(authorised(r), "api_key_cmd gives the key", r.err)
home = conf("api_key_cmd = echo oops >&2; exit 7\n")
r = run("go on", script=OK, home=home, key=None)
eq(r.status, 3, "an api_key_cmd that fails: status 3")
like(r.err, r"(?s)api_key_cmd.*7", "and its status is named")
r = run("go on", script=OK, key=None, env={"MY_KEY": KEY}, model="scripted", home=new_home())
eq(r.status, 3, "a server on loopback that wants a key and gets none answers 401: status 3")
r = run("go on", "--api-key-env", "MY_KEY", script=OK, key=None, env={"MY_KEY": KEY})
ok(authorised(r), "api_key_env names another variable", r.err)
done()

#!/usr/bin/python3
"""agent job install, remove and list: what is written as a timer of systemd and as a line of cron, what is left alone, names of jobs in
several folders, keys as credentials, and the service's command run by hand in the environment that systemd gives it."""
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

home = new_home()
work = home / "work"
tools = home / "tools"  # stand-ins for what belongs to the machine: crontab with a table of its own, systemctl that only writes down
tools.mkdir()
(tools / "crontab").write_text(f"""#!/bin/sh
t={home}/table
case $1 in
-l) [ -e "$t" ] && cat "$t" || {{ echo "no crontab for nobody" >&2; exit 1; }} ;;
-) cat > "$t" ;;
esac
""")
(tools / "systemctl").write_text(f"""#!/bin/sh
echo "$*" >> {home}/systemctl.log
[ ! -e {home}/down ] || {{ echo "Failed to connect to bus" >&2; exit 1; }}
""")
for tool in tools.iterdir():
    tool.chmod(0o755)
ENV = {"PATH": f"{tools}:/usr/local/bin:/usr/bin:/bin", "TZ": None, "OPENAI_API_KEY": None}
ROOT = os.geteuid() == 0
units = home / "config/systemd/user"
USER = {}
if ROOT:  # root's timers are the system's: what is tested here is an ordinary user's
    USER = {"user": 12345, "group": 12345, "extra_groups": []}
    CACHE.chmod(0o777)


def give():
    """What the test wrote is the user's."""
    for path in [home, *home.rglob("*")] if ROOT else []:
        os.lchown(path, 12345, 12345)


def job(*args, env=None, **how):
    give()
    return run("job", *args, model=None, home=home, key=None, env={**ENV, **(env or {})}, **USER, **how)


def write(text, name="w.job"):
    (work / name).parent.mkdir(exist_ok=True)
    (work / name).write_text(text)


def called():
    log = home / "systemctl.log"
    text = log.read_text() if log.exists() else ""
    log.unlink(missing_ok=True)
    return text


def table(text=None):
    if text is not None:
        (home / "table").write_bytes(text)
    return (home / "table").read_bytes()


def installed():
    return sorted(p.name for p in units.iterdir()) if units.exists() else []


# --- the job file ---
for text, said in (("Mno 07:00", r'w\.job:2: schedule: "Mno 07:00": "Mno" is no weekday'),
                   ("0 7 * * 1", r"w\.job:2: schedule: .*: and minutes are wanted"),
                   ("07:00 Europe/Berlin", r"w\.job:2: schedule: .*the time zone is the machine's own, or UTC")):
    write(f"question = x\nschedule = {text}\n")
    r = job("check", "w.job")
    eq(r.status, 3, f"refused: schedule = {text}")
    like(r.err, said, "and said where and why")
write("question = x\nschedule = Mon 07:00\n")
r = job("check", "w.job", env={"TZ": "UTC"})
like(r.err, r"schedule Mon 07:00: Mon \d{4}-\d\d-\d\d 07:00:00 UTC, Mon .* UTC, Mon .* UTC\n.*can run", "check says the next three runs, and that the job can run")
write("question = x\nschedule = 2026-01-01\n")
r = job("check", "w.job")
like(r.err, r"\Aagent: schedule = 2026-01-01: there is no such time any more", "a time that is past, and nothing about what can run")
eq((r.status, job("install", "w.job").status, installed()), (3, 3, []), "is no schedule, and nothing is written")
write("question = x\n")
r = job("install", "w.job")
eq((r.status, installed()), (3, []), "a job without a schedule is not installed")
like(r.err, "add a line such as schedule = Mon 07:00", "and what to write is said")

# --- a timer ---
BASE = "question = x\nschedule = Mon 07:00\n[settings]\nmodel = llamacpp/default\n"
write(BASE)
write(BASE, "other/w.job")
write(BASE, "it's 5% \"odd\" $HOME \\é/we ekly.job")
r = job("install", "w.job")
eq(r.status, 0, "install")
name = next((n[:-6] for n in installed() if n.endswith(".timer")), "none")
eq(installed(), [f"{name}.service", f"{name}.timer"], "writes a service and a timer")
like(name, r"^agent-job-w-[0-9a-f]{12}$", "named by the job and its path")
timer, service = (units / f"{name}.timer").read_text(), (units / f"{name}.service").read_text()
for line in ("OnCalendar=Mon *-*-* 07:00:00", "Persistent=true", "RandomizedDelaySec=1min", "WantedBy=timers.target"):
    ok(line in timer.splitlines(), f"the timer says {line}", timer)
for line in ("Type=oneshot", f'ExecStart={AGENT} job run --quiet "{work}/w.job"', "SuccessExitStatus=10", "NoNewPrivileges=yes", "UMask=0077",
             f'Environment="HOME={home}"', f'Environment="XDG_DATA_HOME={home}/share"'):
    ok(line in service.splitlines(), f"the service says {line}", service)
unlike(service, "LoadCredential", "a server of one's own needs no key")
unlike(service, r"(?m)^(RestrictSUIDSGID|User)=", "nothing stands there with which the sandbox could not be built")
eq(called(), f"--user daemon-reload\n--user enable --now {name}.timer\n--user restart {name}.timer\n", "systemd is told")
unlike(r.err, "warning", "and there is nothing to warn of")
eq(job("install", "other/w.job").status, 0, "a job of the same name in another folder")
eq(job("install", "it's 5% \"odd\" $HOME \\é/we ekly.job").status, 0, "and one with a path that needs care")
eq((len(installed()), len([n for n in installed() if n.startswith("agent-job-w-")])), (6, 4), "all have units of their own")
if shutil.which("systemd-analyze"):
    # What can be wrong with a unit says nothing about whether a manager runs: the file is read as a system's.
    v = subprocess.run(["systemd-analyze", "verify", *[str(units / n) for n in installed()]], capture_output=True, text=True,
                       env={"PATH": ENV["PATH"], "LC_ALL": "C"})
    mine = [line for line in v.stderr.splitlines() if "agent-job" in line]
    eq((mine, v.returncode), ([], 0), "systemd-analyze verify has nothing to say")
else:
    skip("there is no systemd-analyze", "verify")
odd = (units / next(n for n in installed() if n.startswith("agent-job-we_ekly-") and n.endswith(".service"))).read_text()
like(odd, re.escape(f'"{work}/it\'s 5%% \\"odd\\" $$HOME \\\\é/we ekly.job"'), "the path is quoted as systemd reads it")
called()
job("remove", "it's 5% \"odd\" $HOME \\é/we ekly.job")
job("remove", "other/w.job")
eq(installed(), [f"{name}.service", f"{name}.timer"], "remove takes one job's units and no other's")
write(BASE.replace("Mon 07:00", "daily"))
like(job("list").out, r"w\.job  no report yet; timer, not enabled \(its file says otherwise: install it again\)", "list says that the file has changed")
(units / "timers.target.wants").mkdir()
(units / "timers.target.wants" / f"{name}.timer").symlink_to(units / f"{name}.timer")
r = job("install", "w.job")
like((units / f"{name}.timer").read_text(), r"^OnCalendar=\*-\*-\* 00:00:00$", "a second install brings it up to date")
like(r.err, "changed .*timer", "and says so")
like(job("list", env={"TZ": "UTC"}).out, r"w\.job  no report yet; timer, next \w{3} \d{4}-\d\d-\d\d 00:00:00 UTC$", "list says the next run")
write("question = x\nschedule = daily\non_success = mail me\n[settings]\nmodel = llamacpp/default\n")
job("install", "w.job")
unlike((units / f"{name}.service").read_text(), "NoNewPrivileges|Restrict|Lock", "where mail is sent, programs may gain what their file gives them")
stamp = home / "share/systemd/timers" / f"stamp-{name}.timer"
stamp.parent.mkdir(parents=True)
stamp.touch()
called()
(work / "w.job").unlink()
r = job("remove", "w.job")
eq((r.status, installed(), stamp.exists(), list((units / "timers.target.wants").iterdir())), (0, ["timers.target.wants"], False, []),
   "remove works without the job file, and leaves nothing")
eq(called(), f"--user disable --now {name}.timer\n--user daemon-reload\n", "systemd is told")
r = job("remove", "w.job")
eq(r.status, 2, "what is not installed is not removed")
like(r.err, "w.job is not installed", "and that is said")

# --- what is not ours, and no systemd ---
write(BASE)
for kind in ("timer", "service"):
    (units / f"{name}.{kind}").write_text("[Unit]\nDescription=mine\n")
    r = job("install", "w.job")
    eq((r.status, (units / f"{name}.{kind}").read_text()), (3, "[Unit]\nDescription=mine\n"), f"a {kind} of somebody else is left as it is")
    like(r.err, f"{name}.{kind} was not written by agent job install", "and named")
    eq((job("remove", "w.job").status, (units / f"{name}.{kind}").exists()), (3, True), "also by remove")
    (units / f"{name}.{kind}").unlink()
(home / "down").touch()
called()
r = job("install", "w.job")
like(r.err, rf"no systemd answers here \(Failed to connect to bus\).*\n.*systemctl --user daemon-reload && systemctl --user enable --now {name}\.timer",
     "where no systemd answers, what to type is said")
eq((r.status, len(installed()), called()), (0, 3, "--user daemon-reload\n"), "and the units are there")
eq((job("remove", "w.job").status, installed()), (0, ["timers.target.wants"]), "they go without systemd too")
(home / "down").unlink()

# --- keys ---
CLOUD = "question = x\nschedule = daily\n[settings]\nmodel = gpt-4.1-mini\nfallback_model = groq/openai/gpt-oss-20b\n"
write(CLOUD)
r = job("install", "w.job", env={"OPENAI_API_KEY": "sk-of-the-shell", "https_proxy": "http://proxy.example.org:3128"})
like(r.err, r"no key of openai .*\(a variable of this shell is not\): agent keys set openai", "a key that only the shell has is told of")
like(r.err, "no key of groq will be there", "also that of a fallback")
like(r.err, "set here, and not where the job will run: https_proxy", "and a proxy that only the shell knows")
run("keys", "set", "openai", model=None, home=home, key=None, send=KEY.encode() + b"\n", env=ENV, **USER)
job("install", "w.job")
kept = home / "config/agent/keys/openai"
service = (units / f"{name}.service").read_text()
like(service, rf"^LoadCredential=agent-openai:{kept}$", "a key that is kept is a credential of the service")
unlike(service, KEY, "the key itself is in no unit")
job("remove", "w.job")

# --- the service's command, by hand, as systemd would run it ---
write(f"question = What is 6*7?\nschedule = daily\noutput = report.html\n[settings]\nprovider = openai\nmodel = scripted\n")
SCRIPT = [code("print(6*7)"), say("It is {1}.", find=r"^(\d+)$")]
credentials = home / "credentials"
credentials.mkdir()
kept.rename(credentials / "agent-openai")
(credentials / "agent-openai").chmod(0o440)
credentials.chmod(0o500)
with Provider(SCRIPT + SCRIPT) as provider:
    write((work / "w.job").read_text() + f"base_url = {provider.url}\n")
    give()
    r = finish(start("job", "install", "w.job", home=home, key=None, env=ENV, **USER), keep=[provider.process.pid])
    service = (units / f"{name}.service").read_text()
    words = shlex.split(re.search(r"^ExecStart=(.*)$", service, re.M)[1].replace("%%", "%").replace("$$", "$"))
    env = dict(shlex.split(v)[0].split("=", 1) for v in re.findall(r"^Environment=(.*)$", service, re.M))
    env.update(PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", CREDENTIALS_DIRECTORY=str(credentials), INVOCATION_ID="1" * 32,
               **SANITIZERS, **({"AGENT_SANDBOX_HELPER": str(HELPER)} if HELPER.parent != AGENT.parent else {}))
    give()
    p = subprocess.run(words, env=env, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, umask=0o077, **USER)
    requests = provider.read()
eq((p.returncode, p.stdout, len(requests)), (0, "", 2), "the command of the service makes a report, with the key of the credential")
eq(p.stderr, "", "and says nothing")
eq((work / "w.reports/latest/answer.md").read_text().strip(), "It is 42.", "which is whole")
eq((work / "w.reports/latest/answer.md").stat().st_mode & 0o777, 0o600, "and for nobody else to read")
job("remove", "w.job")
write((work / "w.job").read_text().replace("schedule", "only_if_changed = true\nschedule"))
r = job("run", "--quiet", "w.job", script=SCRIPT, env={"OPENAI_API_KEY": KEY})
r = job("run", "--quiet", "w.job")
eq((r.status, r.out, r.err), (10, "", ""), "where nothing has changed a scheduled run has nothing to say that cron would mail")
if ROOT:  # as in a container that holds nothing else
    (work / "one.job").write_text("question = x\ninput = command: echo n >&2; exit 7 as a.csv\n")
    p = subprocess.run(["unshare", "--pid", "--fork", "--kill-child", str(AGENT), "job", "run", "one.job"], cwd=work, env=base_env(home),
                       capture_output=True, text=True)
    like(p.stderr, "the command ended with status 7", "a job's commands run where agent is process 1")
else:
    skip("not root: no pid namespace", "agent as process 1")

# --- root's timers are the system's ---
if ROOT:
    (work / "r.job").write_text(BASE)
    script = f"""set -e
mount --make-rprivate /
mount -t tmpfs none /etc/systemd
mkdir -p /etc/systemd/system /var/lib/systemd/timers
mount -t tmpfs none /var/lib/systemd/timers
'{AGENT}' job install r.job
cat /etc/systemd/system/agent-job-r-*
[ ! -x /usr/bin/systemd-analyze ] || systemd-analyze --man=no verify /etc/systemd/system/agent-job-r-*.timer
'{AGENT}' job remove r.job
ls -A /etc/systemd/system
echo end
"""
    p = subprocess.run(["unshare", "--mount", "sh", "-c", script], cwd=work, env={**base_env(home), "PATH": ENV["PATH"]}, capture_output=True,
                       text=True)
    # Together with a filter it takes CAP_SETUID, with which the sandbox becomes an ordinary user.
    ok("User=" not in p.stdout, "root's unit does not say User=", p.stdout)
    for line in ("ProtectSystem=full", "NoNewPrivileges=yes", "Wants=network-online.target", "OnCalendar=Mon *-*-* 07:00:00"):
        ok(line in p.stdout.splitlines(), f"root's unit says {line}", p.stdout, p.stderr)
    like(p.stdout, r"\nWantedBy=timers.target\nend\n\Z", "and remove leaves nothing of it")
    eq((p.returncode, [line for line in p.stderr.splitlines() if "agent-job" in line and not line.startswith(("wrote ", "removed "))]), (0, []),
       "systemd-analyze verify has nothing to say of it")
    like(called(), r"^daemon-reload\nenable --now agent-job-r-", "the system's manager is told")
else:
    skip("not root", "root's timers", 8)

# --- cron ---
write(BASE)
OTHER = b"# mine\nMAILTO=\"\"\n5 4 * * *\techo %%  \n\n#0 7 * * 1 x # %s\n" % name.encode()
table(OTHER)
r = job("install", "--cron", "w.job")
eq(r.status, 0, "install --cron")
lines = table().split(b"\n")
eq(table()[:len(OTHER)], OTHER, "all that was in the table stays, byte for byte")
line = lines[-2].decode()
like(line, rf"^0 7 \* \* 1 env PATH=\S+ 'HOME={home}' .*{AGENT} job run --quiet '{work}/w\.job' # {name}$", "a line of ours follows")
like(job("list", env={"TZ": "UTC"}).out, r"w\.job  .*; cron, next Mon \d{4}-\d\d-\d\d 07:00:00 UTC$", "list shows it")
r = job("install", "w.job")
eq((r.status, installed()), (3, ["timers.target.wants"]), "a job is not installed in both ways")
like(r.err, "it is installed in your crontab already", "which is said")
before = table()
write(BASE.replace("Mon 07:00", "*:0/20"))
eq(job("install", "--cron", "w.job").status, 0, "a second install")
eq(table(), before.replace(b"0 7 * * 1 env", b"0-59/20 * * * * env"), "changes the line where it stands")
table(b"\n".join([*table().split(b"\n")[:-1], b"1 2 * * * after"]))
(work / "w.job").unlink()
eq((job("remove", "w.job").status, table()), (0, OTHER + b"1 2 * * * after"), "remove takes the line away, without the job file too, and no other byte")
eq(job("remove", "w.job").status, 2, "once")
(home / "table").unlink()
write(BASE, "50%/it's.job")
eq(job("install", "--cron", "50%/it's.job").status, 0, "where there was no table")
like(table().decode(), r"job run --quiet '\S+/50\\%/it'\\''s\.job' # agent-job-it_s-", "there is one, in which % is no end of line")
job("remove", "50%/it's.job")
for text, why in (("*:*:30", "cron knows no seconds"), ("2030-01-01", "cron knows no years"), ("07:00 UTC", "time zone only"),
                  ("*-*~1", "month's end"), ("Mon *-*-1..7", "it cannot ask for both")):
    write(BASE.replace("Mon 07:00", text))
    r = job("install", "--cron", "w.job")
    eq((r.status, table()), (3, b""), f"cron cannot say {text}")
    like(r.err, why, "and why is said")
write(BASE)
(tools / "crontab").write_text("#!/bin/sh\necho 'You are not allowed to use this program' >&2\nexit 1\n")
table(OTHER)
for word in (["install", "--cron"], ["remove"]):
    r = job(*word, "w.job")
    ok(r.status in (2, 3) and "not allowed" in r.err and table() == OTHER, f"{word[0]}: a crontab that cannot be read is not written", r.err)
eq(job("list", "--cron").status, 2, "--cron is a flag of install alone")
done()

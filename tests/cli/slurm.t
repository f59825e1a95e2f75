#!/usr/bin/python3
"""agent batch --slurm on a real Slurm: a controller and two nodes of this test's own, one of them killed in the
middle. Every question is answered exactly once."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *
from anyservice import AnyService
import socket

os.environ["PATH"] += ":/usr/sbin:/sbin"
for tool in ("sbatch", "squeue", "slurmctld", "slurmd", "munged"):
    if not shutil.which(tool):
        skip_all(f"{tool} is not installed (slurm-wlm and munge)")
if os.getuid() != 0:
    skip_all("slurmctld and slurmd are started by root here")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


CLUSTER = BOX / "slurm"
for sub in ("state", "n1", "n2"):
    (CLUSTER / sub).mkdir(parents=True)
(CLUSTER / "munge.key").write_bytes(os.urandom(1024))
(CLUSTER / "munge.key").chmod(0o400)
(CLUSTER / "slurm.conf").write_text(f"""
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={free_port()}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={CLUSTER}/munge.sock
CredType=cred/munge
StateSaveLocation={CLUSTER}/state
SlurmdSpoolDir={CLUSTER}/%n
SlurmctldPidFile={CLUSTER}/ctld.pid
SlurmdPidFile={CLUSTER}/%n.pid
SlurmctldLogFile={CLUSTER}/ctld.log
SlurmdLogFile={CLUSTER}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=5
MinJobAge=300
SchedulerParameters=bf_interval=1,sched_interval=1
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={free_port()} CPUs=1 State=UNKNOWN
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={free_port()} CPUs=1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
""")
ENV = {**os.environ, "SLURM_CONF": str(CLUSTER / "slurm.conf")}
daemons = {}


def daemon(name, *argv):
    daemons[name] = subprocess.Popen(argv, env=ENV, stdin=subprocess.DEVNULL, stdout=open(CLUSTER / f"{name}.out", "w"),
                                     stderr=subprocess.STDOUT, start_new_session=True)


def until(what, seconds):
    end = time.monotonic() + seconds * PATIENCE
    while not what() and time.monotonic() < end:
        time.sleep(0.1)
    return what()


def info(*argv):
    return subprocess.run(argv, env=ENV, capture_output=True, text=True).stdout


def end_all():
    for name in ("n1", "n2", "ctld", "munge"):
        if name in daemons:
            mine = children_of([daemons[name].pid])
            daemons[name].kill()
            for pid in mine:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            daemons[name].wait()


atexit.register(end_all)
daemon("munge", "munged", "-F", f"--key-file={CLUSTER}/munge.key", f"--socket={CLUSTER}/munge.sock",
       f"--pid-file={CLUSTER}/munge.pid", f"--log-file={CLUSTER}/munge.log", f"--seed-file={CLUSTER}/munge.seed", "--force")
until((CLUSTER / "munge.sock").exists, 10)
daemon("ctld", "slurmctld", "-D", "-c")
for node in ("n1", "n2"):
    daemon(node, "slurmd", "-D", "-N", node)
if not until(lambda: info("sinfo", "-h", "-t", "idle", "-o", "%D").strip() == "2", 40):
    skip_all("no Slurm could be started here: " + ascii(info("sinfo") + (CLUSTER / "ctld.log").read_text()[-300:]))

N = 24

seen = []


def answer(request):
    q = next(m["content"] for m in request["body"]["messages"] if m["role"] == "user")
    seen.append(int(q.split()[1]))
    time.sleep(0.3)
    return f"It is {2 * int(q.split()[1])}."


def cluster_env(home, url):
    return {"SLURM_CONF": ENV["SLURM_CONF"], "PATH": "/usr/local/bin:/usr/bin:/bin"}


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


with AnyService(answer) as s:
    home = new_home()
    work = home / "work"
    (work / "q.jsonl").write_text("".join(json.dumps({"question": f"number {i}", "id": f"q{i}"}) + "\n" for i in range(N)))
    flags = ("batch", "q.jsonl", "--out", "out.jsonl", "-j", "1", "--stream=false", "-m", "scripted")
    daemons_pids = [d.pid for d in daemons.values()]
    p = start(*flags, "--slurm", "4", url=s.url + "/v1", home=home, cwd=work, env=cluster_env(home, s.url))
    ok(until(lambda: len(seen) >= 6, 60), "the tasks ask", len(seen))
    # The node dies as a machine does: its daemon and all that it had started, at once.
    running = info("squeue", "-h", "-o", "%i %N %T")
    mine = children_of([daemons["n2"].pid])
    daemons["n2"].kill()
    for pid in mine:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    ok("n2 RUNNING" in running, "a node was lost that had work", running)
    r = finish(p, timeout=240, keep=daemons_pids)
    got = lines(work / "out.jsonl") if (work / "out.jsonl").exists() else []
    eq((r.status, [x["index"] for x in got]), (0, list(range(N))), "every question has exactly one result, in order") or \
        print("#", r.err, *[p.read_text()[-500:] for p in sorted((work / "out.jsonl.parts").glob("*.log"))], sep="\n# ")
    eq([x["answer"] for x in got], [f"It is {2 * i}." for i in range(N)], "and the right answer")
    like(r.err, r"submitted as job \d+: 4 tasks", "it says what it does")
    scripts = "".join(p.read_text(errors="replace") for p in (work / "out.jsonl.parts").iterdir())
    eq(KEY in scripts, False, "the key is in no file of the batch")
    r = finish(start(*flags, "--slurm", "4", "--resume", url=s.url + "/v1", home=home, cwd=work,
                     env=cluster_env(home, s.url)), keep=daemons_pids)
    eq((r.status, len(lines(work / "out.jsonl"))), (0, N), "with nothing missing no job is sent")
    r = finish(start(*flags, "--slurm", "4", url=s.url + "/v1", home=home, cwd=work, env=cluster_env(home, s.url)),
               keep=daemons_pids)
    eq(r.status, 2, "results that are there are not overwritten")
    r = finish(start("batch", "q.jsonl", "--out", "x.jsonl", "--slurm", "2", "-m", "scripted", url=s.url + "/v1", home=home,
                     cwd=work, env={"PATH": "/nonexistent"}), keep=daemons_pids)
    ok(r.status == 3 and "slurm-client" in r.err, "without Slurm's commands it says what to install", r.status, r.err)
end_all()
done()

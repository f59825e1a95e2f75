"""Builds an environment of packages: one cell in a sandbox made for it, which afterwards ends.

pip does the work, in a process of its own, from ready-made wheels only: no code of a package runs here. The
plan is read from plan.json beside this cell's other inputs; what is left behind for the agent is

    site/       the installed files, byte-compiled
    packages    a line each: name, version, SHA-256 of its wheel, bytes installed
    notes       a line for each thing the user should know

All of it is data to the agent, which reads it as it reads anything that comes out of a sandbox.
"""
import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

TELL = 12               # lines of pip's errors that are passed on
MAX_NOTES = 20
CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
# pip is started from Python, for two things. The way to the index is a unix socket behind Python's own (net.py). And where
# there are no namespaces, modes and times cannot be set; they are not carried out of the sandbox either.
START = """
import os, runpy, sys
def lenient(call):
    def wrapped(*args, **kw):
        try:
            return call(*args, **kw)
        except PermissionError:
            return None
    return wrapped
os.chmod, os.utime = lenient(os.chmod), lenient(os.utime)
if %r:
    exec(compile(open("/run/sandbox/net.py").read(), "net.py", "exec"))
    install()
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def stop(text):
    print("ERROR: " + text, file=sys.stderr)
    sys.exit(1)


def run_pip(plan, site, requirements):
    options = ["install", "--isolated", "--no-input", "--disable-pip-version-check", "--no-cache-dir",
               "--no-compile", "--only-binary=:all:", "--no-color", "--progress-bar=off", "--no-warn-script-location",
               "--root-user-action=ignore", "--retries=2", "--timeout=30", "--target=" + site, "--report=report.json",
               "--requirement=" + requirements]
    if plan["hashes"]:
        options.append("--require-hashes")
    if plan["wheels"]:
        options += ["--no-index", "--find-links=" + plan["wheels"]]
    else:
        options.append("--index-url=" + plan["index"])
        options += ["--cert=" + path for path in CERTIFICATES if os.path.exists(path)][:1]
    start = ["-c", START % (not plan["wheels"])]
    os.makedirs("tmp", exist_ok=True)
    environment = dict(os.environ, TMPDIR=os.path.abspath("tmp"), HOME=os.path.abspath("tmp"))
    environment.pop("PYTHONPATH", None)
    pip = subprocess.Popen([sys.executable, "-I"] + start + options, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                           env=environment, text=True, errors="replace")
    errors, usual = [], []      # of the errors the first and the last lines say most
    for line in pip.stderr:
        (errors if line.startswith("ERROR") or errors else usual).append(line.rstrip())
        del errors[2:-TELL + 2], usual[:-TELL]
    for line in errors or usual if pip.wait() else []:
        print(line[:1000], file=sys.stderr)
    if pip.returncode:
        sys.exit(1)


def distributions(site):
    """Folder of the metadata -> what its RECORD says: path -> (hash, size)."""
    found = {}
    for name in sorted(os.listdir(site)):
        if not name.endswith(".dist-info"):
            continue
        rows = {}
        try:
            with open(os.path.join(site, name, "RECORD"), newline="", encoding="utf-8") as f:
                for row in csv.reader(f):
                    path = os.path.normpath(row[0])
                    if len(row) == 3 and not path.startswith(("../", "/", "bin/")):
                        rows[path] = (row[1], row[2])
        except (OSError, UnicodeDecodeError, csv.Error) as e:
            stop("%s: its RECORD cannot be read: %s" % (name, e))
        found[name] = rows
    return found


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while part := f.read(1 << 20):
            h.update(part)
    return h.digest()


def check_records(site, found):
    """pip does not compare what a wheel holds with the hashes in its RECORD. Returns what to tell the user."""
    import base64
    owners, notes = {}, []
    for dist, rows in found.items():
        for path, (told, _) in rows.items():
            owners.setdefault(path, []).append((dist[:-len(".dist-info")], told))
    for path, claims in owners.items():
        wanted = {told for _, told in claims if told.startswith("sha256=")}
        if not wanted:
            continue
        try:
            real = "sha256=" + base64.urlsafe_b64encode(digest(os.path.join(site, path))).rstrip(b"=").decode()
        except OSError as e:
            stop("the wheel of %s is damaged: %s is in its RECORD and cannot be read: %s" % (claims[0][0], path, e.strerror))
        if real not in {told.rstrip("=") for told in wanted}:
            stop("the wheel of %s is damaged or was changed: the content of %s is not what its RECORD says"
                 % (" or ".join(dist for dist, _ in claims), path))
        if len(wanted) > 1:
            mine = next(dist for dist, told in claims if told.rstrip("=") == real)
            notes.append("%s is in %s; the one of %s is there now" % (path, " and in ".join(d for d, _ in claims), mine))
    return notes


def drop_requested(site):
    """Which of them were asked for by name differs between a list and its lock; what is installed should not."""
    for dist in os.listdir(site):
        mark, record = (os.path.join(site, dist, name) for name in ("REQUESTED", "RECORD"))
        if dist.endswith(".dist-info") and os.path.isfile(mark):
            os.unlink(mark)
            with open(record, encoding="utf-8") as f:
                lines = [line for line in f if not line.startswith(dist + "/REQUESTED,")]
            with open(record, "w", encoding="utf-8") as f:
                f.writelines(lines)


def same_name(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def list_packages(site, found):
    with open("report.json", encoding="utf-8") as f:
        report = json.load(f)
    sizes = {}
    for dist, rows in found.items():
        size = sum(os.lstat(os.path.join(site, p)).st_size for p in rows if os.path.lexists(os.path.join(site, p)))
        sizes[same_name(dist[:-len(".dist-info")].partition("-")[0])] = size
    lines = []
    for item in report["install"]:
        info = item["download_info"].get("archive_info", {})
        value = info.get("hashes", {}).get("sha256") or info.get("hash", "").partition("sha256=")[2]
        name = same_name(item["metadata"]["name"])
        lines.append("%s %s %s %d\n" % (name, item["metadata"]["version"], value, sizes.get(name, 0)))
    return sorted(lines)


def need_pip():
    import importlib.util
    if importlib.util.find_spec("pip") is None:
        stop("this Python (%s) has no pip; install it, on Debian and Ubuntu with: sudo apt-get install python3-pip"
             % sys.executable)


def tell_index():
    """Prints where pip goes when nobody tells it: the index, and the host that serves the files."""
    need_pip()
    try:
        from pip._internal.models.index import PyPI
        print(PyPI.simple_url, PyPI.file_storage_domain)
    except (ImportError, AttributeError):   # another pip than those up to now; the agent says what to set
        print()


def build(folder):
    with open(os.path.join(folder, "plan.json"), encoding="utf-8") as f:
        plan = json.load(f)
    need_pip()
    site = os.path.abspath("site")
    os.mkdir(site)
    run_pip(plan, site, os.path.join(folder, "requirements.txt"))
    shutil.rmtree("tmp", ignore_errors=True)
    shutil.rmtree(os.path.join(site, "bin"), ignore_errors=True)    # commands: nothing inside looks there
    drop_requested(site)
    found = distributions(site)
    notes = check_records(site, found)
    lines = list_packages(site, found)
    # The tree never changes again, so what is compiled is never compared with its source.
    subprocess.run([sys.executable, "-I", "-m", "compileall", "-q", "-q", "-s", site, "-p", plan["place"],
                    "--invalidation-mode", "unchecked-hash", site], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = ["and %d more such files" % (len(notes) - MAX_NOTES)]
    for name, text in (("packages", "".join(lines)), ("notes", "".join(n[:400].replace("\n", " ") + "\n" for n in notes))):
        with open(name, "w", encoding="utf-8", errors="replace") as f:
            f.write(text)

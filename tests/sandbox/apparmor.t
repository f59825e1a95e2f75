#!/usr/bin/python3
"""`make install-apparmor' puts the profile where AppArmor looks for it, with the installed path; the profile parses; `make
uninstall' takes it away."""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent))
from boxlib import *  # noqa: E402,F403

ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}


def make(target, dest):
    return subprocess.run(["make", "-s", target, f"DESTDIR={dest}", "PREFIX=/opt/agent"], cwd=TOP, env=ENV,
                          capture_output=True, text=True)


with tempfile.TemporaryDirectory(prefix="agent-apparmor-") as dest:
    profile = Path(dest, "etc/apparmor.d/agent-sandbox")
    p = make("install-apparmor", dest)
    ok(p.returncode == 0 and profile.is_file() and "not loaded: DESTDIR is set" in p.stdout, "it is installed, and not loaded",
       p.stdout, p.stderr)
    text = profile.read_text()
    ok("\nprofile agent-sandbox /opt/agent/bin/agent-sandbox flags=(unconfined) {\n  userns,\n" in text and "@" not in text,
       "it permits user namespaces to the installed path", text)
    parser = shutil.which("apparmor_parser", path=ENV["PATH"])
    version = subprocess.run([parser, "--version"], capture_output=True, text=True).stdout if parser else ""
    major = re.search(r"version (\d+)", version)
    if not major or int(major[1]) < 4:
        skip("the profile parses: that takes an apparmor_parser of version 4 (as the restriction does), here is "
             f"{version.splitlines()[0] if version else 'none'}")
    else:
        p = subprocess.run([parser, "-Q", "-K", str(profile)], capture_output=True, text=True)
        ok(p.returncode == 0, "the profile parses", p.stderr)
    p = make("uninstall", dest)
    ok(p.returncode == 0 and not profile.exists(), "uninstall takes it away", p.stderr)
done()

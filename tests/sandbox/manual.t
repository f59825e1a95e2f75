#!/usr/bin/python3
"""The manual page names every option and every limit with its default, and none besides; and it is well-formed."""
import re
import shutil
import subprocess
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent))
from boxlib import *  # noqa: E402,F403

page = (TOP / "docs" / "agent-sandbox.1").read_text()
told = subprocess.run([SANDBOX, "--help"], capture_output=True, text=True).stdout
options, limits = told.split("\nlimits (")
eq(sorted(set(re.findall(r"^\.It Fl Fl (\S+)", page, re.M))), sorted(re.findall(r"^  --(\S+)", options, re.M)),
   "the options are those of --help")
table = re.findall(r"^\.It ([a-z-]+) Ta (\S+) Ta", page, re.M)
want = re.findall(r"^  ([a-z-]+) +(\S+) ", limits, re.M)
eq(table, [(name, "none" if default == "0" else default) for name, default in want], "the limits and their defaults too")
if shutil.which("man"):
    p = subprocess.run(["man", "--warnings", "-l", str(TOP / "docs" / "agent-sandbox.1")], capture_output=True, text=True,
                       env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MANWIDTH": "100", "HOME": "/nonexistent"})
    ok(p.returncode == 0 and not p.stderr.strip() and "EXIT STATUS" in p.stdout, "man has nothing to complain of", p.stderr)
else:
    skip("man is not installed")
done()

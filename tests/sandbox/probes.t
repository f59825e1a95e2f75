#!/usr/bin/python3
"""Doors that other sandboxes leave open (tests/lib/probes.py): open outside, which shows that the probe works; closed
inside, as root and as an ordinary user."""
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from boxlib import *  # noqa: E402,F403
import probes  # noqa: E402

CLOSED = {"EPERM", "EACCES", "ENOSYS", "EAFNOSUPPORT", "killed", "no"}
for uid in each_user():
    outside, outside_err = probes.run_in([], uid, 60 * PATIENCE)
    inside, inside_err = probes.run_in([SANDBOX, "--"], uid, 60 * PATIENCE)
    controls = 0
    for name in probes.PROBES:
        if outside[name] != "OK":
            reason = "only root can open it" if name == probes.ROOT_ONLY and os.getuid() + uid else \
                "this machine closes it outside as well"
            skip(f"{name}: {reason} ({outside[name]}), so the probe proves nothing; inside: {inside[name]}")
            continue
        controls += 1
        ok(inside[name] in CLOSED, f"{name}: open outside, inside {inside[name]}", inside_err)
    ok(controls >= 10, f"{controls} of the {len(probes.PROBES)} doors are open outside", outside, outside_err)
    ok(all(v in CLOSED for v in inside.values()), "no door is open inside, whatever it is outside", inside, inside_err)
done()

#!/usr/bin/python3
"""Job: a question about the program's own tool, which needs no code, with a file attached all the same."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

r = run("What does the column 'wind' mean?", "-f", DATA / "weather.csv", each={"chunk": "bytes"},
        script=[say("By its name and values, the day's mean wind speed; the file itself does not say the unit.")])
eq((r.status, r.rules, len(r.requests)), (0, [], 1), "one request, no code")
eq(r.out, "By its name and values, the day's mean wind speed; the file itself does not say the unit.\n",
   "the answer, whole, though it came byte by byte")
eq(r.artifacts, [], "no artifact")
eq(r.record.names("cells"), [], "no cell")
like(r.bodies()[0]["messages"][0]["content"], r"(?s)weather\.csv.*- precipitation: .*Row 1: ",
     "the model had the file's profile to go by")
done()

#!/usr/bin/python3
"""Writes demo.jsonl, the recorded conversation that `make demo` plays.

    tests/demo/make_demo.py            writes tests/demo/demo.jsonl
    tests/demo/make_demo.py --check    compares it instead, status 1 when it differs

The replies are written here; the cells in them really run when the demo is played. The numbers in
the answer are computed from the table, with nothing but the csv module, so that they are true
whatever the cells print.
"""
import calendar
import csv
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TABLE = HERE.parent / "data" / "birdstrikes.csv"

LOOK = """\
import pandas as pd

df = pd.read_csv("birdstrikes.csv", parse_dates=["Flight Date"], keep_default_na=False)
print(f"{len(df):,} rows, {df['Flight Date'].min():%Y-%m-%d} to {df['Flight Date'].max():%Y-%m-%d},"
      f" {df.duplicated().sum()} of them repeat another")
df["Effect Amount of damage"].value_counts()"""

WRONG = """\
month = df["Flight Date"].dt.month
damaged = df["Effect Amount of Damage"] != "None"
table = damaged.groupby(month).agg(strikes="size", damaged="sum")"""

RIGHT = """\
import calendar
import matplotlib.pyplot as plt

damaged = df["Effect Amount of damage"] != "None"
table = damaged.groupby(month).agg(strikes="size", damaged="sum")
table["percent"] = (100 * table["damaged"] / table["strikes"]).round(1)
table.index = [calendar.month_abbr[m] for m in table.index]
print(table.sort_values("strikes", ascending=False).to_string())
top = table["strikes"].nlargest(3).sum()
print(f"\\nthree busiest months: {top:,} strikes, {100 * top / len(df):.1f} percent of all")
print(f"all months: {damaged.sum():,} damaged of {len(df):,}, {100 * damaged.mean():.1f} percent")

fig, (ax, share) = plt.subplots(2, 1, figsize=(8, 6), sharex=True)
ax.bar(table.index, table["strikes"], color="#9db8d2", label="no damage")
ax.bar(table.index, table["damaged"], color="#c8553d", label="damage")
ax.set(title="Wildlife strikes by month, 1990 to 2002", ylabel="strikes")
ax.legend()
share.plot(table.index, table["percent"], marker="o", color="#c8553d")
share.set(ylabel="with damage, %", ylim=0)
fig.tight_layout()
plt.show()
table.to_csv("strikes_by_month.csv")"""


def facts():
    with open(TABLE, encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    strikes, damaged = [0] * 13, [0] * 13
    for r in rows:
        month = int(r["Flight Date"][5:7])
        strikes[month] += 1
        damaged[month] += r["Effect Amount of damage"] != "None"
    months = range(1, 13)
    busy = sorted(months, key=lambda m: strikes[m], reverse=True)[:3]
    share = {m: 100 * damaged[m] / strikes[m] for m in months}
    high, low = max(share, key=share.get), min(share, key=share.get)
    top, all_damaged = sum(strikes[m] for m in busy), sum(damaged)
    return {
        "busy": [calendar.month_name[m] for m in busy], "n": [f"{strikes[m]:,}" for m in busy],
        "p": [f"{share[m]:.1f}" for m in busy],
        "top": f"{top:,}", "top_p": f"{100 * top / len(rows):.1f}",
        "high": calendar.month_name[high], "high_p": f"{share[high]:.1f}",
        "high_n": f"{damaged[high]:,}", "high_of": f"{strikes[high]:,}",
        "low": calendar.month_name[low], "low_p": f"{share[low]:.1f}",
        "rows": f"{len(rows):,}", "damaged": f"{all_damaged:,}",
        "damaged_p": f"{100 * all_damaged / len(rows):.1f}",
        "twins": f"{len(rows) - len({tuple(r.values()) for r in rows}):,}",
        "first": min(r["Flight Date"] for r in rows), "last": max(r["Flight Date"] for r in rows),
    }


ANSWER = """\
{busy[0]}, {busy[1]} and {busy[2]} see the most strikes: {n[0]}, {n[1]} and {n[2]} of {rows}, together {top} or {top_p} %.

A strike in these months does damage in {p[0]} %, {p[1]} % and {p[2]} % of cases; over the year it is {damaged_p} % ({damaged} \
strikes). Strikes are rarer in winter, but worse: {high} has the largest share with damage, {high_p} % ({high_n} of {high_of}), \
{low} the smallest, {low_p} %.

All {rows} rows were used, {twins} of which repeat another. The records run from {first} to {last}, so the months after July \
are counted over one year less. The chart is figure-1.png, the table is strikes_by_month.csv."""


def event(delta, finish=None):
    chunk = {"id": "demo", "object": "chat.completion.chunk", "created": 0, "model": "demo",
             "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return "data: " + json.dumps(chunk, ensure_ascii=False) + "\n\n"


def pieces(text, size=60):
    return [text[i:i + size] for i in range(0, len(text), size)]


def reply(number, text=None, source=None, description=None):
    out = [event({"role": "assistant", "content": ""})]
    out += [event({"content": p}) for p in pieces(text or "")]
    if source:
        args = json.dumps({"code": source, "description": description}, ensure_ascii=False)
        out.append(event({"tool_calls": [{
            "index": 0, "id": f"call_demo_{number}", "type": "function",
            "function": {"name": "execute_python", "arguments": ""}}]}))
        out += [event({"tool_calls": [{"index": 0, "function": {"arguments": p}}]})
                for p in pieces(args)]
    out.append(event({}, "tool_calls" if source else "stop"))
    out.append("data: [DONE]\n\n")
    return json.dumps({"v": 1, "response": {"status": 200, "content_type": "text/event-stream",
                                            "body": "".join(out)}}, ensure_ascii=False)


def conversation():
    return "\n".join((
        reply(1, "I will look at the data first.", LOOK, "Look at the table"),
        reply(2, None, WRONG, "Count strikes and damage by month"),
        reply(3, "The column is called \"Effect Amount of damage\".", RIGHT,
              "Count again by the right name, and draw it"),
        reply(4, ANSWER.format(**facts())),
    )) + "\n"


def main():
    path, text = HERE / "demo.jsonl", conversation()
    if sys.argv[1:] == ["--check"]:
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            print(f"{path} is not what {Path(__file__).name} makes: run it", file=sys.stderr)
            return 1
        return 0
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""Writes demo.jsonl, the recorded conversation that `make demo` plays.

    tests/demo/make_demo.py            writes tests/demo/demo.jsonl
    tests/demo/make_demo.py --check    compares it instead, status 1 when it differs

The replies are written here; the cells in them really run when the demo is played. The numbers in
the answer are computed from the table, with nothing but the csv module, so that they are true
whatever the cells print.
"""
import csv
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TABLE = HERE.parent / "data" / "birdstrikes.csv"

LOOK = """\
import pandas as pd

df = pd.read_csv("birdstrikes.csv", parse_dates=["Flight Date"])
print(f"{len(df):,} rows, {df['Flight Date'].min():%Y-%m-%d} to {df['Flight Date'].max():%Y-%m-%d}")
print(f"{(df['Cost Total $'] > 0).sum():,} rows with a cost, {df.duplicated().sum()} duplicates")
df.sample(3, random_state=1).T"""

WRONG = """\
cost = df.groupby("Phase of Flight")["Cost Total $"].agg(["count", "sum", "mean"])
print(cost.sort_values("sum", ascending=False))"""

RIGHT = """\
import matplotlib.pyplot as plt

cost = df.groupby("Phase of flight")["Cost Total $"].agg(["count", "sum", "mean"])
cost = cost.sort_values("sum", ascending=False)
print(cost.round(0).astype(int).to_string())
large = df[df["Wildlife Size"] == "Large"]
print(f"\\nlarge animals: {len(large):,} strikes, ${large['Cost Total $'].sum():,}"
      f" of ${df['Cost Total $'].sum():,}")

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
order = cost.index[::-1]
left.barh(order, cost.loc[order, "sum"] / 1e6, color="#3b6ea5")
left.set(title="Total cost", xlabel="million US$")
right.barh(order, cost.loc[order, "mean"], color="#c8553d")
right.set(title="Cost per strike", xlabel="US$")
fig.suptitle("Wildlife strikes by phase of flight")
fig.tight_layout()
plt.show()
cost.to_csv("cost_by_phase.csv")"""


def facts():
    with open(TABLE, encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    phases = {}
    for r in rows:
        if r["Phase of flight"]:
            phases.setdefault(r["Phase of flight"], []).append(int(r["Cost Total $"]))
    by_sum = sorted(phases, key=lambda p: sum(phases[p]), reverse=True)
    most = max(phases, key=lambda p: len(phases[p]))
    total = sum(int(r["Cost Total $"]) for r in rows)
    large = [int(r["Cost Total $"]) for r in rows if r["Wildlife Size"] == "Large"]
    first, second = by_sum[:2]
    return {
        "first": first, "second": second, "most": most,
        "first_sum": f"{sum(phases[first]):,}", "second_sum": f"{sum(phases[second]):,}",
        "first_mean": f"{sum(phases[first]) / len(phases[first]):,.0f}",
        "first_n": f"{len(phases[first]):,}", "most_n": f"{len(phases[most]):,}",
        "total": f"{total:,}", "large_sum": f"{sum(large):,}", "large_n": f"{len(large):,}",
        "large_pct": f"{100 * sum(large) / total:.0f}",
        "rows": f"{len(rows):,}", "paid": f"{sum(int(r['Cost Total $']) > 0 for r in rows):,}",
        "twins": f"{len(rows) - len({tuple(r.values()) for r in rows}):,}",
    }


ANSWER = """\
**{first}** costs most: ${first_sum} over {first_n} strikes, ${first_mean} a strike. {second} follows with ${second_sum}. \
{most} has the most strikes, {most_n}, but they are cheaper.

Large animals were hit in only {large_n} of {rows} strikes, yet they account for ${large_sum} of ${total}, which is {large_pct} %.

All {rows} rows were used, among them {twins} that repeat another. Only {paid} report a cost, so the true sums are \
higher; costs are not adjusted for inflation. The chart is figure-1.png, the table is cost_by_phase.csv."""


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
        reply(2, None, WRONG, "Sum the cost by phase of flight"),
        reply(3, "The column is called \"Phase of flight\".", RIGHT,
              "Sum again by the right name, and draw it"),
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

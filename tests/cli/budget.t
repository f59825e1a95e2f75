#!/usr/bin/python3
"""What a run may cost, who takes over, and what is shortened: limits, fallbacks, the day's sum, usage."""
import json
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *
from anyservice import AnyService

ENV = {"GROQ_API_KEY": "test-key-of-groq-123", "ANTHROPIC_API_KEY": "test-key-of-anthropic-123",
       "MISTRAL_API_KEY": "test-key-of-mistral-123"}
PRICE = "[price mine/*]\nin = 10\nout = 100\ncache_read = 1\n"
MINE = "[service mine]\nbase_url = URL/v1\n"


def ask(s, *args, conf="", home=None, env=None, **how):
    home = home or new_home()
    (home / "config/agent/agent.conf").write_text((MINE + conf).replace("URL", s.url))
    args = [a.replace("URL", s.url) for a in args]
    return run(*args, model=None, home=home, key=None, env={"MINE_API_KEY": "test-key-of-mine-1", **ENV,
                                                            **(env or {})}, **how)


def latest(r):
    """Two sessions of one second have no order by their names."""
    return max(r.sessions, key=lambda p: (p / "events.jsonl").stat().st_mtime_ns)


def say_all(*answers):
    """One answer after another; the last one again and again."""
    return lambda rq: answers[min(rq["n"], len(answers) - 1)]


def turn(text=None, calls=(), **usage):
    return {"text": text, "calls": list(calls), "usage": usage}


# --- tokens and cost, told and counted
with AnyService(say_all(turn(None, ["print(1)"], **{"in": 1000, "out": 10, "cached": 400}),
                        turn("Done.", **{"in": 2000, "out": 20}))) as s:
    r = ask(s, "-m", "mine/a", "-u", "hi", conf=PRICE)
    eq((r.status, r.out), (0, "Done.\n"), "two turns by the user's prices")
    # (600 * 10 + 400 * 1 + 10 * 100) / 1e6 and (2000 * 10 + 20 * 100) / 1e6
    like(r.err, r"turn 1: 1000 tokens in \(400 cached\), 10 out, USD 0\.007400", "-u: the first turn")
    like(r.err, r"turn 2: 2000 tokens in, 20 out, USD 0\.0220", "-u: the second")
    like(r.err, r"the run: 3000 tokens in \(400 cached\), 30 out, USD 0\.0294", "-u: the run")
    usage = json.loads((latest(r) / "manifest.json").read_text())["usage"]
    ok(abs(usage["cost_usd"] - 0.0294) < 1e-9, "the manifest has the sum", usage)
    s.requests.clear()
    home = r.home
    r = ask(s, "-m", "mine/a", "-q", "-u", "hi", conf=PRICE, home=home)
    like(r.err, r"the run: .*USD 0\.0294", "--usage shows in quiet mode too")
    s.requests.clear()
    r = ask(s, "-m", "mine/a", "-u", "hi", home=home)
    like(r.err, r"the run: 3000 tokens in \(400 cached\), 30 out, unpriced", "without a price: unpriced, not 0")
    usage = json.loads((latest(r) / "manifest.json").read_text())["usage"]
    eq((usage.get("cost"), usage.get("cost_usd")), ("unpriced", None), "and in the manifest")
    # --- agent usage
    r = ask(s, "usage", home=home, conf=PRICE)
    eq(r.status, 0, "agent usage")
    day = time.strftime("%Y-%m-%d", time.gmtime())
    like(r.out, rf"{day} mine/a +6 +9000 +1200 +90 +0\.0588 and 2 unpriced turns", "sums by day and model")
    j = json.loads(ask(s, "usage", "--json", home=home).out)
    eq((j["sessions"], j["total"]["turns"], j["total"]["unpriced_turns"], j["total"]["output_tokens"]),
       (3, 6, 2, 90), "--json")
    ok(abs(j["total"]["cost_usd"] - 0.0588) < 1e-9, "with its sum", j)
    events = latest(r) / "events.jsonl"
    with events.open("ab") as f:
        f.write(b'{"v":1,"seq":99,"t":"2026-01-01T00:00:00Z","type":"turn","usage":{"input_')
    eq(json.loads(ask(s, "usage", "--json", home=home).out)["total"]["turns"], 6, "a cut last line is passed over")

# --- by the table, by the answer
with AnyService(say_all(turn("Hi.", **{"in": 1_000_000, "out": 0}))) as s:
    r = ask(s, "-m", "groq/openai/gpt-oss-120b", "-u", "hi", conf="[service groq]\nbase_url = URL/v1\n")
    like(r.err, r"the run: 1000000 tokens in, 0 out, USD 0\.15", "the table's price of a known model")
with AnyService(say_all(turn("Hi.", **{"in": 100, "out": 10, "cost": 0.25}))) as s:
    r = ask(s, "-m", "mine/a", "-u", "hi", conf=PRICE)
    like(r.err, r"the run: .*USD 0\.2500", "what the answer itself says wins")
    like((latest(r) / "events.jsonl").read_text(), r'"cost_from":"service"', "and the record says so")

# --- limits stop before the request
BIG = {"in": 100_000, "out": 100}  # 1.01 USD a turn
with AnyService(say_all(turn("First thoughts.", ["print(1)"], **BIG))) as s:
    r = ask(s, "-m", "mine/a", "--max-cost", "0.5", "hi", conf=PRICE)
    eq(r.status, 7, "--max-cost: status 7")
    eq(r.out, "First thoughts.\n", "with the best answer so far")
    eq(len(s.requests), 1, "and no further request")
    like(r.err, r"the budget is used up: 1\.0100 USD spent", "it says what was spent")
    s.requests.clear()
    r = ask(s, "-m", "mine/a", "--max-budget-usd=0.5", "hi", conf=PRICE)
    eq(r.status, 7, "--max-budget-usd is the same")
    s.requests.clear()
    r = ask(s, "-m", "mine/a", "--max-cost", "0.001", "hi", conf=PRICE)
    eq((r.status, len(s.requests), r.out), (7, 0, ""), "a limit below the first request: none is made")
    r = ask(s, "-m", "mine/a", "--max-tokens-total", "100", "hi")
    eq((r.status, len(s.requests)), (7, 0), "--max-tokens-total likewise, without any price")
    told = int(re.search(r"about (\d+) for the next request", r.err)[1])
    for limit in (told, told - 1):
        s.requests.clear()
        ask(s, "-m", "mine/a", "--max-tokens-total", str(limit), "hi", home=r.home)
        eq(len(s.requests), 1 if limit == told else 0, f"a limit of {limit}, where {told} are estimated")
    s.requests.clear()
    r = ask(s, "-m", "mine/a", "--max-tokens-total", "50000", "hi")
    eq((r.status, len(s.requests), r.out), (7, 1, "First thoughts.\n"), "and after what the service counted")
    s.requests.clear()
    r = ask(s, "-m", "mine/a", "--max-cost", "1", "hi")
    eq((r.status, len(s.requests)), (7, 1), "a server that may tell its cost and does not: no second request")
    like(r.err, r"what mine/a costs is neither told by it nor known", "and why")
    r = ask(s, "-m", "groq/unheard-of", "--max-cost", "1", "hi")
    eq(r.status, 3, "without a price --max-cost cannot be kept: status 3")
    like(r.err, r"no price is known for the model unheard-of of groq.*\n(.*\n)*.*\[price unheard-of\]", "and says how to give one")
with AnyService(say_all(turn("A.", ["print(1)"], none=True), turn("B.", ["print(2)"], none=True))) as s:
    r = ask(s, "-m", "mine/a", "--max-cost", "0.05", "-n", "50", "hi", conf=PRICE)
    eq(r.status, 7, "turns that are not counted count as estimated")
with AnyService(lambda rq: turn("The answer.", **{"in": 30_000, "out": 10}) if rq["body"].get("tool_choice")
                == "none" else turn("Hm.", [f"print({rq['n']})"], **{"in": 30_000, "out": 10})) as s:
    r = ask(s, "-m", "mine/a", "--max-cost", "1.0", "-n", "50", "hi", conf=PRICE)
    eq((r.status, r.out), (7, "The answer.\n"), "the last request that fits is asked for the answer")
    like(r.err, r"stopped before the budget was used up", "and it is said")

# --- the day
with AnyService(say_all(turn("Hi.", **{"in": 100_000, "out": 100}))) as s:
    home = new_home()
    ask_day = lambda *a: ask(s, "-m", "mine/a", *a, "hi", home=home, conf=PRICE, env={"AGENT_MAX_COST_PER_DAY": "2.5"})
    eq([ask_day().status, ask_day("--ephemeral").status], [0, 0], "two runs fit into the day")
    r = ask_day("--max-tokens", "10000")
    eq((r.status, len(s.requests)), (7, 2), "the third would pass it: status 7, no request")
    like(r.err, r"the day's budget is used up: 2\.0200 USD of today's runs", "it says why")
    eq(ask(s, "-m", "mine/a", "hi", home=new_home(), conf=PRICE, env={"AGENT_MAX_COST_PER_DAY": "2.5"}).status, 0,
       "another home has another day")
with AnyService(lambda rq: (time.sleep(1.0), turn("Hi.", **{"in": 100, "out": 10}))[1]) as s:
    home = new_home()
    (home / "config/agent/agent.conf").write_text((MINE + PRICE).replace("URL", s.url))
    runs = [start("-m", "mine/a", "--max-tokens", "10000", "hi", home=home, key=None,
                  env={"MINE_API_KEY": "test-key-of-mine-1", "AGENT_MAX_COST_PER_DAY": "2.5"}) for _ in range(4)]
    # Each puts down about 1 USD for its reply before it asks: two of four fit at one time.
    status = sorted(finish(x, 90, keep=[y.process.pid for y in runs]).status for x in runs)
    ok(status.count(7) >= 1 and status.count(0) >= 2 and set(status) <= {0, 7},
       "runs at one time share the day", status)

# --- fallback
def by_model(**answers):
    return lambda rq: answers[rq["body"]["model"]]

down = {"status": 500, "json": {"error": {"message": "down"}}}
with AnyService(by_model(a=down, b=turn("From b."), c=turn("From c."))) as s:
    r = ask(s, "-m", "mine/a", "--fallback-model", "groq/b", "--retries", "1", "hi", conf="[service groq]\nbase_url = URL/g\n")
    eq((r.status, r.out), (0, "From b.\n"), "a fallback of another service answers")
    eq([q["path"] for q in s.requests], ["/v1/chat/completions"] * 2 + ["/g/chat/completions"], "after the retries")
    eq(s.requests[-1]["headers"]["authorization"], "Bearer test-key-of-groq-123", "with its own key")
    like(r.err, r"mine/a does not answer: .*down", "it is said why")
    like(r.err, r"groq/b takes over", "and who takes over")
    like((latest(r) / "events.jsonl").read_text(), r'"type":"fallback","from":"mine/a","to":"groq/b"', "and recorded")
    s.requests.clear()
    r = ask(s, "-m", "mine/a", "--fallback-model", "mine/a", "--fallback-model", "mine/c", "--retries", "0", "hi")
    eq((r.status, r.out), (0, "From c.\n"), "the second fallback, of the same service with the same key")
    r = ask(s, "-m", "mine/a", "--fallback-model", "mine/a", "--retries", "0", "hi")
    eq(r.status, 4, "when the last fallback fails too: status 4")
    r = ask(s, "-m", "mine/b", "--fallback-model", "xai/z", "hi")
    eq(r.status, 3, "a fallback without a key is told at the start")
    like(r.err, r"--fallback-model xai/z: no API key for xai.*XAI_API_KEY", "by its variable")
with AnyService(by_model(a={"status": 401, "json": {"error": {"message": "bad key"}}}, b=turn("From b."))) as s:
    r = ask(s, "-m", "mine/a", "--fallback-model", "mine/b", "hi")
    eq((r.status, len(s.requests)), (3, 1), "a wrong key is told, not passed over")

# A reply of one wire goes on in another: no opaque state of the first is sent.
def switch(rq):
    if rq["path"].endswith("/messages"):
        if rq["n"] == 0:
            return {"json": {"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
                             "content": [{"type": "thinking", "thinking": "hm", "signature": "opaque-1"},
                                         {"type": "tool_use", "id": "toolu_1", "name": "execute_python",
                                          "input": {"code": "print(6*7)"}}], "usage": {"input_tokens": 5, "output_tokens": 5}}}
        return {"status": 529, "json": {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}}
    return turn("It is 42.")

with AnyService(switch) as s:
    r = ask(s, "-m", "anthropic/claude-x", "--fallback-model", "mine/b", "--retries", "0", "--no-stream", "hi",
            conf="[service anthropic]\nbase_url = URL\n")
    eq((r.status, r.out), (0, "It is 42.\n"), "a conversation goes on in another format")
    body = s.requests[-1]["raw"].decode()
    ok("opaque-1" not in body and "print(6*7)" in body and "42" in body, "with its calls, without the state", body[-600:])
    tool = [m for m in s.requests[-1]["body"]["messages"] if m["role"] == "tool"]
    like(json.dumps(tool), "42", "and the result of what ran: nothing runs twice")

# --- too long: old outputs are shortened, never the task or the last result
def short_window(limit, message):
    def answer(rq):
        if len(rq["raw"]) > limit:
            return {"status": 400, "json": {"error": {"message": message, "code": "context_length_exceeded"}}}
        results = [m for m in rq["body"]["messages"] if m["role"] == "tool"]
        if len(results) < 4:
            return turn(None, [f"print('N{len(results)} ' + 'x' * 9000)"], **{"in": len(rq["raw"]) // 4})
        return turn("Done.", **{"in": len(rq["raw"]) // 4})
    return answer

with AnyService(short_window(36_000, "This model's maximum context length is 9000 tokens.")) as s:
    r = ask(s, "-m", "mine/a", "remember the task: count", "-n", "20")
    eq((r.status, r.out), (0, "Done.\n"), "a conversation that is too long is shortened and goes on")
    last = s.requests[-1]["body"]["messages"]
    like(json.dumps(last[1]), "remember the task: count", "the task stays")
    tools = [m["content"] for m in last if m["role"] == "tool"]
    eq([len(t) > 5000 for t in tools], [False, False, True, True], "the oldest became shorter, no more of them than needed")
    like(tools[0], r"left out to make room", "and says so")
    like(r.err, r"too long for a: \d+ old output", "it is said on standard error")
    like((latest(r) / "events.jsonl").read_text(), r'"type":"context\.shortened"', "and recorded")
    s.requests.clear()
    r = ask(s, "-m", "mine/a", "hi", "-n", "20", conf="[model mine/a]\ncontext_window = 9000\n")
    refused = [q for q in s.requests if len(q["raw"]) > 36_000]
    eq((r.status, len(refused)), (0, 0), "with a known window it does not come to a refusal")
with AnyService(lambda rq: {"status": 400, "json": {"error": {"message": "prompt is too long: 9 tokens > 5 maximum"}}}) as s:
    r = ask(s, "-m", "mine/a", "hi")
    eq((r.status, len(s.requests)), (4, 1), "nothing to shorten: status 4 at once")
    like(r.err, r"the conversation is too long for the model a", "it says why")
done()

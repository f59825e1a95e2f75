#!/usr/bin/python3
"""Makes providers/models.tsv: prices, context sizes and abilities of models, by service.

    providers/make_models.py CHECKOUT > providers/models.tsv

CHECKOUT is a working copy (or a bare repository) of github.com/anomalyco/models.dev (MIT licence),
which keeps one small file for each model of each service. Only figures are taken from it.
"""
import subprocess
import sys
import tomllib

SERVICES = {  # their name: ours
    "openai": "openai", "anthropic": "anthropic", "google": "gemini", "azure": "azure",
    "openrouter": "openrouter", "groq": "groq", "mistral": "mistral", "deepseek": "deepseek",
    "xai": "xai", "togetherai": "together", "fireworks-ai": "fireworks", "cerebras": "cerebras",
    "moonshotai": "moonshot", "zai": "zai", "huggingface": "huggingface",
    "github-models": "github",
}


def git(*args):
    return subprocess.run(["git", "-C", sys.argv[1], *args], check=True, capture_output=True,
                          text=True).stdout


def load(path, known):
    if path not in known:
        return {}
    own = tomllib.loads(git("show", f"HEAD:{path}"))
    base = own.get("base_model")
    merged = load(f"models/{base}.toml", known) if base else {}
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = {**merged[key], **value} if both else value
    return merged


def number(v):
    return "" if v is None else f"{v:.10g}"


def row(service, model, d):
    cost, limit = d.get("cost", {}), d.get("limit", {})
    tiers = [t for t in cost.get("tiers", []) if t.get("tier", {}).get("size")]
    tier = tiers[0] if tiers else {}
    if not cost.get("input") and not cost.get("output"):
        cost, tier = {}, {}  # a price of nothing is a plan's or a trial's: not known
    flags = "".join(letter for letter, has in (
        ("v", "image" in d.get("modalities", {}).get("input", [])),
        ("t", d.get("tool_call")), ("r", d.get("reasoning"))) if has)
    return "\t".join([service, model] + [number(cost.get(k)) for k in
                                         ("input", "output", "cache_read", "cache_write")] +
                     [number(tier.get("tier", {}).get("size"))] +
                     [number(tier.get(k)) for k in ("input", "output", "cache_read")] +
                     [number(limit.get("context")), number(limit.get("output")), flags])


def main():
    files = git("ls-tree", "-r", "--name-only", "HEAD").split("\n")
    known = set(files)
    day = git("log", "-1", "--date=format:%Y-%m-%d", "--format=%cd").strip()
    print(f"# Figures from models.dev (MIT licence), state of {day}; made by make_models.py.")
    print("# service\tmodel\tUSD per million tokens: in\tout\tcache read\tcache write\t"
          "above this many tokens of input:\tin\tout\tcache read\tcontext\tlongest reply\t"
          "v = takes images, t = tools, r = reasons")
    rows = []
    for path in files:
        parts = path.split("/")
        if len(parts) > 3 and parts[0] == "providers" and parts[2] == "models" \
                and parts[1] in SERVICES and path.endswith(".toml"):
            model = "/".join(parts[3:])[:-5]
            d = load(path, known)
            out = d.get("modalities", {}).get("output", ["text"])
            if "text" in out and d.get("status") != "deprecated":
                rows.append(row(SERVICES[parts[1]], model, d))
    print("\n".join(sorted(rows)))


main()

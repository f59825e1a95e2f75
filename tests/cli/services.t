#!/usr/bin/python3
"""Whom the program asks: each service of the table gets its own key at its own path in its own format,
settings win over the table, and no key goes to another's address."""
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *
from anyservice import AnyService

KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "gemini": "GEMINI_API_KEY",
        "azure": "AZURE_OPENAI_API_KEY", "openrouter": "OPENROUTER_API_KEY", "groq": "GROQ_API_KEY",
        "mistral": "MISTRAL_API_KEY", "deepseek": "DEEPSEEK_API_KEY", "xai": "XAI_API_KEY",
        "together": "TOGETHER_API_KEY", "fireworks": "FIREWORKS_API_KEY",
        "cerebras": "CEREBRAS_API_KEY", "moonshot": "MOONSHOT_API_KEY", "zai": "ZHIPU_API_KEY",
        "huggingface": "HF_TOKEN", "github": "GITHUB_TOKEN", "ollama": "OLLAMA_API_KEY",
        "llamacpp": "LLAMACPP_API_KEY", "vllm": "VLLM_API_KEY", "lmstudio": "LMSTUDIO_API_KEY",
        "custom": "CUSTOM_API_KEY"}
AUTH = {"anthropic": ("x-api-key", "{}"), "gemini": ("x-goog-api-key", "{}"), "azure": ("api-key", "{}")}
PATHS = {"anthropic": "/v1/messages", "gemini": "/v1beta/models/model-1:generateContent",
         "ollama": "/api/chat"}
ENV = {var: f"test-key-of-{name}-123" for name, var in KEYS.items()}


def home_with(text):
    home = new_home()
    (home / "config/agent/agent.conf").write_text(text)
    return home


def ask(*args, env=None, conf="", script_env=True, **how):
    return run(*args, model=None, home=home_with(conf), key=None, url=None,
               env={**(ENV if script_env else {}), **(env or {})}, **how)


def secrets_in(rq, but):
    text = rq["path"] + json.dumps(rq["headers"]) + rq["raw"].decode()
    return [name for name in KEYS if f"test-key-of-{name}-123" in text and name != but]


# --- every row: the word before the slash picks it, wherever its section says it is
with AnyService(lambda rq: "Fine.") as s:
    for name, var in KEYS.items():
        before = len(s.requests)
        base = s.url + {"anthropic": "", "gemini": "", "ollama": ""}.get(name, "/v1")
        model = "model-1" if name == "gemini" else "some/model-1"
        r = ask("-m", f"{name}/{model}", "--no-stream", "hi",
                conf=f"[service {name}]\nbase_url = {base}\n")
        ok(r.status == 0 and r.out == "Fine.\n", f"{name}: answers", r.err)
        rq = s.requests[-1]
        eq(len(s.requests) - before, 1, f"{name}: by one request")
        eq(rq["path"], PATHS.get(name, "/v1/chat/completions"), f"{name}: its path")
        header, form = AUTH.get(name, ("authorization", "Bearer {}"))
        eq(rq["headers"].get(header), form.format(ENV[var]), f"{name}: its key in its header")
        eq(secrets_in(rq, name), [], f"{name}: no other key")
        if name != "gemini":
            eq(rq["body"]["model"], "some/model-1", f"{name}: the rest is the model")
        eq(r.leaks, [], f"{name}: the key is nowhere else")

# --- names that mean a service, variables that move it, settings that win
ROWS = [
    # name, arguments, environment, settings, path, model, header with a key of
    ("claude-* is Anthropic's", ["-m", "claude-sonnet-4-5"], {"ANTHROPIC_BASE_URL": "URL"}, "",
     "/v1/messages", "claude-sonnet-4-5", "anthropic"),
    ("a base URL with the version", ["-m", "claude-sonnet-4-5"], {"ANTHROPIC_BASE_URL": "URL/v1/"}, "",
     "/v1/messages", "claude-sonnet-4-5", "anthropic"),
    ("gemini-* is Google's", ["-m", "gemini-2.5-pro"], {"GOOGLE_GEMINI_BASE_URL": "URL"}, "",
     "/v1beta/models/gemini-2.5-pro:generateContent", None, "gemini"),
    ("OPENAI_BASE_URL takes any name", ["-m", "qwen3"], {"OPENAI_BASE_URL": "URL/v1"}, "",
     "/v1/chat/completions", "qwen3", "openai"),
    ("OPENAI_BASE_URL takes a name with a slash", ["-m", "org/qwen3"], {"OPENAI_BASE_URL": "URL/v1"}, "",
     "/v1/chat/completions", "org/qwen3", "openai"),
    ("a bare host in OLLAMA_HOST", ["-m", "ollama/qwen3"], {"OLLAMA_HOST": "HOST"}, "", "/api/chat",
     "qwen3", "ollama"),
    ("Ollama with its OpenAI path", ["-m", "ollama/qwen3", "--base-url", "URL/v1"], {}, "", "/api/chat",
     "qwen3", "ollama"),
    ("Azure's endpoint", ["-m", "azure/dep", "--base-url", "URL/openai/v1"], {}, "",
     "/openai/v1/chat/completions", "dep", "azure"),
    ("Azure's address of a deployment", ["-m", "azure/dep", "--base-url",
                                         "URL/openai/deployments/dep?api-version=2024-10-21"], {}, "",
     "/openai/deployments/dep/chat/completions?api-version=2024-10-21", "dep", "azure"),
    ("provider wins over the name", ["--provider", "groq", "--base-url", "URL", "-m", "claude-x"], {}, "",
     "/chat/completions", "claude-x", "groq"),
    ("provider and its word", ["--provider", "groq", "--base-url", "URL", "-m", "groq/llama"], {}, "",
     "/chat/completions", "llama", "groq"),
    ("OpenRouter's own model", ["--provider", "openrouter", "--base-url", "URL", "-m",
                                "openrouter/auto"], {}, "", "/chat/completions", "openrouter/auto",
     "openrouter"),
    ("wire wins over the row", ["-m", "groq/llama", "--base-url", "URL/v1", "--wire",
                                "openai-responses"], {}, "", "/v1/responses", "llama", "groq"),
    ("wire in a section", ["-m", "groq/llama"], {}, "[service groq]\nbase_url = URL\nwire = "
     "anthropic-messages\n", "/v1/messages", "llama", None),
    ("wire of a model", ["-m", "groq/llama-9"], {}, "[service groq]\nbase_url = URL/v1\n[model llama-*]\n"
     "wire = openai-responses\n", "/v1/responses", "llama-9", "groq"),
    ("a word said now wins over the file's address", ["-m", "groq/llama"], {}, "base_url = "
     "http://127.0.0.1:1/v1\n[service groq]\nbase_url = URL\n", "/chat/completions", "llama", "groq"),
    ("a word said now wins over the file's provider", ["-m", "groq/llama"], {}, "provider = mistral\n"
     "[service groq]\nbase_url = URL\n", "/chat/completions", "llama", "groq"),
    ("a service of one's own", ["-m", "mine/some"], {"MINE_API_KEY": "test-key-of-mine-12345"},
     "[service mine]\nbase_url = URL/x\n", "/x/chat/completions", "some", "mine"),
    ("its key by name", ["-m", "mine/some"], {"MY_OTHER": "test-key-of-mine-12345"},
     "[service mine]\nbase_url = URL/x\napi_key_env = MY_OTHER\n", "/x/chat/completions", "some", "mine"),
    ("its key by command", ["-m", "mine/some"], {},
     "[service mine]\nbase_url = URL/x\napi_key_cmd = echo test-key-of-mine-12345\n",
     "/x/chat/completions", "some", "mine"),
    ("an alias", ["-m", "hf/a/b"], {}, "[service hf]\nbase_url = URL\n", "/chat/completions", "a/b",
     "huggingface"),
]
with AnyService(lambda rq: "Fine.") as s:
    fill = lambda t: t.replace("URL", s.url).replace("HOST", s.url[7:]) if "_BASE_URL" not in t else t
    for name, args, env, conf, path, model, key in ROWS:
        before = len(s.requests)
        r = ask(*map(fill, args), "--no-stream", "hi", conf=fill(conf),
                env={k: v.replace("URL", s.url).replace("HOST", s.url[7:]) for k, v in env.items()})
        if not ok(r.status == 0 and len(s.requests) == before + 1, f"{name}: answers", r.err):
            continue
        rq = s.requests[-1]
        eq(rq["path"], path, f"{name}: the path")
        if model:
            eq(rq["body"]["model"], model, f"{name}: the model")
        if key:
            value = f"test-key-of-{key}-12345" if key == "mine" else f"test-key-of-{key}-123"
            ok(value in json.dumps(rq["headers"]), f"{name}: the key", rq["headers"])
        eq(secrets_in(rq, key), [] if key else ["groq"], f"{name}: no other key")

    # --- the key that the settings name for one service never goes to another
    r = ask("-m", "mine/some", "--no-stream", "hi", script_env=False, conf=fill(
        "api_key_cmd = echo test-key-of-openai-123\n[service mine]\nbase_url = URL/x\n"))
    ok(r.status == 0 and not secrets_in(s.requests[-1], None), "api_key_cmd is OpenAI's: not for mine",
       s.requests[-1]["headers"])
    r = ask("-m", "groq/some", "hi", script_env=False, conf="api_key_cmd = echo test-key-of-openai-123\n")
    eq(r.status, 3, "and without a key of its own a service is not asked")
    like(r.err, r"no API key for groq: the environment variable GROQ_API_KEY is not set", "it says which")
    r = ask("-m", "groq/some", "hi", script_env=False, env={"MISTRAL_API_KEY": "test-key-of-mistral-123"})
    like(r.err, r"There is a key for other services: -m mistral/", "and what there is a key for")

    # --- patches
    r = ask("-m", "mine/some", "--no-stream", "hi", conf=fill(
        "[service mine]\nbase_url = URL/x\nheader = X-Team: reports, weekly\nheader = User-Agent: mine\n"
        "set = provider.order = [\"a\", \"b\"]\nset = seed = 7\n"
        "[model mine/s*]\nset = seed = 8\nset = verbosity = low\nunset = tool_choice\n"))
    rq = s.requests[-1]
    ok(r.status == 0, "patched requests are answered", r.err)
    eq(rq["headers"].get("x-team"), "reports, weekly", "a header is added")
    eq(rq["headers"].get("user-agent"), "mine", "and stands in place of one of that name")
    eq(rq["body"].get("provider"), {"order": ["a", "b"]}, "a member within a member is made")
    eq((rq["body"].get("seed"), rq["body"].get("verbosity")), (8, "low"), "the later section wins")
    ok("tool_choice" not in rq["body"] and "tools" in rq["body"], "a member is left out")

# --- what is wrong is said
BAD = [
    (["-m", "opnrouter/x"], "", r'no service is called "opnrouter": did you mean openrouter/x\?'),
    (["-m", "meta-llama/x"], "", r'no service is called "meta-llama".*openrouter/meta-llama/x'),
    (["-m", "groq"], "", r'"groq" is a service: name a model of it too'),
    (["--provider", "antropic"], "", r"--provider: no service is called \"antropic\": did you mean anthropic"),
    (["--provider", "anthropic"], "", r"which model of anthropic\? Name one, such as -m claude"),
    (["-m", "azure/x"], "", r"set AZURE_OPENAI_ENDPOINT"),
    (["-m", "custom/x"], "", r"needs an address: --base-url"),
    (["-m", "x"], "[service groc]\nwire = openai-chat\n", r"agent\.conf:2: the service groc is not known: did you mean groq"),
    (["-m", "x"], "[service groq]\nset = temperature\n", r"agent\.conf:2: set takes a member"),
    (["-m", "x"], "[service groq]\nset = a = {\n", r"agent\.conf:2: set: the value of a is no JSON"),
    (["-m", "x"], "[service groq]\nheader = nothing\n", r"header takes a name and a value"),
    (["-m", "x"], "[service groq]\nin = 2\n", r'"in" does not belong into a section \[service NAME\]'),
    (["-m", "x"], "[price x]\nin = 2\n", r"agent\.conf:2: \[price x\] needs both in and out"),
    (["-m", "x"], "[price x]\nin = free\nout = 1\n", r"is no price"),
    (["-m", "x"], "[servce x]\nin = 2\n", r"unknown section \[servce x\]"),
    (["-m", "x"], "[service groq]\napi_key = sk-123456789\n", r"api_key is not a setting"),
    (["-m", "x", "--fallback-model", "grok-x/y"], "", r"--fallback-model grok-x/y: no service is called"),
]
for args, conf, want in BAD:
    r = ask(*args, "hi", conf=conf)
    eq(r.status, 3, f"status 3: {want}")
    like(r.err, want, f"said: {want}")
home = new_home()
(home / "work/agent.conf").write_text("[service groq]\nbase_url = http://127.0.0.1:1/\n")
r = run("hi", model="x", home=home, env=ENV)
eq(r.status, 3, "a project may not move a service")
like(r.err, r"\./agent\.conf:2: a project's agent\.conf may not have a section \[service NAME\]", "it says why")

# --- --print-config prints the sections, and they are read back
text = ("[service mine]\nbase_url = http://127.0.0.1:9/x\nheader = X-A: b\nset = a.b = 1\nunset = c\n"
        "[model mine/*]\ncontext_window = 5000\n[price mine/*]\nin = 0.5\nout = 1.25\n")
r = ask("--print-config", conf=text)
again = ask("--print-config", conf=r.out)
eq(again.out, r.out, "--print-config prints sections that read back the same")
like(r.out, r"\[price mine/\*\]\nin = 0\.5\nout = 1\.25", "prices among them")

# --- agent models
LISTS = {
    "/v1/models": {"object": "list", "data": [{"id": "b-model"}, {"id": "a-model"}, {"id": 5}, {}]},
    "/api/tags": {"models": [{"name": "qwen3:8b"}, {"name": "gpt-oss\x1b[31m"}]},
}


def lists(rq):
    path = rq["path"].split("?")[0]
    if "v1beta" in rq["path"]:
        more = "pageToken=p%2F2" in rq["path"]
        return {"json": {"models": [{"name": "models/gemini-9" if more else "models/gemini-2.5-pro"}],
                         **({} if more else {"nextPageToken": "p/2"})}}
    if path == "/bad/models":
        return {"status": 401, "json": {"error": {"message": "no such key test-key-of-mistral-123"}}}
    if path == "/none/models":
        return {"status": 404, "json": {"error": {"message": "no such page"}}}
    if path == "/html/models":
        return {"body": "<html>hello</html>", "type": "text/html"}
    return {"json": LISTS[path]}


with AnyService(lists) as s:
    def models(*args, conf=""):
        return ask("models", *args, conf=conf.replace("URL", s.url))
    conf = ("[service groq]\nbase_url = URL/v1\n[service gemini]\nbase_url = URL\n[service mine]\n"
            "base_url = URL/v1\n[service mistral]\nbase_url = URL/bad\n[service xai]\nbase_url = URL/html\n"
            "[service deepseek]\nbase_url = URL/none\n"
            "[service ollama]\nbase_url = URL\n")
    r = models("groq", conf=conf)
    eq((r.status, r.out), (0, "groq/a-model\ngroq/b-model\n"), "agent models SERVICE: its own list, sorted")
    eq(s.requests[-1]["headers"]["authorization"], "Bearer test-key-of-groq-123", "asked with its key")
    r = models("gemini", conf=conf)
    like(r.out, r"^gemini/gemini-2\.5-pro .*USD 1\.25 in, 10 out.*\ngemini/gemini-9\n$", "all pages, with prices")
    models("groq", conf=conf.replace("URL/v1\n", "URL/v1?api-version=7\n", 1))
    eq(s.requests[-1]["path"], "/v1/models?api-version=7", "an address's query stays behind the list's path")
    models("gemini", conf=conf.replace("gemini]\nbase_url = URL", "gemini]\nbase_url = URL?api-version=7"))
    like(s.requests[-1]["path"], r"/v1beta/models\?pageSize=1000.*&api-version=7$", "and behind its query")
    r = models("ollama", conf=conf)
    ok("\x1b" not in r.out and "ollama/qwen3:8b\n" in r.out, "Ollama's list, made harmless", r.out)
    r = models("groq", "--json", conf=conf)
    eq([m["model"] for m in json.loads(r.out)["models"]], ["groq/a-model", "groq/b-model"], "--json")
    r = models("mine", conf=conf)
    eq((r.status, r.out), (0, "mine/a-model\nmine/b-model\n"), "a service of one's own is listed too")
    r = models("mistral", conf=conf)
    eq(r.status, 3, "a refused key: status 3")
    unlike(r.err, "test-key-of", "no key in the message")
    r = models("xai", conf=conf)
    eq(r.status, 4, "a web page is no list: status 4")
    r = models("deepseek", conf=conf)
    like(r.err, r"has nothing at http://\S+/none/models \(HTTP 404: no such page\)\. Check that the base URL", "an address without a list is named, and no model")
    r = models(conf=conf)
    ok(r.status in (0, 4) and re.search(r"^groq +key +GROQ_API_KEY", r.out, re.M), "agent models: all rows", r.out)
    unlike(r.out, "test-key-of", "no key is shown")
    r = ask("models", conf=conf.replace("URL", s.url), script_env=False)
    eq(r.status, 0, "agent models without any key")
    like(r.out, r"(?m)^groq +no key +GROQ_API_KEY", "says which have none")
    like(r.out, r"(?m)^mine ", "one's own are in it")
    rows = json.loads(ask("models", "--json", script_env=False).out)["services"]
    eq({x["name"]: x["key"] for x in rows}["ollama"], "not needed", "--json: a local server needs none")
    r = ask("models", "grok")
    ok(r.status in (3, 4), "an alias is known", r.err)
    r = ask("models", "nobody")
    eq(r.status, 3, "an unknown service: status 3")
done()

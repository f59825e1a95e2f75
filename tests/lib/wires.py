"""The wire formats of the scripted provider beside chat completions: OpenAI Responses, Anthropic
Messages, Gemini generateContent, and Ollama's /api/chat.

Each format is a class with the same few functions: check() refuses what a strict service refuses,
results() tells what the tools printed, opaque() and reply() are the state that only the service
understands: with `opaque: true` in a step a reply carries some, and from then on each request must
bring all of it back as it was.
"""
import base64
import json
import re


class Bad(Exception):
    """The request breaks a rule; the text says which."""


def need(cond, why):
    if not cond:
        raise Bad(why)


def known(obj, names, where):
    need(isinstance(obj, dict), f"{where} is no object")
    extra = set(obj) - set(names.split())
    need(not extra, f"{where}: unknown member {sorted(extra)}")


def is_text(value, where, blank_ok=True):
    need(isinstance(value, str), f"{where}: no text")
    need(blank_ok or value.strip(), f"{where}: text content blocks must contain non-whitespace text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise Bad(f"{where}: a lone surrogate, which is no Unicode text")


def is_image(data, where):
    need(base64.b64decode(data, validate=True)[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0"), f"{where}: no picture")


def check_schema(params, where):
    need(isinstance(params, dict) and params.get("type") == "object"
         and isinstance(params.get("properties"), dict), f"{where}: parameters are no schema")


def check_name(name, where):
    need(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name or ""), f"{where}: the name {name!r} is not valid")


def pieces_of(text, size):
    return [text[i:i + size] for i in range(0, len(text), size)]


LONG = (1 << 53) + 1     # an integer that no double holds


def blob(number, what):
    """Opaque state: long, with letters that a careless copy would change."""
    return f"{what}-{number}-+/=é\"\\" + "Zm9v" * 20


def sse(events, nl, named):
    out = []
    for e in events:
        head = f"event: {e['type']}{nl}" if named else ""
        out.append(f"{head}data: {json.dumps(e)}{nl}{nl}".encode())
    return out


class Responses:
    name, kind, key_header = "openai-responses", "text/event-stream", ("authorization", "Bearer ")
    paths = r"/v1/responses"

    @staticmethod
    def streams(path, body):
        return bool(body.get("stream"))

    @staticmethod
    def check(path, body):
        known(body, """model input instructions tools tool_choice stream store include reasoning temperature text
              max_output_tokens parallel_tool_calls""", "the request")
        need(body.get("store") is False, "this test wants store: false")
        open_ids, reasoning = [], False
        need(isinstance(body.get("input"), list) and body["input"], "input is empty")
        for i, item in enumerate(body["input"]):
            where, kind = f"input[{i}]", item.get("type", "message")
            need(not (reasoning and kind not in ("function_call", "message")),
                 f"{where}: a 'reasoning' item was provided without its required following item")
            reasoning = kind == "reasoning"
            if kind == "reasoning":
                need(item.get("encrypted_content"), f"{where}: Item '{item.get('id')}' not found: store is false")
            elif kind == "function_call":
                check_name(item.get("name"), where)
                need(isinstance(json.loads(item["arguments"]), dict), f"{where}: arguments are no object")
                need(item["call_id"] not in open_ids, f"{where}: the id twice")
                open_ids.append(item["call_id"])
            elif kind == "function_call_output":
                known(item, "type call_id output", where)
                need(item["call_id"] in open_ids, f"{where}: No tool call found for {item['call_id']}")
                open_ids.remove(item["call_id"])
                for part in item["output"] if isinstance(item["output"], list) else []:
                    need(part["type"] in ("input_text", "input_image"), f"{where}: part {part['type']}")
                    if part["type"] == "input_image":
                        is_image(part["image_url"].partition("base64,")[2], where)
            else:
                need(item.get("role") in ("user", "assistant"), f"{where}: role {item.get('role')}")
                need(item["role"] == "assistant" or not open_ids, f"No tool output found for {open_ids}")
        need(not open_ids, f"No tool output found for function call {open_ids}")
        need(body["input"][-1].get("type") == "function_call_output" or body["input"][-1].get("role") == "user",
             "the last item must be the user's or a result")
        for tool in body.get("tools", []):
            known(tool, "type name description parameters strict", "a tool")
            check_schema(tool["parameters"], "a tool")

    @staticmethod
    def results(body):
        for item in body["input"]:
            if item.get("type") == "function_call_output":
                out = item["output"]
                yield out if isinstance(out, str) else "".join(p.get("text", "") for p in out)

    @staticmethod
    def images(body):
        return sum(p["type"] == "input_image" for i in body["input"] if isinstance(i.get("output"), list)
                   for p in i["output"])

    @staticmethod
    def opaque(body):
        return [i["encrypted_content"] for i in body["input"] if i.get("type") == "reasoning"]

    @staticmethod
    def items(text, calls, number, opaque):
        items = []
        if opaque:
            items.append({"id": f"rs_{number}", "type": "reasoning", "summary":
                          [{"type": "summary_text", "text": "Thinking hard."}], "encrypted_content":
                          blob(number, "enc")})
        if text:
            items.append({"id": f"msg_{number}", "type": "message", "status": "completed", "role": "assistant",
                          "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]})
        for i, c in enumerate(calls):
            items.append({"id": f"fc_{number}_{i}", "type": "function_call", "status": "completed",
                          "call_id": c["id"], "name": c["name"], "arguments": c["arguments"]})
        return items

    @classmethod
    def response(cls, body, items, number, finish):
        status = "incomplete" if finish in ("length", "content_filter") else "completed"
        return {"id": f"resp_{number}", "object": "response", "status": status, "error": None,
                "incomplete_details": {"reason": {"length": "max_output_tokens"}.get(finish, finish)}
                if status == "incomplete" else None, "model": body["model"], "output": items,
                "usage": {"input_tokens": 120, "input_tokens_details": {"cached_tokens": 0},
                          "output_tokens": 30, "output_tokens_details": {"reasoning_tokens": 0},
                          "total_tokens": 150}}

    @classmethod
    def whole(cls, step, path, body, text, calls, number):
        return cls.response(body, cls.items(text, calls, number, step.get("opaque")), number, step.get("finish"))

    @classmethod
    def events(cls, step, path, body, text, calls, number):
        items = cls.items(text, calls, number, step.get("opaque"))
        last = cls.response(body, items, number, step.get("finish"))
        out = [{"type": "response.created", "response": dict(last, status="in_progress", output=[], usage=None)},
               {"type": "keepalive"}]
        for i, item in enumerate(items):
            out.append({"type": "response.output_item.added", "output_index": i, "item": {"type": item["type"]}})
            if item["type"] == "message":
                for piece in pieces_of(text, 7):
                    out.append({"type": "response.output_text.delta", "output_index": i, "delta": piece})
            elif item["type"] == "reasoning":
                out.append({"type": "response.reasoning_summary_text.delta", "output_index": i,
                            "summary_index": 0, "delta": "Thinking hard."})
            else:
                for piece in pieces_of(item["arguments"], 11):
                    out.append({"type": "response.function_call_arguments.delta", "output_index": i,
                                "delta": piece})
            out.append({"type": "response.output_item.done", "output_index": i, "item": item})
        if step.get("end", True):
            out.append({"type": f"response.{last['status']}", "response": last})
        return sse([dict(e, sequence_number=n) for n, e in enumerate(out)], step.get("newline", "\n"), True)

    @staticmethod
    def error(status, message):
        return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


class Anthropic:
    name, kind, key_header = "anthropic-messages", "text/event-stream", ("x-api-key", "")
    paths = r"/v1/messages"

    @staticmethod
    def streams(path, body):
        return bool(body.get("stream"))

    @staticmethod
    def check(path, body):
        known(body, "model max_tokens messages system tools tool_choice stream temperature thinking output_config",
              "the request")
        need(isinstance(body.get("max_tokens"), int) and body["max_tokens"] > 0, "max_tokens: Field required")
        need(json.dumps(body).count('"cache_control"') <= 4, "A maximum of 4 blocks with cache_control")
        open_ids, seen, role = [], set(), None
        for block in body.get("system", []):
            is_text(block["text"], "system", False)
        for i, msg in enumerate(body["messages"]):
            known(msg, "role content", f"messages.{i}")
            need(msg["role"] in ("user", "assistant") and msg["role"] != role, f"messages.{i}: roles alternate")
            role, asked, done, texts = msg["role"], open_ids, [], False
            open_ids = []
            need(isinstance(msg["content"], list) and msg["content"], f"messages.{i}: empty content")
            for k, block in enumerate(msg["content"]):
                where, kind = f"messages.{i}.content.{k}", block["type"]
                if kind == "text":
                    is_text(block["text"], where, False)
                    texts = True
                elif kind == "tool_use":
                    need(role == "assistant", f"{where}: tool_use of the user")
                    need(re.fullmatch(r"[A-Za-z0-9_-]+", block["id"]), f"{where}.id: String should match pattern")
                    need(block["id"] not in seen, f"{where}: `tool_use` ids must be unique")
                    check_name(block["name"], where)
                    need(isinstance(block["input"], dict), f"{where}.input: should be an object")
                    seen.add(block["id"])
                    open_ids.append(block["id"])
                elif kind == "tool_result":
                    need(role == "user" and not texts, f"{where}: results come first")
                    need(block["tool_use_id"] in asked, f"unexpected `tool_use_id` {block['tool_use_id']}")
                    done.append(block["tool_use_id"])
                    for part in block["content"]:
                        need(part["type"] in ("text", "image"), f"{where}: part")
                        if part["type"] == "text":
                            is_text(part["text"], where, False)
                        else:
                            is_image(part["source"]["data"], where)
                elif kind == "thinking":
                    need(role == "assistant" and block.get("signature"), f"{where}: no signature")
                else:
                    need(kind in ("image", "redacted_thinking"), f"{where}: type {kind}")
            need(sorted(done) == sorted(asked), f"messages.{i}: `tool_use` ids were found without `tool_result` "
                 f"blocks immediately after: {asked}")
        need(role == "user", "the last message must be the user's")
        for tool in body.get("tools", []):
            known(tool, "name description input_schema", "a tool")
            check_schema(tool["input_schema"], "a tool")
        need(isinstance(body.get("tool_choice", {}), dict), "tool_choice: should be an object")

    @staticmethod
    def results(body):
        for msg in body["messages"]:
            for block in msg["content"]:
                if block["type"] == "tool_result":
                    yield "".join(p.get("text", "") for p in block["content"])

    @staticmethod
    def images(body):
        return sum(p["type"] == "image" for m in body["messages"] for b in m["content"]
                   if b["type"] == "tool_result" for p in b["content"])

    @staticmethod
    def opaque(body):
        return [b.get("signature") or (b.get("data") if b.get("at") == LONG else b) for m in body["messages"]
                for b in m["content"] if b["type"] in ("thinking", "redacted_thinking")]

    @staticmethod
    def blocks(text, calls, number, opaque):
        blocks = []
        if opaque:
            blocks.append({"type": "thinking", "thinking": "Thinking hard.", "signature": blob(number, "sig")})
            blocks.append({"type": "redacted_thinking", "data": blob(number, "red"), "at": LONG})
        if text:
            blocks.append({"type": "text", "text": text})
        for c in calls:
            try:
                args = json.loads(c["arguments"] or "{}")
            except ValueError:
                args = c["arguments"]
            blocks.append({"type": "tool_use", "id": c["id"], "name": c["name"], "input": args})
        return blocks

    @staticmethod
    def stop(step, calls):
        return {"length": "max_tokens", "stop": "end_turn"}.get(step.get("finish")) or step.get("finish") or \
            ("tool_use" if calls else "end_turn")

    @classmethod
    def whole(cls, step, path, body, text, calls, number):
        return {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": body["model"],
                "content": cls.blocks(text, calls, number, step.get("opaque")),
                "stop_reason": cls.stop(step, calls), "stop_sequence": None,
                "usage": {"input_tokens": 120, "output_tokens": 30}}

    @classmethod
    def events(cls, step, path, body, text, calls, number):
        whole = cls.whole(step, path, body, text, calls, number)
        out = [{"type": "message_start", "message": dict(whole, content=[], stop_reason=None,
                                                         usage={"input_tokens": 120, "output_tokens": 1})},
               {"type": "ping"}]
        call = iter(calls)
        for i, b in enumerate(whole["content"]):
            grows = {"text": ("text", "text_delta", "text"), "thinking": ("thinking", "thinking_delta", "thinking"),
                     "tool_use": ("input", "input_json_delta", "partial_json")}.get(b["type"])
            shell, value = dict(b), ""
            if b["type"] == "tool_use":
                shell["input"], value = {}, next(call)["arguments"]
            elif grows:
                shell[grows[0]], value = "", b[grows[0]]
            if b["type"] == "thinking":
                shell["signature"] = ""
            out.append({"type": "content_block_start", "index": i, "content_block": shell})
            for piece in pieces_of(value, 11):
                out.append({"type": "content_block_delta", "index": i,
                            "delta": {"type": grows[1], grows[2]: piece}})
            if b["type"] == "thinking":
                out.append({"type": "content_block_delta", "index": i,
                            "delta": {"type": "signature_delta", "signature": b["signature"]}})
            out.append({"type": "content_block_stop", "index": i})
        if step.get("end", True):
            out.append({"type": "message_delta", "delta": {"stop_reason": whole["stop_reason"],
                                                           "stop_sequence": None}, "usage": {"output_tokens": 30}})
            out.append({"type": "message_stop"})
        return sse(out, step.get("newline", "\n"), True)

    @staticmethod
    def error(status, message):
        return {"type": "error", "error": {"type": "invalid_request_error", "message": message}}


class Gemini:
    name, kind, key_header = "gemini-generate-content", "text/event-stream", ("x-goog-api-key", "")
    paths = r"/v1beta/models/[^/:]+:(generateContent|streamGenerateContent\?alt=sse)"

    @staticmethod
    def streams(path, body):
        return ":stream" in path

    @staticmethod
    def check(path, body):
        known(body, "contents systemInstruction tools toolConfig generationConfig", "the request")
        asked = []
        for i, content in enumerate(body["contents"]):
            where = f"contents[{i}]"
            known(content, "role parts", where)
            need(content["role"] in ("user", "model"), "Please use a valid role: user, model.")
            need(content["parts"], f"{where}: no parts")
            done = [p["functionResponse"] for p in content["parts"] if "functionResponse" in p]
            need([(d["name"], d.get("id")) for d in done] == [(c["name"], c.get("id")) for c in asked],
                 "Please ensure that the number of function response parts is equal to the number of function "
                 f"call parts of the function call turn: {asked} {done}")
            for d in done:
                need(isinstance(d["response"], dict), f"{where}: response must be an object")
                for part in d.get("parts", []):
                    is_image(part["inlineData"]["data"], where)
            calls = [p for p in content["parts"] if "functionCall" in p]
            need(not calls or content["role"] == "model", f"{where}: a call of the user")
            need(not calls or calls[0].get("thoughtSignature"),
                 "Function call is missing a thought_signature in functionCall parts.")
            asked = [p["functionCall"] for p in calls]
            for c in asked:
                check_name(c["name"], where)
                need(isinstance(c["args"], dict), f"{where}: args must be an object")
            for part in content["parts"]:
                if "text" in part:
                    is_text(part["text"], where)
        need(not asked and body["contents"][-1]["role"] == "user", "the last turn must be the user's")
        for tool in body.get("tools", []):
            for fn in tool["functionDeclarations"]:
                known(fn, "name description parametersJsonSchema", "a function")
                check_schema(fn["parametersJsonSchema"], "a function")

    @staticmethod
    def results(body):
        for content in body["contents"]:
            for part in content["parts"]:
                for value in part.get("functionResponse", {}).get("response", {}).values():
                    yield value

    @staticmethod
    def images(body):
        return sum(len(p["functionResponse"].get("parts", [])) for c in body["contents"] for p in c["parts"]
                   if "functionResponse" in p)

    @staticmethod
    def opaque(body):
        return [p["thoughtSignature"] for c in body["contents"] for p in c["parts"]
                if p.get("thoughtSignature", "").startswith("sig-")]

    @staticmethod
    def parts(step, text, calls, number):
        parts = []
        if step.get("opaque"):
            parts.append({"text": "Thinking hard.", "thought": True})
        if text:
            parts.append({"text": text})
        for i, c in enumerate(calls):
            try:
                args = json.loads(c["arguments"] or "{}")
            except ValueError:
                args = c["arguments"]
            part = {"functionCall": {"name": c["name"], "args": args}}
            if number % 2:
                part["functionCall"]["id"] = c["id"]
            if i == 0:
                part["thoughtSignature"] = blob(number, "sig") if step.get("opaque") else "c2ln"
            parts.append(part)
        if step.get("opaque") and not calls:
            parts.append({"text": "", "thoughtSignature": blob(number, "sig")})
        return parts

    @staticmethod
    def chunk(step, path, parts, number, last):
        finish = {"length": "MAX_TOKENS", "stop": "STOP", "content_filter": "SAFETY"}
        candidate = {"content": {"parts": parts, "role": "model"}, "index": 0}
        if last:
            candidate["finishReason"] = finish.get(step.get("finish")) or step.get("finish") or "STOP"
        return {"candidates": [candidate], "usageMetadata": {
            "promptTokenCount": 120, "candidatesTokenCount": 30, "totalTokenCount": 150},
            "modelVersion": re.search(r"models/([^:]+)", path)[1], "responseId": f"g{number}"}

    @classmethod
    def whole(cls, step, path, body, text, calls, number):
        return cls.chunk(step, path, cls.parts(step, text, calls, number), number, True)

    @classmethod
    def events(cls, step, path, body, text, calls, number):
        chunks = []
        for part in cls.parts(step, text, calls, number):
            if set(part) == {"text"}:
                chunks += [[{"text": piece}] for piece in pieces_of(part["text"], 7)]
            else:
                chunks.append([part])
        out = [cls.chunk(step, path, c, number, False) for c in chunks]
        if step.get("end", True):
            out.append(cls.chunk(step, path, [{"text": ""}], number, True))
        return sse(out, step.get("newline", "\r\n"), False)

    @staticmethod
    def error(status, message):
        return {"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT"}}


class Ollama:
    name, kind, key_header = "ollama-chat", "application/x-ndjson", ("authorization", "Bearer ")
    paths = r"/api/chat"

    @staticmethod
    def streams(path, body):
        return body.get("stream", True)

    @staticmethod
    def check(path, body):
        known(body, "model messages tools stream options think format", "the request")
        need(isinstance(body.get("options", {}).get("num_ctx"), int), "this test wants num_ctx")
        asked = []
        for i, msg in enumerate(body["messages"]):
            where = f"messages[{i}]"
            known(msg, "role content thinking images tool_calls tool_name tool_call_id", where)
            need(msg["role"] in ("system", "user", "assistant", "tool"), f"{where}: role")
            is_text(msg["content"], where)
            for image in msg.get("images", []):
                is_image(image, where)
            if msg["role"] == "tool":
                need(asked and msg["tool_name"] == asked.pop(0), f"{where}: a result without its call")
                continue
            need(not asked, f"{where}: no result for {asked}")
            for c in msg.get("tool_calls", []):
                check_name(c["function"]["name"], where)
                need(isinstance(c["function"]["arguments"], dict), "invalid tool call arguments")
                asked.append(c["function"]["name"])
        need(not asked, f"no result for {asked}")
        for tool in body.get("tools", []):
            check_schema(tool["function"]["parameters"], "a tool")

    @staticmethod
    def results(body):
        return (m["content"] for m in body["messages"] if m["role"] == "tool")

    @staticmethod
    def images(body):
        return sum(len(m.get("images", [])) for m in body["messages"])

    @staticmethod
    def opaque(body):
        return [m["thinking"] for m in body["messages"] if m.get("thinking")]

    @staticmethod
    def calls(calls):
        out = []
        for c in calls:
            try:
                args = json.loads(c["arguments"] or "{}")
            except ValueError:
                args = c["arguments"]
            out.append({"function": {"name": c["name"], "arguments": args}})
        return out

    @classmethod
    def line(cls, body, number, message, done, step):
        line = {"model": body["model"], "created_at": f"2026-08-07T06:08:{number:02}Z",
                "message": {"role": "assistant", **message}, "done": done}
        if done:
            line.update(done_reason=step.get("finish", "stop"), prompt_eval_count=step.get("prompt_tokens", 20000),
                        eval_count=30)
        return line

    @classmethod
    def whole(cls, step, path, body, text, calls, number):
        message = {"content": text or ""}
        if step.get("opaque"):
            message["thinking"] = blob(number, "think")
        if calls:
            message["tool_calls"] = cls.calls(calls)
        return cls.line(body, number, message, True, step)

    @classmethod
    def events(cls, step, path, body, text, calls, number):
        out = [{"content": "", "thinking": p} for p in pieces_of(blob(number, "think"), 9)] \
            if step.get("opaque") else []
        out += [{"content": p} for p in pieces_of(text or "", 7)]
        out += [{"content": "", "tool_calls": [c]} for c in cls.calls(calls)]
        lines = [cls.line(body, number, m, False, step) for m in out]
        if step.get("end", True):
            lines.append(cls.line(body, number, {"content": ""}, True, step))
        return [(json.dumps(line) + "\n").encode() for line in lines]

    @staticmethod
    def error(status, message):
        return {"error": message}


WIRES = [Responses, Anthropic, Gemini, Ollama]


def wire_of(path):
    for wire in WIRES:
        if re.fullmatch(wire.paths, path):
            return wire
    return None

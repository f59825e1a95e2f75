#!/usr/bin/python3
"""A scripted model server on 127.0.0.1 for tests: chat completions over real HTTP/1.1, and by the
request's path the other wire formats of wires.py, from the same script.

    provider.py --script FILE --log FILE [--key KEY] [--idle SECONDS]

It prints its port on standard output, then answers request after request by the steps of the
script, streamed (server-sent events) or whole, as the request asks. Before it answers it checks
the request as a strict service would; a request that breaks a rule gets a 400 that says which,
and the step is kept for the next request. Every request is one JSON line in the log.

It ends when nothing was asked for --idle seconds, or when the process that started it is gone.

The script is a JSON list. A step is one object:

  a reply      text: TEXT, calls: [{name, arguments (object or text), id}], finish: REASON
               find: REGEX looked for in the newest tool message that has it; {1}, {name} in the
                     text and in arguments become its groups: what the code really printed
  a raw one    status: N, headers: {}, content_type: TEXT, body: TEXT or fill: BYTES (of 'x')
  no answer    close: true
  how          chunk: "events" (default), "whole", "bytes" (one byte a write, the HTTP framing
               too), "random:SEED"; delay: seconds before the first byte; gap: seconds between
               events; cut: N (close after N bytes of the body; negative: from its end);
               stall: N (send N bytes, then nothing, until the client leaves); newline: "\\r\\n";
               comments: true (keep-alive lines between the events); done: false (no [DONE]);
               end: false (the stream just ends: no finish reason, no [DONE])
  more         opaque: true (the reply carries state that only the service understands; all later
               requests must bring it back); images: N (so many pictures must be in the request)
  how often    times: N (0 = for ever)
"""
import argparse
import ctypes
import json
import os
import random
import re
import signal
import socket
import sys
import threading
import time

import wires
from wires import Bad, need

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024

TOP_MEMBERS = set("""model messages tools tool_choice parallel_tool_calls stream stream_options
    temperature top_p max_tokens max_completion_tokens stop seed n reasoning_effort response_format
    service_tier store prompt_cache_key metadata user safety_identifier verbosity presence_penalty
    frequency_penalty logit_bias logprobs top_logprobs""".split())
MESSAGE_MEMBERS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "refusal", "tool_calls"},
    "tool": {"role", "content", "tool_call_id"},
}


def check_text(value, where):
    if isinstance(value, list):
        need(value, f"{where}: an empty list of parts")
        for part in value:
            need(isinstance(part, dict) and part.get("type") in ("text", "image_url"),
                 f"{where}: a part that is neither text nor image_url")
            if part["type"] == "text":
                check_text(part.get("text"), where)
        return
    need(isinstance(value, str), f"{where}: content must be text, not {type(value).__name__}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise Bad(f"{where}: a lone surrogate, which is no Unicode text")


def check_tools(body):
    tools = body.get("tools")
    if tools is None:
        need("tool_choice" not in body, "tool_choice is only allowed with tools")
        need("parallel_tool_calls" not in body, "parallel_tool_calls is only allowed with tools")
        return
    need(isinstance(tools, list) and tools, "tools must be a list that is not empty")
    for tool in tools:
        need(isinstance(tool, dict) and set(tool) == {"type", "function"}
             and tool["type"] == "function", "a tool must have exactly type=function and function")
        fn = tool["function"]
        need(set(fn) <= {"name", "description", "parameters", "strict"},
             f"unknown member in a tool's function: {sorted(fn)}")
        need(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", fn.get("name", "")), "a tool's name is not valid")
        params = fn.get("parameters")
        need(isinstance(params, dict) and params.get("type") == "object"
             and isinstance(params.get("properties"), dict), "a tool's parameters are no schema")
        for name in params.get("required", []):
            need(name in params["properties"], f"required parameter {name} is not in properties")
    choice = body.get("tool_choice", "auto")
    need(choice in ("none", "auto", "required") or isinstance(choice, dict),
         f"tool_choice {choice!r} is not known")


def check_messages(messages):
    need(isinstance(messages, list) and messages, "messages must be a list that is not empty")
    open_ids = []
    for i, msg in enumerate(messages):
        where = f"messages[{i}]"
        need(isinstance(msg, dict), f"{where} is no object")
        role = msg.get("role")
        need(role in MESSAGE_MEMBERS, f"{where}: unknown role {role!r}")
        extra = set(msg) - MESSAGE_MEMBERS[role]
        need(not extra, f"{where}: unknown member {sorted(extra)}")
        if role == "tool":
            need(open_ids, f"{where}: a tool message that answers no tool call")
            need(msg.get("tool_call_id") == open_ids[0],
                 f"{where}: tool_call_id {msg.get('tool_call_id')!r}, expected {open_ids[0]!r}")
            open_ids.pop(0)
            need(isinstance(msg.get("content"), str), f"{where}: a tool message holds text only")
            check_text(msg["content"], where)
            continue
        need(not open_ids, "An assistant message with 'tool_calls' must be followed by tool "
             f"messages responding to each 'tool_call_id': none for {open_ids}")
        if role == "assistant":
            calls = msg.get("tool_calls")
            if calls is None:
                check_text(msg.get("content"), where)
                continue
            need(isinstance(calls, list) and calls, f"{where}: an empty list of tool_calls")
            if msg.get("content") is not None:
                check_text(msg["content"], where)
            for call in calls:
                need(isinstance(call, dict) and set(call) == {"id", "type", "function"}
                     and call["type"] == "function", f"{where}: a tool call of the wrong shape")
                need(isinstance(call["id"], str) and call["id"], f"{where}: a call without an id")
                need(call["id"] not in open_ids, f"{where}: two calls with the id {call['id']}")
                fn = call["function"]
                need(set(fn) == {"name", "arguments"}, f"{where}: a call's function {sorted(fn)}")
                need(isinstance(fn["name"], str) and fn["name"], f"{where}: a call without a name")
                try:
                    good = isinstance(json.loads(fn["arguments"]), dict)
                except (TypeError, ValueError):
                    good = False
                need(good, f"{where}: invalid tool call arguments: {fn['arguments']!r:.80}")
                open_ids.append(call["id"])
        else:
            check_text(msg.get("content"), where)
    need(not open_ids, f"no tool message for {open_ids}")
    need(messages[-1]["role"] in ("user", "tool"), "the last message must be user or tool")


def check_request(raw):
    try:
        body = json.loads(raw.decode("utf-8"))
    except ValueError as e:
        raise Bad(f"the body is no JSON: {e}")
    need(isinstance(body, dict), "the body is no JSON object")
    extra = set(body) - TOP_MEMBERS
    need(not extra, f"Unknown parameter: {sorted(extra)}")
    need(isinstance(body.get("model"), str) and body["model"], "model is missing")
    need(isinstance(body.get("stream", False), bool), "stream must be true or false")
    if "stream_options" in body:
        need(body.get("stream"), "stream_options is only allowed when stream is enabled")
        need(set(body["stream_options"]) <= {"include_usage", "include_obfuscation"},
             "unknown member in stream_options")
    check_tools(body)
    check_messages(body.get("messages"))
    return body


class Chat:
    """What the other formats' classes have, as far as it is asked of this one."""
    key_header = ("authorization", "Bearer ")

    @staticmethod
    def results(body):
        """What the tools printed; for a model that writes code in fences, the user's words."""
        told = [m["content"] for m in body["messages"] if m["role"] == "tool"]
        return told or [m["content"] for m in body["messages"][2:]
                        if m["role"] == "user" and isinstance(m["content"], str)]

    @staticmethod
    def images(body):
        return sum(p["type"] == "image_url" for m in body["messages"] if isinstance(m["content"], list)
                   for p in m["content"])


def fill_in(step, body, text, wire=None):
    """The text, with what the step's `find` found in the tool messages put in."""
    if "find" not in step or text is None:
        return text
    for result in reversed(list((wire or Chat).results(body))):
        hit = re.search(step["find"], result, re.M)
        if hit:
            groups = {str(i): g for i, g in enumerate(hit.groups(), 1)}
            groups.update(hit.groupdict())
            return re.sub(r"\{(\w+)\}", lambda m: groups.get(m[1], m[0]) or "", text)
    raise Bad(f"no tool message holds {step['find']!r}")


def make_calls(step, body, number, wire=None):
    calls = []
    for i, call in enumerate(step.get("calls", [])):
        args = call["arguments"]
        if isinstance(args, dict):
            args = json.dumps({k: fill_in(step, body, v, wire) for k, v in args.items()})
        calls.append({"id": call.get("id", f"call_{number:03d}{chr(97 + i % 26)}{i}"),
                      "name": call["name"], "arguments": args})
    return calls


USAGE = {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150}


def pieces_of(text, size):
    return [text[i:i + size] for i in range(0, len(text), size)]


def stream_events(step, body, number):
    """The reply as a list of server-sent events, as bytes."""
    text = fill_in(step, body, step.get("text"))
    calls = make_calls(step, body, number)
    base = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 1700000000,
            "model": body["model"]}
    events = []
    nl = step.get("newline", "\n")

    def put(delta, finish=None):
        line = dict(base, choices=[{"index": 0, "delta": delta, "finish_reason": finish}],
                    usage=None)
        events.append(f"data: {json.dumps(line)}{nl}{nl}")
        if step.get("comments"):
            events.append(f": keep-alive{nl}{nl}")

    put({"role": "assistant", "content": None if calls and not text else ""})
    for piece in pieces_of(text or "", 7):
        put({"content": piece})
    for i, call in enumerate(calls):
        put({"tool_calls": [{"index": i, "id": call["id"], "type": "function",
                             "function": {"name": call["name"], "arguments": ""}}]})
        for piece in pieces_of(call["arguments"], max(11, len(call["arguments"]) // 400)):
            put({"tool_calls": [{"index": i, "function": {"arguments": piece}}]})
    if not step.get("end", True):
        return [e.encode("utf-8") for e in events]
    put({}, step.get("finish", "tool_calls" if calls else "stop"))
    if body.get("stream_options", {}).get("include_usage"):
        events.append(f"data: {json.dumps(dict(base, choices=[], usage=USAGE))}{nl}{nl}")
    if step.get("done", True):
        events.append(f"data: [DONE]{nl}{nl}")
    return [e.encode("utf-8") for e in events]


def whole_reply(step, body, number):
    text = fill_in(step, body, step.get("text"))
    calls = make_calls(step, body, number)
    message = {"role": "assistant", "content": text, "refusal": None}
    if calls:
        message["tool_calls"] = [{"id": c["id"], "type": "function",
                                  "function": {"name": c["name"], "arguments": c["arguments"]}}
                                 for c in calls]
    finish = step.get("finish", "tool_calls" if calls else "stop")
    return json.dumps({"id": f"chatcmpl-{number}", "object": "chat.completion",
                       "created": 1700000000, "model": body["model"],
                       "choices": [{"index": 0, "message": message, "logprobs": None,
                                    "finish_reason": finish}], "usage": USAGE}).encode("utf-8")


class Server:
    def __init__(self, args):
        with open(args.script, encoding="utf-8") as f:
            self.steps = json.load(f)
        self.log = open(args.log, "a", encoding="utf-8")
        self.key, self.lock = args.key, threading.Lock()
        self.at, self.used = 0, 0
        self.opaque = []
        self.requests = self.connections = 0
        self.active = time.monotonic()

    def next_step(self):
        """The step for this request; a step with `times` is used that often."""
        while self.at < len(self.steps):
            step = self.steps[self.at]
            times = step.get("times", 1)
            if times == 0 or self.used < times:
                self.used += 1
                return step
            self.at, self.used = self.at + 1, 0
        raise Bad(f"the script has no more than {len(self.steps)} steps")

    def note(self, **fields):
        with self.lock:
            self.log.write(json.dumps(fields) + "\n")
            self.log.flush()

    # --- one connection ---
    def serve(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.connections += 1
            conn = self.connections
        held = b""
        try:
            while True:
                head, held = self.read_head(sock, held)
                if head is None:
                    return
                method, path, headers = head
                raw, held = self.read_body(sock, held, headers)
                if not self.answer(sock, conn, method, path, headers, raw):
                    return
        except (OSError, Bad):
            pass  # the client left, or speaks no HTTP: nobody to tell
        finally:
            sock.close()
            self.active = time.monotonic()

    def read_head(self, sock, held):
        while b"\r\n\r\n" not in held:
            need(len(held) < MAX_HEAD, "the request's headers are too large")
            data = sock.recv(65536)
            if not data:
                return None, b""
            self.active = time.monotonic()
            held += data
        head, held = held.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ", 2)
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return (method, path, headers), held

    def read_body(self, sock, held, headers):
        if headers.get("expect", "").lower() == "100-continue":
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = int(headers.get("content-length", "0"))
        need(length <= MAX_BODY, "the request's body is too large")
        parts, have = [held], len(held)
        while have < length:
            data = sock.recv(65536)
            need(data, "the request's body was cut")
            parts.append(data)
            have += len(data)
        held = b"".join(parts)
        return held[:length], held[length:]

    def refuse(self, headers, method, path):
        """(status, message) for what is wrong before the body is looked at."""
        wire = wires.wire_of(path)
        if method != "POST" or (wire is None and path != "/v1/chat/completions"):
            return 404, f"Invalid URL ({method} {path})"
        if self.key and not self.has_key(headers, wire):
            return 401, "Incorrect API key provided"
        if wire is wires.Anthropic and headers.get("anthropic-version") != "2023-06-01":
            return 400, "anthropic-version: header is required"
        if headers.get("content-type", "").split(";")[0] != "application/json":
            return 415, "the content type must be application/json"
        if "content-length" not in headers:
            return 411, "a content length is needed"
        return None

    def has_key(self, headers, wire):
        name, front = (wire or Chat).key_header
        return bool(self.key) and headers.get(name) == front + self.key

    def check(self, path, raw, wire):
        """The request's body, checked."""
        if wire is None:
            return check_request(raw)
        try:
            body = json.loads(raw.decode("utf-8"))
            wire.check(path, body)
            opaque = wire.opaque(body)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as e:
            raise Bad(f"not as {wire.name} has it: {type(e).__name__}: {e}")
        if self.opaque:
            need(opaque == self.opaque, f"the opaque state is {opaque!r}, it was {self.opaque!r}")
        return body

    def reply(self, step, path, body, number, wire):
        """(whole, events): one of them is None."""
        if "images" in step:
            seen = (wire or Chat).images(body)
            need(seen == step["images"], f"{seen} pictures in the request, expected {step['images']}")
        if "status" in step or "body" in step or "close" in step or "fill" in step:
            return None, None
        if wire is None:
            if body.get("stream"):
                return None, stream_events(step, body, number)
            return whole_reply(step, body, number), None
        parts = fill_in(step, body, step.get("text"), wire), make_calls(step, body, number, wire), number
        if step.get("opaque"):
            self.opaque += {wires.Responses: ["enc"], wires.Anthropic: ["sig", "red"], wires.Gemini: ["sig"],
                            wires.Ollama: ["think"]}[wire]
            self.opaque = [wires.blob(number, o) if "-" not in o else o for o in self.opaque]
        if wire.streams(path, body):
            return None, wire.events(step, path, body, *parts)
        return json.dumps(wire.whole(step, path, body, *parts)).encode("utf-8"), None

    def answer(self, sock, conn, method, path, headers, raw):
        with self.lock:
            self.requests += 1
            number = self.requests
        seen = {"n": number, "conn": conn, "method": method, "path": path, "t": time.monotonic(),
                "auth": self.has_key(headers, wires.wire_of(path)),
                "headers": {k: v for k, v in headers.items()
                            if k not in ("authorization", "x-api-key", "x-goog-api-key")}}
        wire = wires.wire_of(path)
        wrong = self.refuse(headers, method, path)
        if wrong:
            self.note(**seen, status=wrong[0], reason=wrong[1])
            self.send_error(sock, *wrong, wire)
            return True
        body = None
        try:
            body = self.check(path, raw, wire)
            with self.lock:
                step = self.next_step()
                payload, events = self.reply(step, path, body, number, wire)
        except Bad as e:
            self.note(**seen, status=400, reason=str(e),
                      body=body if body is not None else raw.decode("utf-8", "replace"))
            self.send_error(sock, 400, str(e), wire)
            return True
        self.note(**seen, status=step.get("status", 200), body=body)
        time.sleep(step.get("delay", 0))
        if step.get("close"):
            return False
        return self.send_reply(sock, step, payload, events, wire)

    def send_error(self, sock, status, message, wire=None):
        kind = {401: "invalid_api_key"}.get(status, "scripted_check")
        error = wire.error(status, message) if wire else {"error": {
            "message": message, "type": "invalid_request_error", "param": None, "code": kind}}
        body = json.dumps(error).encode("utf-8")
        sock.sendall(b"HTTP/1.1 %d Refused\r\nContent-Type: application/json\r\n"
                     b"Content-Length: %d\r\n\r\n" % (status, len(body)) + body)

    def send_reply(self, sock, step, payload, events, wire=None):
        status, kind = step.get("status", 200), step.get("content_type")
        if payload is None and events is None:
            payload = (b"x" * step["fill"] if "fill" in step
                       else step.get("body", "").encode("utf-8", "surrogateescape"))
        kind = kind or ("application/json" if events is None else wire.kind if wire else "text/event-stream")
        head = [f"HTTP/1.1 {status} Scripted", f"Content-Type: {kind}"]
        head += [f"{k}: {v}" for k, v in step.get("headers", {}).items()]
        if events is None:
            head.append(f"Content-Length: {len(payload)}")
            units = [payload]
        else:
            head += ["Transfer-Encoding: chunked", "Cache-Control: no-cache"]
            units = events
        units, whole = self.shorten(step, units)
        chunk = step.get("chunk", "events")
        units = self.resplit(units, chunk)
        self.send(sock, ("\r\n".join(head) + "\r\n\r\n").encode("latin-1"), chunk)
        for i, unit in enumerate(units):
            if i and step.get("gap"):
                time.sleep(step["gap"])
            if events is not None:
                unit = b"%x\r\n%s\r\n" % (len(unit), unit)
            self.send(sock, unit, chunk)
        if not whole and "stall" in step:
            while sock.recv(4096):  # until the client hangs up
                pass
        if not whole:
            return False
        if events is not None:
            self.send(sock, b"0\r\n\r\n", chunk)
        return True

    @staticmethod
    def shorten(step, units):
        """What is sent of the body, and whether that is all of it."""
        at = step.get("cut", step.get("stall"))
        if at is None:
            return units, True
        joined = b"".join(units)
        at = len(joined) + at if at < 0 else at
        rest, out = at, []
        for unit in units:
            if rest > 0:
                out.append(unit[:rest])
            rest -= len(unit)
        return out, False

    @staticmethod
    def resplit(units, chunk):
        if chunk == "events":
            return [u for u in units if u]
        data = b"".join(units)
        if chunk == "whole":
            return [data] if data else []
        if chunk == "bytes":
            return [data[i:i + 1] for i in range(len(data))]
        rng, out, at = random.Random(int(chunk.partition(":")[2] or 0)), [], 0
        while at < len(data):
            size = rng.choice((1, 2, 3, 5, 17, 60, 400))
            out.append(data[at:at + size])
            at += size
        return out

    @staticmethod
    def send(sock, data, chunk):
        if chunk != "bytes":
            sock.sendall(data)
            return
        for i in range(len(data)):
            sock.sendall(data[i:i + 1])


def main():
    ap = argparse.ArgumentParser(description="a scripted model server for tests")
    ap.add_argument("--script", required=True)
    ap.add_argument("--log", required=True)
    ap.add_argument("--key", default="")
    ap.add_argument("--idle", type=float, default=60)
    args = ap.parse_args()
    parent = os.getppid()
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: end when the test ends
    server = Server(args)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(1)
    print(listener.getsockname()[1], flush=True)
    while time.monotonic() - server.active < args.idle and os.getppid() == parent:
        try:
            sock, _ = listener.accept()
        except socket.timeout:
            continue
        sock.settimeout(args.idle)
        threading.Thread(target=server.serve, args=(sock,), daemon=True).start()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A server that speaks all five wire formats at once, by the path, and answers as a test says: for
tests of whom the program asks, with which key, and what it makes of the answer.

    with AnyService(answer) as s: ...

`answer(request)` gets {path, headers (names in small letters), body (parsed) or None, n (0 = the
first), conn} and returns a text (an answer in the format of the path), a dict (status, headers,
json, body, usage, calls: [code], text), or None (the connection is closed without an answer)."""
import http.server
import json
import socketserver
import threading


def reply(path, text, calls, usage):
    tin, tout = usage.get("in", 100), usage.get("out", 10)
    args = [{"code": c} for c in calls]
    if path.endswith("/responses"):
        out = [{"type": "function_call", "id": f"fc_{i}", "call_id": f"call_{i}",
                "name": "execute_python", "arguments": json.dumps(a), "status": "completed"}
               for i, a in enumerate(args)]
        if text:
            out.append({"type": "message", "role": "assistant", "id": "m", "status": "completed",
                        "content": [{"type": "output_text", "text": text, "annotations": []}]})
        return {"id": "r", "object": "response", "status": "completed", "model": "m", "output": out,
                "usage": {"input_tokens": tin, "output_tokens": tout, "total_tokens": tin + tout,
                          "input_tokens_details": {"cached_tokens": usage.get("cached", 0)}}}
    if path.endswith("/messages"):
        out = [{"type": "text", "text": text}] if text else []
        out += [{"type": "tool_use", "id": f"toolu_{i}", "name": "execute_python", "input": a}
                for i, a in enumerate(args)]
        return {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": out,
                "stop_reason": "tool_use" if args else "end_turn",
                "usage": {"input_tokens": tin - usage.get("cached", 0), "output_tokens": tout,
                          "cache_read_input_tokens": usage.get("cached", 0)}}
    if "enerateContent" in path:
        parts = [{"text": text}] if text else []
        parts += [{"functionCall": {"name": "execute_python", "args": a}} for a in args]
        return {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": tin, "candidatesTokenCount": tout,
                                  "cachedContentTokenCount": usage.get("cached", 0)}}
    if path.endswith("/api/chat"):
        m = {"role": "assistant", "content": text or ""}
        if args:
            m["tool_calls"] = [{"function": {"name": "execute_python", "arguments": a}} for a in args]
        return {"model": "m", "message": m, "done": True, "done_reason": "stop",
                "prompt_eval_count": tin, "eval_count": tout}
    m = {"role": "assistant", "content": text}
    if args:
        m["tool_calls"] = [{"id": f"call0000{i}", "type": "function", "function":
                            {"name": "execute_python", "arguments": json.dumps(a)}}
                           for i, a in enumerate(args)]
    u = {"prompt_tokens": tin, "completion_tokens": tout, "total_tokens": tin + tout,
         "prompt_tokens_details": {"cached_tokens": usage.get("cached", 0)}}
    if "cost" in usage:
        u["cost"] = usage["cost"]
    if usage.get("none"):
        u = None
    return {"id": "c", "object": "chat.completion", "model": "m", "usage": u,
            "choices": [{"index": 0, "message": m, "finish_reason": "tool_calls" if args else "stop"}]}


class AnyService:
    def __init__(self, answer):
        self.answer, self.requests, self.conns = answer, [], 0
        outer, lock = self, threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                with lock:
                    outer.conns += 1
                    self.conn = outer.conns

            def log_message(self, *_):
                pass

            def serve(self):
                n = int(self.headers.get("content-length") or 0)
                raw = self.rfile.read(n)
                with lock:
                    rq = {"path": self.path, "n": len(outer.requests), "conn": self.conn,
                          "headers": {k.lower(): v for k, v in self.headers.items()},
                          "body": json.loads(raw) if raw else None, "raw": raw}
                    outer.requests.append(rq)
                a = outer.answer(rq)
                if a is None:
                    self.close_connection = True
                    return
                if isinstance(a, str):
                    a = {"text": a}
                body = a.get("body")
                if body is None and "json" in a:
                    body = json.dumps(a["json"])
                if body is None:
                    body = json.dumps(reply(self.path.split("?")[0], a.get("text"),
                                            a.get("calls", []), a.get("usage", {})))
                body = body if isinstance(body, bytes) else body.encode()
                self.send_response(a.get("status", 200))
                self.send_header("content-type", a.get("type", "application/json"))
                for k, v in a.get("headers", {}).items():
                    self.send_header(k, v)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET = serve

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads, request_queue_size = True, 64

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

"""A service that answers GET with its list of models: what it was asked with is kept."""
import json
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer


class Listing:
    def __init__(self, status=200, skew=0):
        self.keys, self.paths = keys, paths = [], []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                keys.append(self.headers.get("Authorization"))
                paths.append(self.path)
                body = json.dumps({"data": [{"id": "alpha-1"}, {"id": "beta:2"}]} if status == 200 else
                                  {"error": {"message": "no such key", "type": "invalid_request_error"}}).encode()
                self.send_response_only(status)
                self.send_header("Date", formatdate(time.time() + skew, usegmt=True))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()

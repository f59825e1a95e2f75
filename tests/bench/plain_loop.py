#!/usr/bin/python3
"""The least that a loop with a model can be, to compare with: no sandbox, no record, no checks; each
cell is a fresh python3 in this directory. Only for the scripted provider on loopback."""
import http.client
import json
import os
import subprocess
import sys
import urllib.parse

TOOL = {"type": "function", "function": {
    "name": "execute_python", "description": "Run Python.",
    "parameters": {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]}}}


def main():
    words = sys.argv[1:]
    while words[:1] == ["-f"]:
        os.symlink(words[1], os.path.basename(words[1]))
        words = words[2:]
    url = urllib.parse.urlsplit(os.environ["OPENAI_BASE_URL"])
    conn = http.client.HTTPConnection(url.hostname, url.port)
    messages = [{"role": "user", "content": " ".join(words)}]
    while True:
        conn.request("POST", url.path + "/chat/completions",
                     json.dumps({"model": "scripted", "messages": messages, "tools": [TOOL]}),
                     {"Content-Type": "application/json",
                      "Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]})
        message = json.load(conn.getresponse())["choices"][0]["message"]
        calls = message.get("tool_calls")
        if not calls:
            print(message["content"])
            return
        messages.append({"role": "assistant", "content": message["content"], "tool_calls": calls})
        for call in calls:
            ran = subprocess.run(["/usr/bin/python3", "-c", json.loads(call["function"]["arguments"])["code"]],
                                 capture_output=True, text=True)
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": ran.stdout + ran.stderr})


main()

# docker compose logs -f pager
"""Takes the place of PagerDuty, Slack and a webhook: prints each notification readably."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def read(path: str, sent: dict[str, Any]) -> list[str]:
    """Return the lines that a person would read."""
    if path == "/pagerduty":
        payload = sent["payload"]
        details = [f"{name}: {text}" for name, text in payload["custom_details"].items()]
        return [f"{sent['event_action']} {payload['summary']}", *details, sent["client_url"]]
    if path == "/slack":
        (message,) = sent["attachments"]
        fields = [f"{field['title']}: {field['value']}" for field in message["fields"]]
        return [message["title"], *fields, *message["text"].splitlines()]
    return [f"{one['status']} {one['annotations']['summary']}" for one in sent["alerts"]]


class Pager(BaseHTTPRequestHandler):
    """One request."""

    def do_POST(self) -> None:
        """Print it."""
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        title, *lines = read(self.path, sent)
        print(f"{self.path[1:]}: {title}", *(f"    {line}" for line in lines), sep="\n", flush=True)
        self.send_response(202)  # PagerDuty's status; for Slack and a webhook any 2xx will do
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")  # newer Alertmanagers expect Slack's "ok"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its base's name
        """Print nothing else."""


if __name__ == "__main__":
    host, _, port = sys.argv[1].partition(":")
    ThreadingHTTPServer((host, int(port)), Pager).serve_forever()

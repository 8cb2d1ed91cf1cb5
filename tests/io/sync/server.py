"""A server on this machine that speaks as Mailchimp does, as far as its documentation says, and has troubles when told to."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "5ecre7-us1"
START = datetime(2025, 3, 1, tzinfo=UTC)


class Platform:
    """The contacts of one audience and the reports of its campaigns."""

    def __init__(self) -> None:
        self.members: dict[str, dict[str, Any]] = {}
        self.reports: dict[str, list[dict[str, Any]]] = {}
        self.troubles: list[Any] = []
        self.requests: list[tuple[str, str, Any]] = []
        self.now = START
        self.url = ""

    def tick(self, seconds: int = 60) -> str:
        self.now += timedelta(seconds=seconds)
        return self.now.isoformat()

    def add(self, address: str, status: str = "subscribed", **merge_fields: str) -> dict[str, Any]:
        at = self.tick()
        member: dict[str, Any] = {
            "contact_id": f"contact{len(self.members) + 1}",
            "id": hashed(address),
            "email_address": address,
            "status": status,
            "merge_fields": {"FNAME": "", "LNAME": "", **merge_fields},
            "last_changed": at,
            "timestamp_opt": at if status == "subscribed" else "",
        }
        self.members[member["contact_id"]] = member
        return member

    def change(self, member: dict[str, Any], **changes: Any) -> dict[str, Any]:
        at = self.tick()
        merge_fields = {**member["merge_fields"], **changes.pop("merge_fields", {})}
        member.update(changes, merge_fields=merge_fields, last_changed=at)
        member["id"] = hashed(member["email_address"])
        if changes.get("status") == "subscribed":
            member["timestamp_opt"] = at
        return member

    def find(self, word: str) -> dict[str, Any] | None:
        found = (each for each in self.members.values() if word in (each["id"], each["contact_id"]))
        return next(found, None)

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        parts = path.removeprefix("/3.0/").split("/")
        if parts[0] == "campaigns":
            return 200, {"campaigns": page(self.reports.get("campaigns", []), query)}
        if parts[0] == "reports":
            items = (
                parts[2].replace("-", "_").replace("email_activity", "emails").replace("unsubscribed", "unsubscribes")
            )
            rows = [each for each in self.reports.get(items, []) if each["campaign_id"] == parts[1]]
            return 200, {items: page(rows, query)}
        if len(parts) == 3:
            return self._list(query) if method == "GET" else self._create(body)
        member = self.find(parts[3])
        if member is None:
            return 404, {"title": "Resource Not Found"}
        return self._one(method, member, body)

    def _list(self, query: dict[str, str]) -> tuple[int, Any]:
        archived = query.get("status") == "archived"
        rows = [each for each in self.members.values() if (each["status"] == "archived") == archived]
        since = query.get("since_last_changed")
        if since is not None:
            rows = [each for each in rows if each["last_changed"] > since]
        return 200, {"members": page(sorted(rows, key=lambda each: str(each["last_changed"])), query)}

    def _create(self, body: dict[str, Any]) -> tuple[int, Any]:
        if "@" not in body.get("email_address", "") or body["email_address"].startswith("fake"):
            return 400, {"title": "Invalid Resource", "detail": f"{body.get('email_address')} looks fake"}
        if self.find(hashed(body["email_address"])) is not None:
            return 400, {"title": "Member Exists", "detail": f"{body['email_address']} is already a list member"}
        return 200, self.add(body["email_address"], body["status"], **body.get("merge_fields", {}))

    def _one(self, method: str, member: dict[str, Any], body: dict[str, Any]) -> tuple[int, Any]:
        if method == "GET":
            return 200, member
        if method == "DELETE":
            if member["status"] == "archived":
                return 405, {"title": "Method Not Allowed"}
            self.change(member, status="archived")
            return 204, None
        if method == "POST":
            del self.members[member["contact_id"]]
            return 204, None
        if body.get("status") == "subscribed" and member["status"] == "unsubscribed":
            detail = f"{member['email_address']} is in a compliance state"
            return 400, {"title": "Member In Compliance State", "detail": detail}
        return 200, self.change(member, **body)


def hashed(address: str) -> str:
    return md5(address.lower().encode()).hexdigest()


def page(rows: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
    offset, count = int(query.get("offset", 0)), int(query.get("count", 10))
    return rows[offset : offset + count]


def _handler(platform: Platform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or every answer waits for an acknowledgement

        def _serve(self) -> None:
            split = urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = {name: values[0] for name, values in parse_qs(split.query).items()}
            platform.requests.append((self.command, self.path, dict(self.headers)))
            trouble = platform.troubles.pop(0) if platform.troubles else None
            if trouble == "lost before":
                self._lose()
                return
            if isinstance(trouble, tuple):
                self._say(*trouble)
                return
            status, answer = platform.answer(self.command, split.path, query, json.loads(text or b"{}"))
            if trouble == "lost after":
                self._lose()
                return
            self._say(status, {}, b"" if answer is None else json.dumps(answer).encode())

        def _say(self, status: int, headers: dict[str, str], body: bytes = b"{}") -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _lose(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - the names are http.server's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
            """Say nothing."""

    return Handler


@contextmanager
def serving(platform: Platform) -> Iterator[Platform]:
    """Serve a platform at its `url` for a while."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(platform))
    server.daemon_threads = True
    thread = Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    platform.url = f"http://127.0.0.1:{server.server_address[1]}/3.0"
    try:
        yield platform
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A real HTTP server that speaks the part of Stripe's protocol that the studio uses, and signs events as Stripe does."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, urlsplit

import stripe

WEBHOOK_SECRET = "whsec_of_the_tests"


class StripeServer:
    """Answers checkouts, refunds and transfers; an equal idempotency key gets the equal answer, as at Stripe's.

    `fail_next(status)` makes the next request fail. `asked` is what came in: path, fields, idempotency key.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], str]] = []
        self._answers: dict[str, dict[str, Any]] = {}
        self._transfers: list[dict[str, Any]] = []
        self._failures: list[tuple[int, str]] = []
        self._count = 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                fields = dict(parse_qsl(body))
                key = self.headers.get("Idempotency-Key", "")
                self._answer(*owner._post(self.path, fields, key))

            def do_GET(self) -> None:
                self._answer(*owner._get(self.path))

            def _answer(self, status: int, told: dict[str, Any]) -> None:
                body = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Request-Id", "req_fake")
                if status == 409 or status >= 500:
                    self.send_header("Stripe-Should-Retry", "false")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)

    def fail_next(self, status: int, *, code: str = "fake_failure") -> None:
        self._failures.append((status, code))

    def made(self, path: str) -> int:
        """How many things were really made at `path`."""
        return len({key for asked, _, key in self.asked if asked == path and key in self._answers})

    def _post(self, path: str, fields: dict[str, str], key: str) -> tuple[int, dict[str, Any]]:
        self.asked.append((path, fields, key))
        if self._failures:
            return _failure(*self._failures.pop(0))
        if key in self._answers:
            return 200, self._answers[key]
        self._count += 1
        made: dict[str, Any] = {"id": f"fake_{self._count}", "object": "thing", "metadata": {}}
        if path == "/v1/checkout/sessions":
            made |= {"id": f"cs_test_{self._count}", "object": "checkout.session"}
            made["url"] = f"https://checkout.stripe.example/{made['id']}"
        elif path == "/v1/transfers":
            made |= {"id": f"tr_{self._count}", "object": "transfer", "transfer_group": fields["transfer_group"]}
            self._transfers.append(made)
        elif path == "/v1/refunds":
            made |= {"id": f"re_{self._count}", "object": "refund"}
        self._answers[key] = made
        return 200, made

    def _get(self, path: str) -> tuple[int, dict[str, Any]]:
        if self._failures:
            return _failure(*self._failures.pop(0))
        parts = urlsplit(path)
        group = parse_qs(parts.query).get("transfer_group", [""])[0]
        found = [one for one in self._transfers if one["transfer_group"] == group]
        return 200, {"object": "list", "url": parts.path, "has_more": False, "data": found}

    def forget_keys(self) -> None:
        """As a day later."""
        self._answers.clear()


def signed(kind: str, about: dict[str, Any], *, id_: str = "evt_1", at: int | None = None) -> tuple[bytes, str]:
    """The body and the header with which Stripe would tell an event."""
    moment = int(time.time()) if at is None else at
    body = json.dumps(
        {"id": id_, "object": "event", "type": kind, "created": moment, "data": {"object": about}, "livemode": False}
    )
    return body.encode(), stripe.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET, moment)


def _failure(status: int, code: str) -> tuple[int, dict[str, Any]]:
    return status, {"error": {"type": "api_error", "code": code, "message": "The fake server was told to fail."}}

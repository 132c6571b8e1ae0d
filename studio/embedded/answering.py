"""Whether the web server answers, and the line that says so: before it does, its address is of no use to anybody."""

import logging
import threading
import time
import urllib.error
import urllib.request

from studio.settings import Settings

log = logging.getLogger(__name__)

_PAUSE = 0.3
_PATIENCE = 600.0
# A proxy of the environment knows no way to ourselves.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def address(settings: Settings) -> str:
    """Where a browser on this machine finds the studio."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - Translated, not bound.
    return f"http://{host}:{settings.port}"


def status_of(settings: Settings, path: str) -> int | None:
    """The status with which `path` is answered; None where nobody answers yet."""
    try:
        with _OPENER.open(f"{address(settings)}{path}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except (urllib.error.URLError, OSError):
        return None


def tell_when_it_answers(settings: Settings) -> None:
    """The log names the address once the first request was answered; returns at once."""

    def wait() -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            # First of all: the server's own processes are forked in the meantime, and nothing may be half done then.
            time.sleep(_PAUSE)
            if status_of(settings, "/healthz") is not None:
                log.info("Answering at %s", address(settings))
                return

    threading.Thread(target=wait, name="first answer", daemon=True).start()

"""The web server and the whole studio as processes of their own, as a person starts them."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.embedded.postgres import free_port
from studio.settings import ROOT, Settings

_SECONDS = 120.0


@contextmanager
def web(settings: Settings) -> Iterator[str]:
    """A web server on the servers of `settings`; yields its address once it answers."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    environment = {
        "STUDIO_DATABASE_URL": settings.database_url.get_secret_value(),
        "STUDIO_REDIS_URL": settings.redis_url.get_secret_value(),
        "STUDIO_DATA": str(settings.data),
        "STUDIO_PORT": str(port),
    }
    with program("web", log=settings.data / "web.log", environment=environment) as process:
        wait_for_answer(f"{address}/healthz", process)
        yield address


@contextmanager
def program(*words: str, log: Path, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """`python -m studio` with `words`; told to end at the end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "studio", *words],
            cwd=ROOT,
            env={"PATH": os.environ.get("PATH", os.defpath), **environment},
            stdout=output,
            stderr=output,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for_answer(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Return once `url` answers 200; fails where the process ends first, or takes minutes."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the process ended with {process.returncode}"
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"{url} did not answer")

"""Brings the whole studio up in one terminal: servers, tables, demo content, web, workers and scheduler; and down again."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from studio import check, migrate
from studio.embedded import answering
from studio.embedded.children import Child, Say, python, stop_all
from studio.embedded.services import kept
from studio.kit.errors import ConflictError, UnavailableError
from studio.market.money import policy
from studio.settings import ROOT, Settings
from studio.work.rules import QUEUES

_READY_SECONDS = 90.0
_PATIENCE = 6.0


class PortTakenError(ConflictError):
    """Somebody else listens where the web server should."""

    def __init__(self, *, host: str, port: int) -> None:
        super().__init__(
            "Port %(port)s on %(host)s is taken by another program. Stop that one, or choose another port: STUDIO_PORT=%(other)s make run",
            host=host,
            port=port,
            other=port + 1 if port < 65535 else port - 1,  # noqa: PLR2004 - The highest port that there is.
        )


class NotReadyError(UnavailableError):
    """Something that the studio needs is missing."""

    def __init__(self, *, findings: Sequence[check.Finding]) -> None:
        sentences = " ".join(f"{finding.subject}: {finding.found}. {finding.remedy}" for finding in findings)
        super().__init__("The studio cannot start. %(sentences)s", sentences=sentences)


def up(settings: Settings, *, demo: bool, console: Console) -> None:
    """Run the studio until it is asked to stop (SIGINT, SIGTERM or SIGHUP), and stop everything in order.

    A process or server that dies is started again. Raises PortTakenError, AlreadyRunningError, NotReadyError,
    or what the servers and migrations raise; nothing is left running then.
    """
    settings = settings.model_copy(update={"demo": demo or settings.demo})
    _require_port(settings)
    say = _teller(console)
    with _stopping() as asked, kept(settings) as servers:
        live = servers.settings
        console.print("[dim]PostgreSQL and Valkey answer.[/dim]")
        require(check.run(live, with_migrations=False))
        prepare(live, console=console)
        children = _children(live, say)

        def look() -> None:
            servers.look(say=say, give_up=asked.is_set)
            for child in children:
                child.look()

        try:
            began = time.monotonic()
            # They take seconds to be ready, and the demo content is in place by then.
            for child in children:
                child.start()
            if live.demo:
                load_demo(live, console=console)
            if _wait_until_ready(live, look, asked):
                _greet(live, console, seconds=time.monotonic() - began)
            elif not asked.is_set():
                console.print(
                    f"[yellow]The studio does not answer at {escape(answering.address(live))}/readyz yet; what stands above may say why.[/yellow]"
                )
            while not asked.wait(0.3):
                look()
        finally:
            console.print("[dim]Stopping…[/dim]")
            # The web first: nobody shall ask for new work while the workers finish theirs.
            stop_all(children[:1], patience=_PATIENCE)
            stop_all(children[1:], patience=_PATIENCE)
    console.print("[dim]Everything has stopped.[/dim]")


def require(findings: Sequence[check.Finding]) -> None:
    """Raise NotReadyError if one of `findings` must be mended."""
    bad = [finding for finding in findings if not finding.is_well]
    if bad:
        raise NotReadyError(findings=bad)


def prepare(settings: Settings, *, console: Console) -> int:
    """Have the tables as this program expects them, telling each step; returns how many steps that took."""
    if settings.database_url is None:
        return 0
    return migrate.upgrade(
        settings.database_url.get_secret_value(),
        on_step=lambda number, total, what: console.print(
            f"[dim]Tables, step {number} of {total}: {escape(what)}[/dim]"
        ),
    )


def load_demo(settings: Settings, *, console: Console) -> None:
    """Have the demo accounts and content in place, telling how far it is; may be repeated."""
    from studio import demo
    from studio.kit.clock import utc_now
    from studio.kit.db import make_engine, session_scope
    from studio.providers import storage

    if settings.database_url is None:
        return
    engine = make_engine(settings.database_url.get_secret_value(), pool=1)
    try:
        with Progress(console=console, transient=True) as progress, session_scope(engine) as session:
            task = progress.add_task("Demo content", total=None)
            demo.load(
                session,
                storage=storage.from_settings(settings),
                now=utc_now(),
                policy=policy.from_settings(settings),
                on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
    finally:
        engine.dispose()


def _teller(console: Console) -> Say:
    """What prints each line of a process with the process's name in front."""
    width = len("scheduler")

    def say(name: str, line: str) -> None:
        console.print(f"[cyan]{name:<{width}}[/cyan] {escape(line)}", soft_wrap=True, highlight=False)

    return say


def _children(settings: Settings, say: Say) -> list[Child]:
    """The processes of the studio; web comes first."""
    environment = dict(os.environ) | {
        "STUDIO_DATA": str(settings.data),
        "STUDIO_DEMO": "true" if settings.demo else "false",
        "PYTHONUNBUFFERED": "1",
    }
    roles = {"web": ["web"]}
    roles |= {
        f"worker {number}": ["worker", "--queues", ",".join(queues)]
        for number, queues in enumerate(queues_of_workers(settings.job_workers), start=1)
    }
    roles["scheduler"] = ["scheduler"]
    return [
        # What they would check has just been checked.
        Child(name, python(*words, "--unchecked"), folder=ROOT, environment=environment, say=say)
        for name, words in roles.items()
    ]


def queues_of_workers(count: int) -> list[tuple[str, ...]]:
    """What each of `count` workers listens to: a server of pictures that hangs never stops what is no picture.

    Of two, each takes what is short; one waits for pictures, the other does all else. Of more, the first leaves all that
    is long to the others.
    """
    without_pictures = tuple(queue for queue in QUEUES if queue != "pictures")
    if count == 1:
        return [QUEUES]
    if count == 2:  # noqa: PLR2004 - Two.
        return [without_pictures, ("default", "pictures")]
    return [("default",), without_pictures, *[QUEUES] * (count - 2)]


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that is set once somebody asks this process to stop; who asks twice does not want to wait."""
    asked = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def on_signal(_number: int, _frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _require_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        # As the web server does: a port that a stopped studio has just left may be used again.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError:
            raise PortTakenError(host=settings.host, port=settings.port) from None


def _wait_until_ready(settings: Settings, look: Callable[[], None], asked: threading.Event) -> bool:
    """Whether /readyz says yes before the time is up or somebody asks to stop; `look` is called in between."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and not asked.wait(0.15):
        look()
        if answering.status_of(settings, "/readyz") == 200:  # noqa: PLR2004 - OK.
            return True
    return False


def _greet(settings: Settings, console: Console, *, seconds: float) -> None:
    """Print where the studio is and, in demo mode, who can sign in."""
    console.print()
    console.print(
        f"[bold green]Greenroom is open:[/bold green] [bold]{escape(answering.address(settings))}[/bold]  [dim](up after {seconds:.1f} s)[/dim]"
    )
    if settings.demo:
        from studio.accounts import demo_accounts

        console.print("Demo accounts (demo mode only):")
        for person in demo_accounts.ACCOUNTS:
            roles = ", ".join(person.roles)
            console.print(f"  {roles:<10} {escape(person.email):<28} {escape(demo_accounts.PASSWORD)}", highlight=False)
    console.print("[dim]Ctrl-C stops everything.[/dim]")
    console.print()

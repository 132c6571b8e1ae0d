"""The command line: `python -m studio …`; every command says by `--help` what it does, with an example."""

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studio.commands import Guarded, console, log_to_stderr, settings

if TYPE_CHECKING:
    from studio.accounts.permissions import RoleName
    from studio.operations.exports import ListSource
    from studio.settings import Settings

app = typer.Typer(
    cls=Guarded,
    name="studio",
    help="Greenroom, the studio for AI characters.\n\nExample: python -m studio up --demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
cards = typer.Typer(
    help="Read and write card files; needs no database.\n\nExample: python -m studio cards inspect luna.png"
)
user = typer.Typer(
    help="Manage the people of the studio.\n\nExample: python -m studio user create ada@example.org --role admin"
)
app.add_typer(cards, name="cards")
app.add_typer(user, name="user")


@app.command()
def up(
    *,
    demo: Annotated[bool, typer.Option("--demo", help="Bring demo accounts and content.")] = False,
) -> None:
    """Start everything: servers, tables, web, workers and scheduler; Ctrl-C stops it all.

    Example: STUDIO_PORT=8080 python -m studio up --demo
    """
    from studio.embedded import launcher

    launcher.up(settings(), demo=demo, console=console)


Unchecked = Annotated[
    bool, typer.Option("--unchecked", hidden=True, help="Do not look at the surroundings first: `up` has just done so.")
]


@app.command()
def web(*, unchecked: Unchecked = False) -> None:
    """Serve the pages, beside a studio that is up or servers of your own.

    Example: STUDIO_WEB_WORKERS=4 python -m studio web
    """
    import logging

    from granian.constants import Interfaces
    from granian.server import Server

    from studio.embedded import answering

    live = _surroundings(checked=unchecked)
    log_to_stderr(live.log_level)
    # Our threads wait for the database most of the time; more of them than cores is what we mean.
    # Its own line about where it listens comes before it answers there; ours comes afterwards.
    left_out = ("seems quite high", "Listening at:")
    logging.getLogger("_granian").addFilter(lambda record: not any(one in record.getMessage() for one in left_out))
    answering.tell_when_it_answers(live)
    Server(
        "wsgi:app",
        address=live.host,
        port=live.port,
        interface=Interfaces.WSGI,
        workers=live.web_workers,
        blocking_threads=live.web_threads,
        websockets=False,
        respawn_failed_workers=True,
        # A page that hangs must not keep the whole studio from stopping.
        workers_kill_timeout=3,
    ).serve()


@app.command()
def worker(
    *,
    queues: Annotated[
        str, typer.Option("--queues", help="The queues to listen to, the first before the second.")
    ] = "default,pictures,bulk,background",
    unchecked: Unchecked = False,
) -> None:
    """Work through jobs until told to stop; start as many as you like.

    Example: python -m studio worker --queues default
    """
    from jobs import worker as job_worker
    from studio.operations import exports

    named = job_worker.queues_from(queues)
    live = _surroundings(checked=unchecked)
    log_to_stderr(live.log_level)
    exports.set_source(cache(lambda: _lists(live)))
    job_worker.run(live, queues=named)


@app.command()
def scheduler(*, unchecked: Unchecked = False) -> None:
    """Ask for the jobs whose time has come, and take back those whose worker died.

    Example: python -m studio scheduler
    """
    from jobs import schedule

    live = _surroundings(checked=unchecked)
    log_to_stderr(live.log_level)
    schedule.run(live)


@app.command()
def migrate() -> None:
    """Bring the database to the tables that this program expects; may be repeated.

    Example: STUDIO_DATABASE_URL=postgresql://studio@db/studio python -m studio migrate
    """
    from studio.embedded import launcher, running

    with running(settings()) as live:
        count = launcher.prepare(live, console=console)
    console.print(f"The tables are up to date ({count} step{'' if count == 1 else 's'} taken).", highlight=False)


@app.command()
def demo() -> None:
    """Put the demo accounts and content in place; may be repeated.

    Example: python -m studio demo
    """
    from studio.embedded import launcher, running

    with running(settings()) as live:
        launcher.prepare(live, console=console)
        launcher.load_demo(live, console=console)
    console.print("The demo content is in place. Its accounts sign in only in demo mode: python -m studio up --demo")


@app.command()
def import_cards(
    folder: Annotated[Path, typer.Argument(help="The folder; its subfolders and zips are looked into.")],
    *,
    owner: Annotated[str, typer.Option("--owner", help="The address of the person whose drafts they become.")],
    again: Annotated[
        bool, typer.Option("--again", help="Make characters also of cards that the person has already.")
    ] = False,
) -> None:
    """Make drafts of a whole folder of cards, with a sentence for each file that is none.

    Example: python -m studio import-cards ~/cards --owner ada@example.org
    """
    from studio.authoring import command
    from studio.authoring.models import OnDuplicate
    from studio.embedded import attach
    from studio.kit.db import make_engine
    from studio.providers import storage

    live = attach(settings())
    if live.database_url is None:
        return
    engine = make_engine(live.database_url.get_secret_value(), pool=1)
    try:
        command.import_folder(
            engine,
            storage=storage.from_settings(live),
            folder=folder,
            email=owner,
            on_duplicate=OnDuplicate.IMPORT if again else OnDuplicate.SKIP,
            console=console,
        )
    finally:
        engine.dispose()


@app.command()
def check() -> None:
    """Say what the studio needs, whether it is there, and how to get what is missing.

    Example: python -m studio check
    """
    from rich.table import Table

    from studio import check as checks
    from studio.embedded import running

    with running(settings()) as live:
        findings = checks.run(live)
    table = Table(box=None, pad_edge=False)
    for heading in ("", "What", "Found", "To do"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        table.add_row("ok" if finding.is_well else "!!", finding.subject, finding.found, finding.remedy or "")
    console.print(table, markup=False)
    if not all(finding.is_well for finding in findings):
        raise typer.Exit(1)


@cards.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="PNG, JSON, CHARX or another card file.")],
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the normalised card and the report as JSON.")] = False,
) -> None:
    """Say what a card file holds, what was repaired and what is kept.

    Example: python -m studio cards inspect luna.png --json
    """
    from studio.cards import command

    command.inspect(file, as_json=json, out=sys.stdout)


@cards.command()
def export(
    file: Annotated[Path, typer.Argument(help="The card to read.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write; one that exists is replaced.")],
    to: Annotated[str, typer.Option("--to", help="The version to write: v1, v2 or v3.")] = "v3",
    container: Annotated[str, typer.Option("--as", help="The container to write: png, json, charx or webp.")] = "png",
    keep_metadata: Annotated[
        bool, typer.Option("--keep-metadata", help="Keep the picture's other text chunks.")
    ] = False,
) -> None:
    """Write a card in another version and container.

    Example: python -m studio cards export luna.png --to v2 --as json -o luna.json
    """
    from studio.cards import command

    command.export(file, to=to, as_=container, output=output, keep_metadata=keep_metadata, out=sys.stdout)


@user.command()
def create(
    email: Annotated[str, typer.Argument(help="The address that the person signs in with.")],
    *,
    role: Annotated[list[str], typer.Option("--role", help="creator, moderator, staff or admin; may be repeated.")],
    name: Annotated[
        str | None, typer.Option("--name", help="The name that others see; the address's first part if absent.")
    ] = None,
) -> None:
    """Make an account; the password is asked for (or read from the first line of standard input).

    Example: python -m studio user create ada@example.org --name Ada --role creator --role admin
    """
    from studio.accounts import people
    from studio.accounts.permissions import SYSTEM
    from studio.embedded import attach
    from studio.kit.db import make_engine, session_scope

    roles = [_role(text) for text in role]
    live = attach(settings())
    password = _password()
    if live.database_url is None:
        return
    engine = make_engine(live.database_url.get_secret_value(), pool=1)
    try:
        with session_scope(engine) as session:
            people.create(
                session, actor=SYSTEM, email=email, name=name or email.split("@")[0], password=password, roles=roles
            )
    finally:
        engine.dispose()
    console.print(f"{email} can sign in now.", markup=False, highlight=False)


def _lists(live: "Settings") -> "ListSource":
    """The lists as screens show them, for the job that writes long ones: they are made when the first is asked for."""
    from admin_views.operations.csv_lists import Lists
    from studio.app import create_app

    return Lists(create_app(live))


def _surroundings(*, checked: bool) -> "Settings":
    """The settings with both addresses; where they were not `checked` yet, refuses what is missing with what to do."""
    from studio.embedded import attach

    live = attach(settings())
    if not checked:
        from studio import check
        from studio.embedded import launcher

        launcher.require(check.run(live))
    return live


def _role(text: str) -> "RoleName":
    from studio.accounts.permissions import RoleName
    from studio.kit.errors import InvalidError

    try:
        return RoleName(text.strip().lower())
    except ValueError:
        known = ", ".join(RoleName)
        raise InvalidError("There is no role %(role)s. Choose from: %(known)s.", role=text, known=known) from None


def _password() -> str:
    """From the terminal without showing it, or from a pipe; never from the command line, which everybody can read."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


if __name__ == "__main__":
    app()

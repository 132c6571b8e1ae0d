"""What all commands share: the settings, the console, and one sentence instead of a traceback."""

import secrets
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from studio.kit.errors import InvalidError, StudioError

if TYPE_CHECKING:
    from studio.settings import Settings

console = Console()

_INTERRUPTED = 130


class Guarded(TyperGroup):
    """A group of commands of which each ends with a sentence and a code other than 0 when it fails."""

    def invoke(self, ctx: Any) -> Any:  # The class of `ctx` is Typer's own copy of click's, which it does not export.
        """Run the command; a refusal is told as it is, anything else gets a reference under which it is kept."""
        try:
            return super().invoke(ctx)
        except StudioError as refusal:
            typer.echo(str(refusal), err=True)
            raise typer.Exit(1) from None
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except KeyboardInterrupt:
            typer.echo("Interrupted.", err=True)
            raise typer.Exit(_INTERRUPTED) from None
        except BrokenPipeError:
            raise
        except Exception as problem:  # noqa: BLE001 - This is the edge at which every error ends.
            if _is_database_away(problem):
                typer.echo(
                    "The database does not answer. Look at STUDIO_DATABASE_URL; `python -m studio check` says more.",
                    err=True,
                )
                raise typer.Exit(1) from None
            reference = record(problem, place=ctx.invoked_subcommand or "studio")
            typer.echo(f"Something went wrong. If you ask for help, name the reference {reference}.", err=True)
            raise typer.Exit(1) from None


def _is_database_away(problem: Exception) -> bool:
    from studio.kit.db import is_connection_loss

    return is_connection_loss(problem)


def settings() -> "Settings":
    """The settings of the environment and `.env`; raises InvalidError that names the variable that is wrong."""
    from pydantic import ValidationError

    from studio.settings import Settings

    try:
        return Settings()
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        name = "STUDIO_" + "_".join(str(part) for part in first["loc"]).upper()
        raise InvalidError("%(name)s is not right: %(reason)s.", name=name, reason=first["msg"]) from None


def log_to_stderr(level: str) -> None:
    """Have a long-running process tell what it does, on lines of its own."""
    import logging

    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", force=True)
    # It tells at INFO of each of its parts.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def record(problem: Exception, *, place: str) -> str:
    """Keep an error that nobody handled, in the error log if the database answers, else in a file; returns its reference."""
    try:
        return _record_by_studio(problem, place=place)
    except Exception:  # noqa: BLE001 - A second failure must not hide the first.
        return _record_in_file(problem, place=place)


def _record_by_studio(problem: Exception, *, place: str) -> str:
    from studio.embedded import attach
    from studio.embedded.errors import NotRunningError
    from studio.kit.clock import utc_now
    from studio.kit.db import make_engine
    from studio.operations import error_log
    from studio.operations.models import ErrorSource

    given = settings()
    try:
        live = attach(given)
    except NotRunningError:
        # The next studio that is up reads it back from the file.
        return error_log.report_to_file(
            data=given.data, error=problem, source=ErrorSource.COMMAND, place=place, now=utc_now()
        )
    engine = make_engine(live.database_url.get_secret_value() if live.database_url else "", pool=1)
    try:
        return error_log.report(
            engine, data=live.data, error=problem, source=ErrorSource.COMMAND, place=place, now=utc_now()
        )
    finally:
        engine.dispose()


def _record_in_file(problem: Exception, *, place: str) -> str:
    reference = secrets.token_hex(4).upper()
    # Where it happened and of what kind; the message may quote what a person wrote.
    stack = "".join(traceback.format_tb(problem.__traceback__))
    entry = f"{datetime.now(UTC).isoformat()} {reference} {place}: {type(problem).__qualname__}\n{stack}\n"
    try:
        folder = settings().data / "logs"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (folder / "errors.log").open("a", encoding="utf-8") as file:
            file.write(entry)
    except (OSError, StudioError):
        # Nowhere to keep it: the person holds the only copy.
        typer.echo(entry, err=True)
    return reference

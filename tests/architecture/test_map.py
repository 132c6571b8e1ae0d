"""The house's own rules, held: one commit, one shape of a domain, names and references."""

import ast
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from studio import tables
from studio.settings import ROOT, Settings

PACKAGES = ("studio", "admin_views", "jobs")
DOMAINS = sorted({path.parent for name in ("models.py", "models") for path in (ROOT / "studio").glob(f"*/{name}")})
FLOORS = ("errors", "models", "rules", "queries")


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def by_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


class TestOneCommit:
    def test_only_the_kit_commits(self):
        calls = {
            by_name(path)
            for path in [*modules(), ROOT / "wsgi.py"]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"
        }
        assert calls == {"studio/kit/db.py"}


class TestModules:
    @pytest.mark.parametrize("path", modules(), ids=by_name)
    def test_opens_with_one_sentence(self, path):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert docstring, "a module opens with one sentence that says what it is for"
        assert docstring.split("\n\n")[0].rstrip().endswith("."), docstring

    @pytest.mark.parametrize("path", modules(), ids=by_name)
    def test_stays_small_enough_to_read(self, path):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


class TestButtons:
    def test_ask_for_the_permission_of_a_route_that_there_is(self):
        """`view.may("…")` of a name that no view of the domain guards hides its button from everybody."""
        guarded: dict[str, set[str]] = {}
        for path in (ROOT / "admin_views").rglob("*.py"):
            folder = path.parent.name
            guarded.setdefault(folder, set()).update(re.findall(r'"([a-z_]+)"', path.read_text(encoding="utf-8")))
        # The desk shows the market's parts, and templates of lists serve every domain.
        guarded["market"] |= guarded["review"]
        guarded["review"] |= guarded["market"]
        everything = set().union(*guarded.values())
        unknown = [
            (path.relative_to(ROOT).as_posix(), name)
            for path in (ROOT / "templates").rglob("*.html")
            for name in re.findall(r'view\.may\("([a-z_]+)"\)', path.read_text(encoding="utf-8"))
            if name not in guarded.get(path.parent.name, everything) | guarded["admin_views"]
        ]
        assert unknown == []


class TestDomains:
    @pytest.mark.parametrize("folder", DOMAINS, ids=lambda path: path.name)
    def test_floors_import_only_the_floors_above(self, folder):
        for place, floor in enumerate(FLOORS):
            below = {f"studio.{folder.name}.{name}" for name in FLOORS[place + 1 :]}
            for path in (*folder.glob(f"{floor}.py"), *folder.glob(f"{floor}/*.py")):
                imported = set()
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                    if isinstance(node, ast.ImportFrom) and node.module:
                        imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
                    elif isinstance(node, ast.Import):
                        imported |= {alias.name for alias in node.names}
                assert not imported & below, f"{by_name(path)} stands above what it imports"

    @pytest.mark.parametrize("folder", DOMAINS, ids=lambda path: path.name)
    def test_rules_know_no_session(self, folder):
        path = folder / "rules.py"
        if path.exists():
            assert not re.search(r"\bsession\b|\bSession\b", path.read_text(encoding="utf-8"))

    @pytest.mark.parametrize("folder", DOMAINS, ids=lambda path: path.name)
    def test_is_among_the_tables(self, folder):
        assert any(module.__name__ == f"studio.{folder.name}.models" for module in tables.modules)


class TestTables:
    @pytest.mark.parametrize("table", tables.metadata.sorted_tables, ids=lambda table: table.name)
    def test_every_reference_has_an_index(self, table):
        led = {next(iter(index.columns)).name for index in table.indexes if index.columns}
        led |= {
            next(iter(constraint.columns)).name
            for constraint in table.constraints
            if isinstance(constraint, (sa.UniqueConstraint, sa.PrimaryKeyConstraint)) and constraint.columns
        }
        missing = [
            constraint.name
            for constraint in table.foreign_key_constraints
            if next(iter(constraint.columns)).name not in led
        ]
        assert not missing

    @pytest.mark.parametrize("table", tables.metadata.sorted_tables, ids=lambda table: table.name)
    def test_time_is_always_aware(self, table):
        naive = [c.name for c in table.columns if isinstance(c.type, sa.DateTime) and not c.type.timezone]
        assert not naive

    @pytest.mark.parametrize("table", tables.metadata.sorted_tables, ids=lambda table: table.name)
    def test_money_is_whole_minor_units(self, table):
        wrong = [
            c.name
            for c in table.columns
            if (isinstance(c.type, sa.Numeric) and not isinstance(c.type, sa.Double))
            or (re.search(r"price|amount|cost|fee", c.name) and not isinstance(c.type, sa.BigInteger))
        ]
        assert not wrong

    def test_every_constraint_has_a_name(self):
        nameless = [
            (table.name, constraint)
            for table in tables.metadata.sorted_tables
            for constraint in table.constraints
            if constraint.name is None
        ]
        assert not nameless


class TestCommittedFiles:
    def test_name_no_path_of_a_machine_and_no_download_address(self):
        # Written in pieces, so that this file does not hold what it looks for.
        names = ["/wo" + "rk/", "/ro" + "ot/", "pypi" + r"\.org", "registry" + r"\.npmjs", "deb" + r"\.debian\.org"]
        # Not in the middle of a path of the checkout's own, like that of the templates for jobs.
        forbidden = re.compile(rf"(?<![\w}}*.])(?:{'|'.join(names)})")
        suffixes = {
            ".py",
            ".md",
            ".toml",
            ".json",
            ".html",
            ".js",
            ".css",
            ".sh",
            ".lock",
            ".txt",
            ".cfg",
            ".yml",
            ".po",
        }
        skipped = {
            ".git",
            ".venv",
            "var",
            "node_modules",
            "vendor",
            ".hypothesis",
            ".mypy_cache",
            ".ruff_cache",
            ".pytest_cache",
        }
        found = [
            by_name(path)
            for path in ROOT.rglob("*")
            if path.is_file()
            and (path.suffix in suffixes or path.name in {"Makefile", "run"})
            and not skipped & set(path.relative_to(ROOT).parts)
            and forbidden.search(path.read_text(encoding="utf-8", errors="replace"))
        ]
        assert not found


class TestSettings:
    def test_every_setting_is_documented(self):
        text = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
        missing = [f"STUDIO_{name.upper()}" for name in Settings.model_fields if f"STUDIO_{name.upper()}" not in text]
        assert not missing

    @pytest.mark.parametrize("name", sorted(Settings.model_fields))
    def test_says_what_it_is(self, name):
        assert (Settings.model_fields[name].description or "").endswith(".")

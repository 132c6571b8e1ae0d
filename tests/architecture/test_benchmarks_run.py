"""The benchmarks run to their end on a small sample; how quick anything is, only `make bench` says."""

import json
import os
import subprocess
import sys

import pytest

from studio.settings import ROOT


@pytest.mark.slow
class TestBenchmarks:
    @pytest.mark.parametrize(
        ("name", "needs", "lines"), [("semantic_search", "numpy", 18), ("character_list", "django", 7)]
    )
    def test_run_to_their_end(self, tmp_path, name, needs, lines):
        pytest.importorskip(needs, reason="it stands in requirements/bench.lock only")
        output = tmp_path / "results.json"
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks", name, "--quick", "--output", str(output)],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("STUDIO_")},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        results = json.loads(output.read_text())
        assert len(results) == lines
        for result in results:
            assert set(result) == {"name", "unit", "ours", "peer", "peer_name", "ratio", "goal", "met"}

    def test_refuse_a_name_that_is_none(self):
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks", "nonsense"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "there is no benchmark called nonsense" in done.stderr

"""`make test` on a machine without the programs of other authors: their tests are left out, and a line says so."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "run.sh"
TOOLS = ("bash", "dirname", "grep", "mktemp", "rm", "tail", "tee")
STUBS = {"id": "echo 1000", "python": 'echo "python $*"', "ruff": ":", "mypy": ":"}
MARKERS = ("curl", "interop_tshark", "interop_perl", "interop_node", "browser")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH of a user who is not root, with a shell and little else."""
    for name in TOOLS:
        found = shutil.which(name)
        assert found is not None
        (tmp_path / name).symlink_to(found)
    for name, does in STUBS.items():
        (tmp_path / name).write_text(f"#!{tmp_path / 'bash'}\n{does}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def run(path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [path / "bash", RUN], env=inherited | {"PATH": str(path)} | environment,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_what_needs_a_program_that_is_missing_is_left_out_and_said(bare: Path) -> None:
    result = run(bare)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"-m {' and '.join(f'not {marker}' for marker in MARKERS)}" in result.stdout
    assert "LEFT OUT: the tutorial, run as written: curl is missing" in result.stdout
    assert result.stdout.count("LEFT OUT: ") == len(MARKERS)
    assert "Passed, but for what was left out" in result.stdout


def test_what_is_there_is_not_left_out(bare: Path) -> None:
    (bare / "curl").symlink_to(bare / "bash")
    assert "not curl" not in run(bare).stdout


def test_where_everything_has_to_run_leaving_out_is_a_failure(bare: Path) -> None:
    result = run(bare, CI="true")
    assert result.returncode == 1
    assert "FAILED: not everything was run" in result.stdout

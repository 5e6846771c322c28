"""The rules that hold for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.programs import WHOLE

pytest_plugins = ["pytester"]

_INI = """
[pytest]
markers =
    long: takes long
    programs: starts programs
    asterisk: places calls
    crash: kills
    docker: containers
asyncio_default_fixture_loop_scope = function
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with these rules and its own tests."""
    pytester.makeini(_INI)
    pytester.makeconftest((Path(__file__).parent / "conftest.py").read_text(encoding="utf-8"))
    return pytester


@pytest.mark.parametrize(
    "text",
    [
        "import pytest\n@pytest.mark.skip\ndef test(): pass",
        "import pytest\ndef test(): pytest.skip('no Asterisk')",
        "import pytest\n@pytest.fixture\ndef it(): pytest.skip('no')\ndef test(it): pass",
        "import pytest\npytest.importorskip('nothing_that_exists')\ndef test(): pass",
    ],
)
def test_what_is_skipped_has_failed(project: pytest.Pytester, text: str) -> None:
    project.makepyfile(text)
    result = project.runpytest_inprocess("-p", "no:cacheprovider")
    assert result.ret != 0
    outcomes = result.parseoutcomes()
    assert "skipped" not in outcomes
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) == 1
    result.stdout.fnmatch_lines(["*skipped: *"])


def test_what_takes_long_is_left_for_the_long_run(project: pytest.Pytester) -> None:
    project.makepyfile("import pytest\n@pytest.mark.long\ndef test_a(): pass\ndef test_b(): pass")
    project.runpytest_inprocess().assert_outcomes(passed=1, deselected=1)
    project.runpytest_inprocess("--long").assert_outcomes(passed=2)


STARTS = """
import subprocess, sys
def test_starts():
    subprocess.run([sys.executable, "-c", ""], check=True)
def test_catches():
    try:
        subprocess.run([sys.executable, "-c", ""], check=True)
    except AssertionError:
        pass
"""


@pytest.mark.programs
def test_a_test_that_starts_a_program_without_its_mark_is_not_a_unit_test(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(STARTS)
    result = project.runpytest_inprocess("--unit", "-p", "no:cacheprovider")
    assert result.parseoutcomes()["failed"] >= 2
    project.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


@pytest.mark.parametrize("mark", ["programs", "asterisk", "crash"])
def test_unit_tests_are_those_that_start_nothing(project: pytest.Pytester, mark: str) -> None:
    project.makepyfile(
        f"import pytest\n@pytest.mark.{mark}\ndef test_a(): pass\ndef test_b(): pass\n"
        "@pytest.fixture\ndef postgresql_server(): pass\ndef test_c(postgresql_server): pass\n"
        "@pytest.mark.parametrize('kind', ['sqlite', 'postgresql'])\ndef test_d(kind): pass\n"
        "class Odd:\n    def __eq__(self, other): raise ValueError\n    __hash__ = None\n"
        "@pytest.mark.parametrize('it', [Odd()])\ndef test_e(it): pass"
    )
    project.runpytest_inprocess("--unit").assert_outcomes(passed=3, deselected=3)


def test_unit_tests_open_no_ledger(project: pytest.Pytester) -> None:
    project.makepyfile(
        "import pytest\n@pytest.fixture\ndef call_env(): pass\n"
        "@pytest.fixture\ndef caller(call_env): pass\n"
        "def test_a(caller): pass\ndef test_b(): pass"
    )
    project.runpytest_inprocess("--unit").assert_outcomes(passed=1, deselected=1)


def test_unit_tests_run_nothing_whole(project: pytest.Pytester) -> None:
    for folder in ("cli", "consent/ledger", "consent", "lab/cli"):
        path = project.path / folder
        path.mkdir(parents=True, exist_ok=True)
        name = folder.replace("/", "_")
        (path / f"test_{name}.py").write_text("def test(): pass", encoding="utf-8")
    result = project.runpytest_inprocess("--unit", "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["consent/test_consent.py::test PASSED*"])
    project.runpytest_inprocess().assert_outcomes(passed=4)


def test_the_folders_that_unit_leaves_out_are_there() -> None:
    tests = Path(__file__).parent
    assert [folder for folder in WHOLE if not (tests / folder).exists()] == []

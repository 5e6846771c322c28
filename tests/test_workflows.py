"""The workflow runs what the Makefile has, and nothing stands in a file that no runner reads."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".github" / "workflows"
TRIGGER = True
"""YAML 1.1 reads the key `on` as a truth value."""


def test_every_file_is_a_workflow_whose_jobs_run_what_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    run: set[str] = set()
    for file in FOLDER.iterdir():
        workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert workflow.keys() >= {"name", TRIGGER, "jobs"}, file.name
        for job in workflow["jobs"].values():
            run |= {step["run"] for step in job["steps"] if "run" in step}
    assert ".ci/run" in run
    called = {match[1] for line in run if (match := re.match(r"make ([\w-]+)", line))}
    assert {"dist-test", "docker-test", "packaging-test", "site"} <= called <= targets

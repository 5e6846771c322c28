"""How many descriptors a configuration needs, and what is done where they are not available."""

from __future__ import annotations

import resource
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.app import descriptors
from agi_bridge.app.descriptors import (
    hard_limit,
    raise_soft_limit,
    required_shares,
    shares,
    shortage,
)
from tests.support.call_env import settings

LIMIT = resource.RLIMIT_NOFILE
CONFIGURED = settings()


class Kernel:
    """The limits of a process, as the kernel keeps them."""

    def __init__(self, soft: int, hard: int, most: int = 1 << 20) -> None:
        self.limits = (soft, hard)
        self.most = most

    def getrlimit(self, what: int) -> tuple[int, int]:
        assert what == LIMIT
        return self.limits

    def setrlimit(self, what: int, limits: tuple[int, int]) -> None:
        assert what == LIMIT
        soft, hard = limits
        assert hard == self.limits[1]  # it could never be raised again
        if soft > self.most:
            raise ValueError("current limit exceeds maximum limit")
        self.limits = limits


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel(1024, 4096)
    monkeypatch.setattr(resource, "getrlimit", made.getrlimit)
    monkeypatch.setattr(resource, "setrlimit", made.setrlimit)
    return made


def test_a_call_has_a_socket_to_asterisk_and_one_to_the_hook() -> None:
    few = required_shares(settings(tables={"agi": {"max_calls": 10, "port": 0}}))
    many = required_shares(settings(tables={"agi": {"max_calls": 110, "port": 0}}))
    assert many.total - few.total == 200


def test_the_web_and_engines_need_some_of_their_own() -> None:
    plain = required_shares(settings()).total
    engine = {"kind": "pbx", "command": ["Flite", "{text}"]}
    spoken = required_shares(settings(tables={"speech": {"engines": [engine]}})).total
    assert spoken == plain + descriptors.PER_ENGINE
    assert required_shares(settings()).web == 0


def test_the_default_fits_the_hard_limit_of_old_systems() -> None:
    assert required_shares(settings()).total < 4096


@given(limit=st.integers(1, 5000), calls=st.integers(1, 3000))
def test_shares_fit_the_limit_or_are_the_least_there_can_be(limit: int, calls: int) -> None:
    agi = CONFIGURED.agi.model_copy(update={"max_calls": calls})
    configured = CONFIGURED.model_copy(update={"agi": agi})
    given_ = shares(configured, limit)
    assert 1 <= given_.calls <= calls
    assert given_.waiting >= 1
    assert given_.total <= limit or given_.calls == 1
    assert (shortage(configured, limit) is None) == (given_ == required_shares(configured))


def test_the_soft_limit_is_raised_as_far_as_needed_and_allowed(kernel: Kernel) -> None:
    assert raise_soft_limit(3000) == 3000
    assert kernel.limits == (3000, 4096)
    assert raise_soft_limit(2000) == 3000  # never lowered
    assert raise_soft_limit(10_000) == 4096
    assert kernel.limits == (4096, 4096)


def test_a_limit_without_end_ends_with_the_kernels(kernel: Kernel) -> None:
    kernel.limits = (1024, resource.RLIM_INFINITY)
    kernel.most = 8192
    assert hard_limit() == sys.maxsize
    assert raise_soft_limit(8000) == 8000
    assert raise_soft_limit(9000) == 8000
    kernel.limits = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert raise_soft_limit(9000) == sys.maxsize

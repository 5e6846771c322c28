"""`ProblemResponse`: the error of a refused request, answered as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ProblemResponse(Exception):  # noqa: N818 - named after what happened
    """A request that is refused.

    Attributes:
        status: the status of the response (RFC 9110, 15).
        code: a stable name of the problem (docs/revocation.md).
        field: the header or JSON field at fault; empty: the request as a whole.
        problem: what is wrong; never the value.
        fix: what to send instead.
        headers: headers of the response.
    """

    def __init__(
        self,
        status: int,
        code: str,
        field: str,
        problem: str,
        fix: str,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code} {field}: {problem}")
        self.status = status
        self.code = code
        self.field = field
        self.problem = problem
        self.fix = fix
        self.headers = headers

"""What a request to the web can be refused for. Each becomes a JSON answer, never a traceback.

ProblemResponse                    any of them: status, field, problem, fix
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ProblemResponse(Exception):  # noqa: N818 - named after what happened
    """A request that is not served.

    Attributes:
        status: of the answer (RFC 9110, 15).
        field: the header or JSON field at fault; empty: the request as a whole.
        problem: what is wrong; never the value.
        fix: what to do instead.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        field: str,
        problem: str,
        fix: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {field}: {problem}")
        self.status = status
        self.field = field
        self.problem = problem
        self.fix = fix
        self.headers = headers

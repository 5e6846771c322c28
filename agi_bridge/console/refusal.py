"""`Refusal`: why a request gets no page, as a page."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - an answer, no fault
    """A request that is refused; the console answers with a page that says why.

    Attributes:
        status: the HTTP status.
        title: a few words.
        text: what is wrong and what to do, in a sentence or two, without a number.
    """

    def __init__(self, status: int, title: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.title = title
        self.text = text

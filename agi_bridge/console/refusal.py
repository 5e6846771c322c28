"""`Refusal`: why a request gets no page, as a page."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - an answer, no fault
    """A request that is refused; the console answers with a page that says why.

    Attributes:
        status: the HTTP status.
        title: a few words.
        text: what is wrong and what to do, in a sentence or two, without a number.
        link: where the person goes on, as an address and its words; None: with the pages above.
    """

    def __init__(
        self, status: int, title: str, text: str, link: tuple[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.title = title
        self.text = text
        self.link = link

"""Asks the questions of `agi-bridge init` at a terminal, again where an answer cannot be used."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from agi_bridge.cli.common import UsageError
from agi_bridge.cli.init.questions import QUESTIONS, Question, problem, proposal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from agi_bridge.cli.init.configuration import Answers


def ask(answers: Answers) -> Answers:
    """Ask what is not answered; an answer that cannot be used is asked again with the reason."""
    open_questions = [
        question
        for question in QUESTIONS
        if not getattr(answers, question.name) or problem(question, answers) is not None
    ]
    if not open_questions:
        return answers
    typer.echo(f"{len(open_questions)} questions; Enter takes the answer in brackets.")
    with _restoring_the_terminal():
        for question in open_questions:
            answers = _asked(question, answers)
    return answers


def complete(answers: Answers) -> Answers:
    """Take the proposals for what is not answered, without a question.

    Raises:
        UsageError: an answer that only a person knows is missing, or one cannot be used.
    """
    for question in QUESTIONS:
        if not getattr(answers, question.name):
            answers = answers.answered(question.name, proposal(question, answers))
    if missing := _missing(answers):
        if answers.did:  # the number of the business is proposed from it
            _check(answers, only=("did",))
        raise UsageError(f"{', '.join(missing)}: needed with --yes; there is no default")
    _check(answers)
    return answers


def require(answers: Answers) -> Answers:
    """Return answers that are complete by their flags, where nobody can be asked.

    Raises:
        UsageError: flags are missing, or one cannot be used.
    """
    if missing := _missing(answers):
        raise UsageError(
            f"this is not a terminal: give {', '.join(missing)}, or --yes for what has a default"
        )
    _check(answers)
    return answers


def _asked(question: Question, answers: Answers) -> Answers:
    given = getattr(answers, question.name)
    typer.echo(f"\n{question.reason}")
    while True:
        if given:
            tried = answers.answered(question.name, given)
            wrong = problem(question, tried)
            if wrong is None:
                return tried
            typer.echo(f"  {question.flag}: {wrong}")
        offered = proposal(question, answers.answered(question.name, ""))
        given = str(
            typer.prompt(
                question.text,
                default=offered,
                show_default=bool(offered),
                hide_input=question.hidden,
            )
        ).strip()
        if not given:
            typer.echo(f"  {question.flag}: is needed; there is no default")


def _missing(answers: Answers) -> list[str]:
    return [question.flag for question in QUESTIONS if not getattr(answers, question.name)]


def _check(answers: Answers, only: Collection[str] = ()) -> None:
    wrong = [
        f"{question.flag}: {found}"
        for question in QUESTIONS
        if (not only or question.name in only) and (found := problem(question, answers)) is not None
    ]
    if wrong:
        raise UsageError("\n".join(wrong))


@contextmanager
def _restoring_the_terminal() -> Iterator[None]:
    """Let Ctrl-C raise: killed while a secret is typed, the terminal would stay without echo."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)

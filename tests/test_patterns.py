"""Every regular expression of the package takes time in proportion to its input.

Text comes from hooks, callers, webhooks and files. A pattern that backtracks costs the square of a
blank's repetitions or more, and the event loop stands still for all calls meanwhile.

Each pattern is run, by the methods that the code calls on it, against inputs made from the pattern
itself: a text that it matches, with each part that may be repeated repeated thousands of times, and
runs of the characters it knows. What is compared is processor time against processor time, and only
where it is long enough to be measured.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import itertools
import pkgutil
import re
import re._constants as sre  # type: ignore[import-not-found]  # sre_parse is deprecated
import re._parser as sre_parser  # type: ignore[import-not-found]  # as above
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import agi_bridge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SIZES = (6, 24, 96, 384, 1_536, 6_144, 24_576)
"""Characters, each four times as many: linear takes four times as long, quadratic sixteen times."""
MOST = 9
MEASURABLE = 0.03
"""Seconds of processor time. Linear stays below it at the longest; quadratic reaches it before."""

MANY = 150
"""Inputs of one pattern."""

METHODS = ("search", "match", "fullmatch", "findall", "finditer", "sub", "split")
_MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(agi_bridge.__path__, "agi_bridge.")
    if not module.name.endswith("__main__") and ".migrations." not in module.name
)
# Patterns that hold a variable are tried with this in its place.
_SAMPLE = "tag"


@dataclass(frozen=True, order=True)
class Use:
    """A pattern, and one method by which it is used."""

    module: str
    pattern: str
    is_bytes: bool
    flags: int
    method: str

    def compiled(self) -> re.Pattern[Any]:
        source = self.pattern.encode("latin-1") if self.is_bytes else self.pattern
        return re.compile(source, self.flags)

    def __str__(self) -> str:
        return f"{self.module.removeprefix('agi_bridge.')}:{self.method}:{self.pattern[:40]!r}"


def _source(node: ast.expr, names: dict[str, Any]) -> str | bytes | None:
    """The pattern that an argument stands for; what only a call knows is replaced by a sample."""
    match node:
        case ast.Constant(value=str() | bytes() as value):
            return value
        case ast.JoinedStr(values=values):
            parts = [
                value.value if isinstance(value, ast.Constant) else _formatted(value, names)
                for value in values
            ]
            return "".join(map(str, parts))
        case ast.BinOp(left=left, right=right, op=ast.Add()):
            first, second = _source(left, names), _source(right, names)
            return None if first is None or second is None else first + second  # type: ignore[operator]  # both are of one type
        case ast.Name(id=name) if isinstance(names.get(name), str | bytes):
            return names[name]  # type: ignore[no-any-return]  # just asked
    return None


def _formatted(node: ast.expr, names: dict[str, Any]) -> str:
    assert isinstance(node, ast.FormattedValue)
    known = names.get(node.value.id) if isinstance(node.value, ast.Name) else None
    return known if isinstance(known, str) else _SAMPLE


def _held(value: object, depth: int = 2) -> Iterator[re.Pattern[Any]]:
    """Patterns in a module's variable, also inside containers."""
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, tuple | list | set | frozenset):
        for part in value:
            yield from _held(part, depth - 1)
    elif depth and isinstance(value, dict):
        for part in itertools.chain(value, value.values()):
            yield from _held(part, depth - 1)


def _uses() -> list[Use]:
    trees = {name: ast.parse(_text(name)) for name in _MODULES}
    called = _methods_called(trees.values())
    found: set[Use] = set()
    for module, tree in trees.items():
        names = vars(importlib.import_module(module))
        for variable, value in names.items():
            for pattern in _held(value):
                found |= _used(module, pattern.pattern, pattern.flags, called[variable])
        for call, method in _calls(tree):
            source = _source(call.args[0], names)
            if method == "compile":
                # At a module's level it was found as a variable.
                if source is not None and not _is_module_level(tree, call):
                    found |= _used(module, source, 0, set())
                continue
            assert source is not None, f"{module}: cannot read {ast.unparse(call)}"
            found |= _used(module, source, 0, {method})
    return sorted(found)


def _text(module: str) -> str:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


def _methods_called(trees: Iterable[ast.Module]) -> dict[str, set[str]]:
    """By the name of a variable, the methods of patterns that the package calls on it."""
    called: dict[str, set[str]] = defaultdict(set)
    for node in itertools.chain.from_iterable(map(ast.walk, trees)):
        match node:
            case ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr=method):
                if method in METHODS:
                    called[name].add(method)
    return called


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    """Calls of `re.compile`, `re.search` and their like."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=method), args=[_, *_]):
                if method in (*METHODS, "compile"):
                    yield node, method


def _used(module: str, pattern: str | bytes, flags: int, methods: set[str]) -> set[Use]:
    text = pattern if isinstance(pattern, str) else pattern.decode("latin-1")
    is_bytes = isinstance(pattern, bytes)
    plain = flags & ~re.UNICODE if is_bytes else flags
    return {Use(module, text, is_bytes, plain, method) for method in methods or METHODS}


def _is_module_level(tree: ast.Module, wanted: ast.Call) -> bool:
    return any(
        wanted is node
        for statement in tree.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for node in ast.walk(statement)
    )


# Inputs


def _character(code: int) -> str:
    return {
        sre.CATEGORY_SPACE: " ",
        sre.CATEGORY_DIGIT: "5",
        sre.CATEGORY_WORD: "a",
        sre.CATEGORY_NOT_SPACE: "a",
        sre.CATEGORY_NOT_DIGIT: "a",
        sre.CATEGORY_NOT_WORD: "-",
    }[code]


def _of_set(items: list[Any]) -> str:
    """A character of a set."""
    if items[0][0] is sre.NEGATE:
        for candidate in "a 5-\0~é":
            if not any(_in(candidate, item) for item in items[1:]):
                return candidate
        return "\x7f"
    return _some(items[0])


def _some(item: Any) -> str:
    op, argument = item
    if op is sre.LITERAL:
        return chr(argument)
    return chr(argument[0]) if op is sre.RANGE else _character(argument)


def _in(character: str, item: Any) -> bool:
    op, argument = item
    if op is sre.LITERAL:
        return bool(ord(character) == argument)
    if op is sre.RANGE:
        return bool(argument[0] <= ord(character) <= argument[1])
    return _character(argument) == character


def _texts(items: Any, size: int) -> Iterator[tuple[str, str]]:
    """Texts that the items match, each with its shortest form: one as it is, then pumped ones."""
    parts: list[list[tuple[str, str]]] = [list(_of_item(item, size)) for item in items]
    shortest = "".join(part[0][0] if part else "" for part in parts)
    yield shortest, shortest
    for place, part in enumerate(parts):
        before = "".join(p[0][0] if p else "" for p in parts[:place])
        after = "".join(p[0][0] if p else "" for p in parts[place + 1 :])
        for pumped, _ in part[1:]:
            yield before + pumped + after, shortest


def _of_item(item: Any, size: int) -> Iterator[tuple[str, str]]:
    op, argument = item
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        low, high, inner = argument
        texts = [text for text, _ in _texts(inner, size)]
        yield texts[0] * low, ""
        for text in texts:
            if text and high > 1:
                yield text * max(low, min(int(high), size // len(text))), ""
    elif op in (sre.SUBPATTERN, sre.ATOMIC_GROUP):
        yield from _texts(argument[3] if op is sre.SUBPATTERN else argument, size)
    elif op is sre.BRANCH:
        for branch in argument[1]:
            yield from _texts(branch, size)
    elif op in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
        yield _one(op, argument), ""


def _one(op: Any, argument: Any) -> str:
    if op is sre.LITERAL:
        return chr(argument)
    if op is sre.IN:
        return _of_set(argument)
    return "b" if argument == ord("a") else "a"


def _alphabet(pattern: str) -> list[str]:
    known = dict.fromkeys(c for c in pattern if c not in "\\()[]{}?*+|^$.")
    return [*dict.fromkeys(" 5a" + "".join(known))][:6]


def inputs(use: Use, size: int) -> list[str]:
    """Hostile inputs of about this size, in the same order for every size; not all of too many."""
    made = list(_inputs(use, size))
    return made[:: 1 + len(made) // MANY]


def _inputs(use: Use, size: int) -> Iterator[str]:
    alphabet = _alphabet(use.pattern)
    for one in alphabet:
        yield one * size
    for one, other in itertools.permutations(alphabet, 2):
        yield (one + other) * (size // 2)
    parsed = sre_parser.parse(
        use.pattern.encode("latin-1") if use.is_bytes else use.pattern, use.flags
    )
    for text, _ in _texts(parsed, size):
        for end in ("", "\0", "<", " x"):
            yield text + end
        yield (text + " ") * (size // (len(text) + 1))
        for one in alphabet[:4]:
            yield text + one * size


def _seconds(use: Use, text: str) -> float:
    """Processor time of one run; the best of a few, since the first may pay for something else."""
    pattern = use.compiled()
    subject: Any = text.encode("latin-1", "replace") if use.is_bytes else text
    best = float("inf")
    for _ in range(3):
        begun = time.thread_time()
        if use.method == "sub":
            pattern.sub(lambda _: subject[:0], subject)
        elif use.method == "finditer":
            for _ in pattern.finditer(subject):
                pass
        else:
            getattr(pattern, use.method)(subject)
        best = min(best, time.thread_time() - begun)
        if best < MEASURABLE:
            break
    return best


def slow(use: Use) -> str | None:
    """The beginning of an input for which the time grows faster than the input; None if none.

    All inputs grow together, so that even exponential time is noticed while it is short.
    """
    before = [_seconds(use, text) for text in inputs(use, SIZES[0])]
    for size in SIZES[1:]:
        now = []
        for text, then in zip(inputs(use, size), before, strict=True):
            taken = _seconds(use, text)
            if taken > MEASURABLE and taken > MOST * then:
                return f"{text[:30]!r}... of {len(text)}: {taken:.2f} s"
            now.append(taken)
        before = now
    return None


USES = _uses()


def test_the_patterns_are_found() -> None:
    """In constants, containers and functions; a search that found nothing would prove nothing."""
    patterns = {use.pattern for use in USES}
    assert len(patterns) > 60
    assert any(use.module == "agi_bridge.hook.twiml" for use in USES)


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"\s*<\?xml[^>]*\?>", "sub"),
        (r"\s+$", "search"),
        (r"(a+)+$", "match"),
        (r"\d+\s*\d+x", "match"),
        (r".*,.*;", "match"),
    ],
)
def test_a_pattern_that_backtracks_is_caught(pattern: str, method: str) -> None:
    assert slow(Use("a test", pattern, False, 0, method)) is not None  # noqa: FBT003 - a dataclass


@pytest.mark.parametrize("use", USES, ids=str)
def test_no_pattern_takes_more_than_its_share(use: Use) -> None:
    assert slow(use) is None

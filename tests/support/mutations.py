"""Random changes of an export, most of them an owner's who signs all of it again."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from agi_bridge.consent import canonical, commitment
from tests.support.export_forgery import Event, OwnedExport
from tests.support.forgery import edit_lines, resign

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from agi_bridge.consent.signing import Keys

VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2**60, "", "x", "en", "fr-CA", "1", "*", [], ["*"], {}, "a" * 64,
    "2026-11-26T10:00:00.000Z", "1999-01-01T00:00:00.000Z", "Europe/Paris", "marketing", "all",
    "01a207a2-80d0-7359-b1ce-8f4b4e34e569", "US", "B", "any", "brand", "\u00e9\ud800",
]  # fmt: skip
SECONDS = (-1, 1, -3, 3, -90, 90, -400, 400, -14_500, 14_500, -17_280_000, 17_280_000)
"""By how much times are moved: within and beyond each distance that a rule allows."""
TIMES = ("at", "written", "received", "honoured", "given", "stamped_at", "deadline")
OPENED = ("", "x", "ab", "ab" * 32, "+14155550166", "+14155550123", "4155550123", "14155550123")
ALIKE = (
    "accepted", "refused", "unknown", "not_sent", "declined", "abandoned", "expired", "settled",
)  # fmt: skip


def later(at: str, seconds: float) -> str:
    """A time moved, as events write it."""
    moved = datetime.fromisoformat(at) + timedelta(seconds=seconds)
    return moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def move(body: dict[str, Any], seconds: float, names: tuple[str, ...] = TIMES) -> None:
    """Move an event in time."""
    for name in names:
        if isinstance(body.get(name), str):
            body[name] = later(body[name], seconds)


# What an owner does to events


def field_changed(dice: random.Random, owned: OwnedExport) -> None:
    """A field gets a value of any kind, or goes."""
    body = dice.choice(owned.shown).body
    name = dice.choice([*(each for each in sorted(body) if each not in {"ledger_id", "seq"}), "x"])
    if dice.random() < 0.2:
        body.pop(name, None)
    else:
        body[name] = dice.choice(VALUES)


def field_copied(dice: random.Random, owned: OwnedExport) -> None:
    """A field gets the value that it has in another event."""
    body = dice.choice(owned.shown).body
    name = dice.choice([each for each in sorted(body) if each not in {"ledger_id", "seq"}])
    others = [each.body[name] for each in owned.shown if name in each.body]
    body[name] = dice.choice(others)


def dialogue_changed(dice: random.Random, owned: OwnedExport) -> None:
    """An entry of a dialogue is dropped, doubled, moved or changed in one place."""
    talks = [each.body["dialogue"] for each in owned.shown if each.body.get("dialogue")]
    talk = dice.choice(talks)
    here, there = dice.randrange(len(talk)), dice.randrange(len(talk))
    match dice.randrange(5):
        case 0:
            del talk[here]
        case 1:
            talk.insert(there, list(talk[here]))
        case 2:
            talk[here], talk[there] = talk[there], talk[here]
        case 3:
            place = dice.randrange(len(talk[here]))
            talk[here][place] = dice.choice(VALUES)
        case _:
            other = dice.choice([entry for each in talks for entry in each])
            place = dice.randrange(1, len(talk[here]))
            talk[here][place] = other[min(place, len(other) - 1)]


def event_dropped(dice: random.Random, owned: OwnedExport) -> None:
    """An event is taken out."""
    owned.events.remove(dice.choice(owned.shown))


def event_moved(dice: random.Random, owned: OwnedExport) -> None:
    """An event is put elsewhere, mostly with a time that fits there."""
    event = dice.choice(owned.shown)
    owned.events.remove(event)
    _put(dice, owned, event)


def event_copied(dice: random.Random, owned: OwnedExport) -> None:
    """A second event like one that is there, of the same or another record."""
    given = dice.choice(owned.shown)
    body = json.loads(json.dumps(given.body))
    body["event_id"] = f"0199f3b0-0000-7000-8000-{dice.randrange(2**40):012x}"
    if dice.random() < 0.7:
        body["consent_id"] = dice.choice(owned.shown).body["consent_id"]
    _put(dice, owned, Event(given.chain, [], body, 0))


def _put(dice: random.Random, owned: OwnedExport, event: Event) -> None:
    places = [n for n, each in enumerate(owned.events) if each.chain == event.chain]
    place = dice.choice(places)
    before = [each for each in owned.events[:place] if isinstance(each.body, dict)]
    if before and dice.random() < 0.8 and isinstance(event.body, dict):
        written = before[-1].body["written"]  # type: ignore[index]  # a dict: see `before`
        event.body.update(at=written, written=written)
    owned.events.insert(place, event)


def time_moved(dice: random.Random, owned: OwnedExport) -> None:
    """One time, one event, one record or all that follows is dated otherwise."""
    shown = owned.shown
    chosen, seconds = dice.randrange(len(shown)), dice.choice(SECONDS)
    body = shown[chosen].body
    match dice.randrange(4):
        case 0:
            move(body, seconds, (dice.choice([each for each in TIMES if each in body]),))
        case 1:
            move(body, seconds)
        case 2:
            for each in shown:
                if each.body["consent_id"] == body["consent_id"]:
                    move(each.body, seconds)
        case _:
            for each in shown[chosen:]:
                move(each.body, seconds)


def type_changed(dice: random.Random, owned: OwnedExport) -> None:
    """An outcome or an end becomes another one."""
    alike = [each.body for each in owned.shown if each.body["type"] in ALIKE]
    body = dice.choice(alike)
    body["type"] = dice.choice(ALIKE)
    if body["type"] == "settled":
        body["outcome"] = dice.choice(["accepted", "refused", "unknown", "not_sent"])


def value_bound(dice: random.Random, owned: OwnedExport) -> None:
    """A sealed value is replaced, and the events say so."""
    record = dice.choice([each for each, values in owned.values.items() if "salt" in values])
    values = owned.values[record]
    names = [each for each in sorted(values) if each not in {"salt", "person_salt"}]
    name = dice.choice(names)
    others = [each[name] for each in owned.values.values() if name in each]
    values[name] = dice.choice([*others, *OPENED])
    bound = commitment(bytes.fromhex(values["salt"]), name, values[name])
    for each in owned.shown:
        if each.body["consent_id"] == record and f"{name}_c" in each.body:
            each.body[f"{name}_c"] = bound


def value_moved(dice: random.Random, owned: OwnedExport) -> None:
    """A value is taken out, or a record gets another one's."""
    record, other = dice.choice(sorted(owned.values)), dice.choice(sorted(owned.values))
    name = dice.choice(sorted(owned.values[other]))
    match dice.randrange(3):
        case 0:
            owned.values[record].pop(name, None)
        case 1:
            owned.values[record][name] = owned.values[other][name]
        case _:
            owned.values.pop(record)


def tag_left_out(dice: random.Random, owned: OwnedExport) -> None:
    """A person's tag is not written, or an event is hidden."""
    event = dice.choice(owned.shown)
    if dice.random() < 0.5:
        event.tagged = False
    else:
        event.hidden = True


def tags_changed(dice: random.Random, owned: OwnedExport) -> None:
    """An event's tags are another event's, or one is left out, doubled or invented."""
    event, other = dice.choice(owned.shown), dice.choice(owned.events)
    way = dice.randrange(4)

    def change(tags: list[str]) -> list[str]:
        match way:
            case 0:
                return list(other.tags)
            case 1:
                return tags[1:]
            case 2:
                return [*tags, *tags[:1]]
            case _:
                return sorted([*tags, "0123456789abcdef" * (len(tags[0]) // 16) if tags else "ab"])

    event.change_tags = change


OWNERS: tuple[Callable[[random.Random, OwnedExport], None], ...] = (
    field_changed, field_changed, field_copied, field_copied, dialogue_changed, dialogue_changed,
    event_dropped, event_moved, event_moved, event_copied, event_copied, time_moved, time_moved,
    type_changed, value_bound, value_bound, value_moved, tag_left_out, tags_changed,
)  # fmt: skip


# What anybody does to files


def line_moved(dice: random.Random, export: Path, keys: Keys) -> None:
    """A line of some file is dropped, doubled, moved or cut; the files are signed again."""

    def change(lines: list[str]) -> list[str]:
        here, there = dice.randrange(len(lines)), dice.randrange(len(lines))
        match dice.randrange(4):
            case 0:
                del lines[here]
            case 1:
                lines.insert(there, lines[here])
            case 2:
                lines[here], lines[there] = lines[there], lines[here]
            case _:
                lines[here] = lines[here][: dice.randrange(len(lines[here]))]
        return lines

    edit_lines(export / dice.choice(["chain.jsonl", "checkpoints.jsonl", "opened.jsonl"]), change)
    resign(export, keys)


def opened_changed(dice: random.Random, export: Path, keys: Keys) -> None:
    """A value that opens a commitment is changed, added or removed; the files are signed again."""

    def change(lines: list[str]) -> list[str]:
        here = dice.randrange(len(lines))
        values = json.loads(lines[here])
        name = dice.choice([*sorted(values), "words"])
        if dice.random() < 0.4:
            values.pop(name, None)
        else:
            values[name] = dice.choice(OPENED)
        lines[here] = canonical(values)
        return lines

    edit_lines(export / "opened.jsonl", change)
    resign(export, keys)


def file_changed(dice: random.Random, export: Path, keys: Keys) -> None:
    """An outsider changes a byte, removes a file or adds one; an owner signs it sometimes."""
    files = sorted(
        path for path in export.rglob("*") if path.is_file() and path.name != "signer.pem"
    )
    path = dice.choice(files)
    content = bytearray(path.read_bytes())
    match dice.randrange(3):
        case 0:
            content[dice.randrange(len(content))] ^= 1 << dice.randrange(7)
            path.write_bytes(bytes(content))
        case 1 if path.name not in {"SHA256SUMS", "SHA256SUMS.sig"}:
            path.unlink()
        case _:
            (export / "more.txt").write_text("more")
    if dice.random() < 0.3 and path.suffix in {".txt", ".wav"}:
        resign(export, keys)


def file_added(dice: random.Random, export: Path, keys: Keys) -> None:
    """An owner adds a file that an export might have, and signs it."""
    content = dice.choice(sorted(path for path in export.rglob("*") if path.is_file())).read_bytes()
    if dice.random() < 0.5:
        content += b"more"
    sha256 = hashlib.sha256(content).hexdigest()
    name = dice.choice(
        [
            f"texts/{sha256}.txt", f"texts/{sha256}", f"audio/{sha256}.wav", f"stamps/{sha256}.tsr",
            f"texts/{'ab' * 32}.txt", "records/01a207a2-80d0-7359-b1ce-8f4b4e34e569.html",
            "chain.jsonl.bak", "more/chain.jsonl", "Chain.jsonl", ".DS_Store",
        ]
    )  # fmt: skip
    (export / name).parent.mkdir(exist_ok=True)
    (export / name).write_bytes(content)
    resign(export, keys)


FILES = (line_moved, opened_changed, file_changed, file_added)


def mutate(dice: random.Random, export: Path, keys: list[Keys]) -> list[str]:
    """Change an export at random; returns the names of the changes."""
    if dice.random() < 0.25:
        change = dice.choice(FILES)
        change(dice, export, keys[0])
        return [change.__name__]
    owned = OwnedExport(export, keys)
    chosen = [dice.choice(OWNERS) for _ in range(dice.choice([1, 1, 1, 2, 3]))]
    for each in chosen:
        each(dice, owned)
    owned.write()
    return [each.__name__ for each in chosen]

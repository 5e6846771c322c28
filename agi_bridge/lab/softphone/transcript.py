"""The transcript of a simulated call on the terminal: one line per event."""

from rich.console import Console
from rich.text import Text

from agi_bridge.agi.testing import CallEvent
from agi_bridge.lab.softphone.sounds import Sounds

RESULT = "AGI_BRIDGE_RESULT"
"""The channel variable that a bridge sets last. If it is not set, the bridge failed."""

_STYLES = {
    "hears": "cyan",
    "keys": "bold green",
    "dials": "bold",
    "rings": "bold",
    "stored": "magenta",
    "hook": "magenta",
    "over": "bold",
    "sets": "dim",
    "error": "bold red",
}


def printable(text: str) -> str:
    """Return text from outside with each control character replaced by "?"."""
    return "".join(c if c.isprintable() else "?" for c in text)


class Transcript:
    """Prints a call as it happens. Pass `on_event` to FakeAsterisk.

    Each line starts with the seconds since the call began and a keyword: hears, keys, dials, sets,
    hangup or note. Consecutive keys share one line.
    """

    def __init__(self, console: Console, sounds: Sounds) -> None:
        self._console = console
        self._sounds = sounds
        self._open_keyword: str | None = None

    def on_event(self, event: CallEvent) -> None:
        """Print an event that the caller or the dialplan can observe."""
        text = printable(event.text)
        match event.kind:
            case "playing":
                for name in text.split("&"):
                    if not name.startswith("silence/"):
                        self._hears(event.at, name)
            case "saying":
                self.line(
                    event.at, "hears", f"{' '.join(text)} ({event.milliseconds / 1000:.1f} s)"
                )
            case "key":
                self.append(event.at, "keys", text)
            case "dialling":
                self.line(event.at, "dials", text)
            case "dialled":
                self.line(event.at, "dials", f"DIALSTATUS {text}")
            case "variable":
                self.line(event.at, "sets", text)
            case "hangup":
                self.line(event.at, "hangup", "the channel was hung up")
            case (
                _
            ):  # connected, command, refused, closed: printed by the program that placed the call
                pass

    def ignored_key(self, at: float, key: str) -> None:
        """Print that the bridge did not use a key."""
        self.line(at, "note", f"{key} was ignored")

    def line(self, at: float | None, keyword: str, text: str) -> None:
        """Print one line; `at` in seconds since the call began."""
        self.end_line()
        self._console.print(self._prefix(at, keyword).append(text), soft_wrap=True)

    def append(self, at: float | None, keyword: str, text: str) -> None:
        """Append text to the current line if it has the same keyword, else start a new line."""
        prefix = Text("")
        if self._open_keyword != keyword:
            self.end_line()
            prefix = self._prefix(at, keyword)
        self._open_keyword = keyword
        self._console.print(prefix.append(text), end="", soft_wrap=True)

    def end_line(self) -> None:
        """End the line that `append` left open."""
        if self._open_keyword is not None:
            self._open_keyword = None
            self._console.print()

    def _hears(self, at: float, name: str) -> None:
        sound = self._sounds.find(name)
        if sound is None:  # Playback skips a missing file
            self.line(at, "note", f"{name} is missing")
            return
        where = f"{sound.language}, " if sound.language else ""
        length = (
            f"{sound.milliseconds / 1000:.1f} s"
            if sound.known
            else "length unknown, assumed to be 1 s"
        )
        text = f": {printable(sound.text)}" if sound.text else ""
        self.line(at, "hears", f"{printable(sound.name)} ({where}{length}){text}")

    @staticmethod
    def _prefix(at: float | None, keyword: str) -> Text:
        moment = "        " if at is None else f"{at:7.1f} "
        return Text().append(moment, "dim").append(f"{keyword:<7}", _STYLES.get(keyword, "yellow"))

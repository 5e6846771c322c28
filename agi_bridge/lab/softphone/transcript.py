"""What a simulated call looks like on the terminal: one line for each thing that happens."""

from rich.console import Console
from rich.text import Text

from agi_bridge.agi.testing import CallEvent
from agi_bridge.lab.softphone.sounds import Sounds

RESULT = "AGI_BRIDGE_RESULT"
"""The variable that a bridge sets last; not set: it broke off."""

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
    """Return a text from outside without anything that would act on the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


class Story:
    """Prints a call as it happens; an instance's `tell` is FakeAsterisk's `on_event`.

    Every line begins with the seconds since the call began and a word that says what it is: hears,
    keys, dials, sets, hangup, note. What comes bit by bit, as keys do, shares one line.
    """

    def __init__(self, console: Console, sounds: Sounds) -> None:
        self._console = console
        self._sounds = sounds
        self._unfinished: str | None = None

    def tell(self, event: CallEvent) -> None:
        """Print an event, if it is one that the caller or the dialplan would notice."""
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
                self.bit(event.at, "keys", text)
            case "dialling":
                self.line(event.at, "dials", text)
            case "dialled":
                self.line(event.at, "dials", f"DIALSTATUS {text}")
            case "variable":
                self.line(event.at, "sets", text)
            case "hangup":
                self.line(event.at, "hangup", "the channel is gone")
            case _:  # connected, command, refused, closed: said by whoever placed the call
                pass

    def lost(self, at: float, key: str) -> None:
        """Print that a key was pressed which the bridge does not want now."""
        self.line(at, "note", f"{key} does nothing now")

    def line(self, at: float | None, word: str, text: str) -> None:
        """Print one line; `at` in seconds since the call began."""
        self.end_line()
        self._console.print(self._begin(at, word).append(text), soft_wrap=True)

    def bit(self, at: float | None, word: str, text: str) -> None:
        """Print a bit of a line: a new one, unless the last thing printed was a bit of the same."""
        begin = Text("")
        if self._unfinished != word:
            self.end_line()
            begin = self._begin(at, word)
        self._unfinished = word
        self._console.print(begin.append(text), end="", soft_wrap=True)

    def end_line(self) -> None:
        """End a line of bits, before anything else is printed."""
        if self._unfinished is not None:
            self._unfinished = None
            self._console.print()

    def _hears(self, at: float, name: str) -> None:
        sound = self._sounds.find(name)
        if sound is None:  # Playback passes over what is missing
            self.line(at, "note", f"{name} is missing")
            return
        where = f"{sound.language}, " if sound.language else ""
        length = (
            f"{sound.milliseconds / 1000:.1f} s" if sound.known else "length unknown, taken for 1 s"
        )
        said = f": {printable(sound.text)}" if sound.text else ""
        self.line(at, "hears", f"{printable(sound.name)} ({where}{length}){said}")

    @staticmethod
    def _begin(at: float | None, word: str) -> Text:
        moment = "        " if at is None else f"{at:7.1f} "
        return Text().append(moment, "dim").append(f"{word:<7}", _STYLES.get(word, "yellow"))

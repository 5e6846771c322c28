"""What can be wrong with recordings, prompt folders and scripts: a code and a sentence for each.

The code is for programs and tests and never changes. The sentence is for people. Sentences begin
with the name of the file, prompt or text they are about, so each ends what a name begins. No
sentence holds a spoken text.
"""

from __future__ import annotations

from typing import Final, Self

SENTENCES: Final = {
    # A file
    "not_found": "does not exist",
    "not_file": "is not a file",
    "unreadable": "cannot be read ({reason})",
    "changed": "has just changed: start again",
    # A recording
    "not_wav": "is not a WAV file",
    "not_sound": "is not a sound file",
    "format": "is not 16 bit, one channel, {khz} kHz",
    "rate": "has an unusual sample rate or number of channels",
    "header": "has a header that Asterisk misreads (it contains more than the samples{example})",
    "several_blocks": "has more than one block of samples: export it again as a plain WAV",
    "cut_short": "is cut short: its header states more samples than there are",
    "empty": "is empty, or was not closed by the program that recorded it",
    "silent": "is silent, or hardly anything in it is as loud as speech",
    "short_question": "is shorter than {seconds:g} s: a key pressed during it would not count",
    "too_long": "is longer than {seconds:g} s",
    "not_numbers": "contains samples that are not numbers",
    "not_rewritable": "cannot be rewritten: it is in another format, or damaged",
    "clipped": "is clipped in {count} places: record it again, more quietly",
    "too_loud": "is too loud: {level:.0f} dB instead of {wanted:.0f} dB",
    "too_quiet": "is too quiet: {level:.0f} dB instead of {wanted:.0f} dB",
    "peaks": "has peaks that a telephone line may clip",
    "long_silence": "has {seconds:.1f} s of silence at one end",
    "short_for_text": "is {seconds:.1f} s, too short for its text: is it the right recording?",
    "long_for_text": "is {seconds:.1f} s, too long for its text: is it the right recording?",
    # A folder of prompts
    "no_prompts": "there is no LANGUAGE/NAME.wav",
    "duplicate": "is the same prompt as {other}: remove one of them",
    "no_language_folder": "is not in a language's folder: move it to en/{name}",
    "case": "has capital letters in its name: rename it to {name}, or remove it",
    "manifest": "is not a valid manifest of languages, names, texts and hashes",
    "differs": "does not match {manifest}: {field}",
    "rival": "has {name} beside it, which Asterisk may play instead: remove it",
    "wide": "has {name} beside it, which {problem}: remove it",
    "wide_differs": "has {name} beside it, which is another recording: remove it",
    "no_text": "has no text: write what is spoken into {name} beside it",
    "text": "has a text that {problem} ({name})",
    "text_unreadable": "has a text that cannot be read: {reason} ({name})",
    # A script
    "no_scripts": "contains no LANGUAGE.toml",
    "no_script": "has no script: write {language}.toml",
    "no_script_text": "has no text {name!r}",
    "script": "{problem}",
    "script_version": "has no version: a whole number, raised with every change",
    "script_incomplete": "lacks {table}: {names}",
    "script_table": "must be a table of texts",
    "placeholder": "contains {{{name}}}, which is unknown",
    "digits_place": "may contain {{digits}} only at its end",
    "brace": "contains a brace that belongs to no placeholder",
    "empty_text": "is empty",
    "no_value": "needs the line's {name}, which is empty",
    # A prompt of a line
    "missing": "is missing",
    "missing_text": "is missing: {problem}",
    "no_words": "cannot use the script's text: {problem}",
    "no_brand": "is the package's own, which names no brand",
    "shipped_words": "is the package's own, which has other words than the script",
    "own_words": "has other words than the script",
    "stale": "is out of date: the script's text has changed",
    "long_disclosure": "takes {seconds:.1f} s: above {limit:g} s callers hang up",
    "wide_disclosure": "must not have {name} beside it: remove that file",
}
"""Each code with its sentence."""


class Problem(str):
    """A sentence for people that also has a stable code, and may have the name that begins it.

    Attributes:
        code: a key of `SENTENCES`.
    """

    __slots__ = ("code",)

    code: str

    def __new__(cls, code: str, /, **fields: object) -> Self:
        """Make the sentence of a code; `fields` fill its placeholders."""
        return cls._made(code, SENTENCES[code].format(**fields))

    @classmethod
    def _made(cls, code: str, text: str) -> Self:
        made = str.__new__(cls, text)
        made.code = code
        return made

    def of(self, name: object) -> Self:
        """Return the same problem, beginning with the name of what has it."""
        return self._made(self.code, f"{name} {self}")

    def within(self, place: object) -> Self:
        """Return the same problem, with the folder or file before it: `PLACE: NAME problem`."""
        return self._made(self.code, f"{place}: {self}")

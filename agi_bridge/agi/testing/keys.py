"""When a scripted caller presses which key."""

HANG_UP = "!"
"""In a script: the caller hangs up here."""

_ALLOWED = frozenset("0123456789*#ABCD" + HANG_UP)


class KeyScript:
    """Keys in groups, one for each chance to key: ``4155550123,1``.

    A chance begins with the first command that plays something after the caller was last waited
    for, or after a group was used up. Its group's first key is pressed at the first command that
    takes it, so a prompt that does not list it plays out; the others follow as they are waited
    for. An empty group is a caller who stays silent for that chance; keys that nobody asked for
    until the next chance are lost. After the last group the caller stays silent.

    Raises:
        ValueError: a character that is neither a key, nor ``,``, nor ``!``.
    """

    def __init__(self, keys: str) -> None:
        if set(keys) - _ALLOWED - {","}:
            raise ValueError("keys are 0-9 * # A-D, with ',' between chances and '!' to hang up")
        self._groups = keys.split(",")
        self._next = 0
        self._left = ""
        self._over = True  # the chance is over: the next play begins another one
        self._waited = False

    def playing(self) -> None:
        """Note that something is about to be played."""
        if self._over or self._waited:
            self._left = self._groups[self._next] if self._next < len(self._groups) else ""
            self._next += 1
            self._over = self._waited = False

    def waiting(self) -> None:
        """Note that the caller is waited for; before anything was played this is a chance too."""
        if self._over and self._next == 0:
            self.playing()
        self._waited = True

    def take(self, accepted: str) -> str:
        """Take the next key if it is among the accepted ones; ``!`` always is; empty: none."""
        if not self._left or (self._left[0] not in accepted and self._left[0] != HANG_UP):
            return ""
        key, self._left = self._left[0], self._left[1:]
        self._over = not self._left
        return key

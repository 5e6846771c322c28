"""Every error of the AGI library, in one tree.

    AGIError                 (AGIError)           anything that goes wrong between us and Asterisk
    ├── AGIHangup            (AGIHangup)          the caller hung up, or Asterisk closed
    ├── AGIAppError          (AGIAppError)        Asterisk could not do it: missing file...
    ├── AGIUsageError        (AGIUsageError)      520: wrong syntax of a command
    │   └── AGIArgumentError (ValueError)         rejected before it was written
    ├── AGIInvalidCommand    (AGIInvalidCommand)  510: unknown command
    ├── AGIProtocolError     (AGIUnknownError)    the peer does not speak AGI, or sends too much
    └── AGITimeout           (TimeoutError)       Asterisk did not answer in time

In parentheses the other parent: the class of the same meaning in pyst2's ``asterisk.agi``, so
that code written for pyst2 catches it. There, a hangup is also an ``AGIAppError``; within our own
tree it is not, because a missing sound and a hangup need different handling.

No message contains anything that a caller keyed or sent.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # pyst2 carries no types; these stand for its classes.
    class _PystError(Exception): ...

    class _PystUnknownError(_PystError): ...

    class _PystAppError(_PystError): ...

    class _PystHangup(_PystAppError): ...  # noqa: N818 - pyst2's name

    class _PystUsageError(_PystError): ...

    class _PystInvalidCommand(_PystError): ...  # noqa: N818 - pyst2's name

else:
    from asterisk.agi import AGIAppError as _PystAppError
    from asterisk.agi import AGIError as _PystError
    from asterisk.agi import AGIHangup as _PystHangup
    from asterisk.agi import AGIInvalidCommand as _PystInvalidCommand
    from asterisk.agi import AGIUnknownError as _PystUnknownError
    from asterisk.agi import AGIUsageError as _PystUsageError


class AGIError(_PystError):
    """Anything that goes wrong between us and Asterisk.

    `code` is a stable word, for logs and tests. Where a class lists none, it is the class's own:
    hangup, usage, invalid_command, timeout.
    """

    code: str = "error"


class AGIHangup(AGIError, _PystHangup):  # noqa: N818 - the name that pyst2's users know
    """The channel is dead: the caller hung up, or Asterisk closed the connection.

    Raised by a command that needs a live channel (a HANGUP line, reply 511, end of file), and by
    `Channel.until_hangup` in place of the cancellation that it caused.
    """

    code = "hangup"


class AGIAppError(AGIError, _PystAppError):
    """The channel is alive, but Asterisk could not run the command (result -1, EXEC's -2).

    `code` is stable, for logs and tests: answer_failed, application_missing, database_failed,
    digit_failed, gosub_failed, hangup_failed, prompt_missing, recording_failed, say_failed,
    sound_missing, speech_failed, text_failed.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class AGIUsageError(AGIError, _PystUsageError):
    """Asterisk answered with the command's usage (520)."""

    code = "usage"


class AGIArgumentError(AGIUsageError, ValueError):
    """A command that must not be written: it has a line break, is too long, or is invalid.

    `code` is stable, for logs and tests: application_not_allowed, command_name, empty_text,
    expression, label_name, line_break, line_too_long, not_unicode, number_of_digits, number_range,
    raw_argument, time_range, too_many_words, variable_name.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class AGIInvalidCommand(AGIError, _PystInvalidCommand):  # noqa: N818 - pyst2's name
    """Asterisk does not know the command (510)."""

    code = "invalid_command"


class AGIProtocolError(AGIError, _PystUnknownError):
    """The peer sent something that is not AGI, or more than the limits allow.

    `code` is stable, for logs and tests: environment_too_large, duplicate_environment_name,
    reply_too_large, unexpected_result, unexpected_reply_code, unsolicited_replies,
    connection_reset, no_environment.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class AGITimeout(AGIError, TimeoutError):  # noqa: N818 - named like the others
    """Asterisk did not answer a command within its deadline; the connection has been closed."""

    code = "timeout"

"""The errors of the lab: the private Asterisk, the SIP phone, the softphone, the demonstration.

LabError
├── AsteriskError                 the private Asterisk did not start or does not answer
│   └── AsteriskUnavailableError  this machine has no Asterisk and cannot fetch one
├── PhoneError                    the SIP phone
│   ├── RegistrationError         the registrar refused the account
│   ├── CallFailedError           the call was refused; `status` is the SIP status
│   └── CallEndedError            the call is over; the requested action is no longer possible
├── PackageUnavailableError       a package of npm cannot be fetched
├── DemoError                     a step of the demonstration did not happen
└── SoftphoneUsageError           the softphone was given arguments it cannot use
"""


class LabError(Exception):
    """Base class of all errors of this package. Its text is one line.

    Attributes:
        code: a stable name of the error, for tests.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class AsteriskError(LabError):
    """The private Asterisk did not start, or does not answer."""


class AsteriskUnavailableError(AsteriskError):
    """This machine has no Asterisk and cannot fetch one."""


class PhoneError(LabError):
    """Base class of the SIP phone's errors."""


class RegistrationError(PhoneError):
    """The registrar refused the account.

    Attributes:
        status: the SIP status of the refusal (RFC 3261 section 21); None if there was no reply.
    """

    def __init__(self, status: int | None) -> None:
        super().__init__("registration_refused", f"registration refused: {_status_text(status)}")
        self.status = status


class CallFailedError(PhoneError):
    """An outgoing call was not answered.

    Attributes:
        status: the SIP status of the refusal (486 busy, 503 congestion, 404 unknown number,
            487 cancelled by the caller); None if there was no reply.
    """

    def __init__(self, status: int | None) -> None:
        super().__init__("call_not_answered", f"call not answered: {_status_text(status)}")
        self.status = status


class CallEndedError(PhoneError):
    """The call is over: it carries no more sound and no more keys."""


class PackageUnavailableError(LabError):
    """A package of npm cannot be fetched, or what was fetched is another one."""


class DemoError(LabError):
    """A step of the demonstration did not happen; the text names the step."""


class SoftphoneUsageError(LabError):
    """The softphone was given an argument it cannot use; the text says what it accepts.

    Attributes:
        option: the argument at fault: "bridge", "dial", "keys" or "fast". It is the code, too.
    """

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(option, problem)
        self.option = option


def _status_text(status: int | None) -> str:
    return "no reply" if status is None else f"SIP {status}"

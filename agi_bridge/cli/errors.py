"""What can go wrong in the tools.

ToolError
├── AsteriskError                 the private PBX did not start or does not answer
│   └── AsteriskUnavailableError  no Asterisk on this machine, and none can be fetched
├── PhoneError                    the SIP telephone
│   ├── RegistrationError         the PBX did not take the account
│   ├── CallFailedError           the call was refused; `status` says how
│   └── CallEndedError            something was asked of a call that is over
├── DemoError                     the demonstration did not go as its story says
└── UsageError                    a command line asks for something that cannot be
"""


class ToolError(Exception):
    """Base of all errors of this package."""


class AsteriskError(ToolError):
    """The private PBX did not start, or does not answer."""


class AsteriskUnavailableError(AsteriskError):
    """There is no Asterisk on this machine and none can be fetched; the text is one line."""


class PhoneError(ToolError):
    """Base of what the SIP telephone raises."""


class RegistrationError(PhoneError):
    """The PBX did not take the account.

    Attributes:
        status: the SIP status of its answer (RFC 3261 section 21), None when it gave none.
    """

    def __init__(self, status: int | None) -> None:
        super().__init__(f"the registration was refused: {_said(status)}")
        self.status = status


class CallFailedError(PhoneError):
    """A call that was placed did not come about.

    Attributes:
        status: the SIP status of the refusal (486 busy, 503 congestion, 404 unknown number,
            487 given up by the caller), None when the other side gave no answer at all.
    """

    def __init__(self, status: int | None) -> None:
        super().__init__(f"the call was not answered: {_said(status)}")
        self.status = status


class CallEndedError(PhoneError):
    """The call is over; nothing can be said, keyed or heard in it any more."""


class DemoError(ToolError):
    """The demonstration did not go as its story says; the text is one line."""


class UsageError(ToolError):
    """A command line asks for something that cannot be; the text says what would do."""


def _said(status: int | None) -> str:
    return "no reply" if status is None else f"SIP {status}"

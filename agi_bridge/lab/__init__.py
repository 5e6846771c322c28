"""A private Asterisk, a SIP telephone, the demonstration and the softphone."""

from agi_bridge.lab.errors import (
    AsteriskError,
    AsteriskUnavailableError,
    CallEndedError,
    CallFailedError,
    DemoError,
    LabError,
    PackageUnavailableError,
    PhoneError,
    RegistrationError,
    SoftphoneUsageError,
)

__all__ = [
    "AsteriskError",
    "AsteriskUnavailableError",
    "CallEndedError",
    "CallFailedError",
    "DemoError",
    "LabError",
    "PackageUnavailableError",
    "PhoneError",
    "RegistrationError",
    "SoftphoneUsageError",
]

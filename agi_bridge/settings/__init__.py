"""The configuration: one TOML file and the environment above it, typed, checked, frozen.

`Settings.load(path)` gives it or raises `SettingsError`, whose text is one line per fault: the
key's full name, what is wrong, the fix. Times are in seconds, phone numbers in E.164. Secrets are
named in the file but kept elsewhere; `Line.secret()` and `AgiSettings.secret()` hand them out.
"""

from .ami import AMI_SECRET, AmiSettings
from .console import ConsoleSettings, ConsoleUser, Role
from .customers import CustomerFile, read_customers
from .engines import CommandSettings, EngineSettings, HttpSettings, PbxSettings
from .errors import Fault, SettingsError, UnknownLineError, fault_code
from .ledger import CheckpointSettings, KeyTexts, LedgerSettings
from .line import (
    Default,
    DialDefault,
    DialplanDefault,
    HangupDefault,
    Line,
    RevocationReach,
    SayDefault,
)
from .line_sections import (
    ConsentSettings,
    Day,
    HoursSettings,
    LimitSettings,
    Week,
    WorkflowSettings,
)
from .provenance import DEFAULT, ValueInForce, values_in_force
from .push import PushSettings
from .restart import keep_fixed, read_at_start, same_values
from .secret import Secret, SigningSecret
from .sections import AgiSettings, HookSettings, LogSettings, QuerySettings, WebSettings
from .settings import Settings, find_state_dir
from .speech import SpeechSettings
from .status import AlertSettings, HistorySettings, StatusSettings
from .types import is_line_name

__all__ = [
    "AMI_SECRET",
    "DEFAULT",
    "AgiSettings",
    "AlertSettings",
    "AmiSettings",
    "CheckpointSettings",
    "CommandSettings",
    "ConsentSettings",
    "ConsoleSettings",
    "ConsoleUser",
    "CustomerFile",
    "Day",
    "Default",
    "DialDefault",
    "DialplanDefault",
    "EngineSettings",
    "Fault",
    "HangupDefault",
    "HistorySettings",
    "HookSettings",
    "HoursSettings",
    "HttpSettings",
    "KeyTexts",
    "LedgerSettings",
    "LimitSettings",
    "Line",
    "LogSettings",
    "PbxSettings",
    "PushSettings",
    "QuerySettings",
    "RevocationReach",
    "Role",
    "SayDefault",
    "Secret",
    "Settings",
    "SettingsError",
    "SigningSecret",
    "SpeechSettings",
    "StatusSettings",
    "UnknownLineError",
    "ValueInForce",
    "WebSettings",
    "Week",
    "WorkflowSettings",
    "fault_code",
    "find_state_dir",
    "is_line_name",
    "keep_fixed",
    "read_at_start",
    "read_customers",
    "same_values",
    "values_in_force",
]

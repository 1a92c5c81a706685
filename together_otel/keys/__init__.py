"""What a key looks like, why it failed, and how not to tell it. Pure: standard library only."""

from together_otel.auth.history import KeyHistory
from together_otel.keys.diagnosis import Diagnosis, Refusal, diagnose, faults, flaws
from together_otel.keys.exceptions import RedactedException, public_name, redact_exception
from together_otel.keys.formats import can_be_sent
from together_otel.keys.inspection import KeyReport, inspect_key
from together_otel.keys.known import MARK, KnownKeys, known_keys
from together_otel.keys.redaction import escape_controls, redact
from together_otel.keys.secret import Secret, identity_of, text_of

__all__ = [
    "MARK",
    "Diagnosis",
    "KeyHistory",
    "KeyReport",
    "KnownKeys",
    "RedactedException",
    "Refusal",
    "Secret",
    "can_be_sent",
    "diagnose",
    "escape_controls",
    "faults",
    "flaws",
    "identity_of",
    "inspect_key",
    "known_keys",
    "public_name",
    "redact",
    "redact_exception",
    "text_of",
]

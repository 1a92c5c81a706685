"""What a key looks like, why it failed, and how not to tell it. Pure: standard library only."""

from together_otel.auth.history import KeyHistory
from together_otel.keys.diagnosis import Diagnosis, Refusal, diagnose, faults, flaws
from together_otel.keys.formats import can_be_sent
from together_otel.keys.inspection import KeyReport, identity_of, inspect_key, text_of
from together_otel.keys.redaction import (
    MARK,
    RedactedException,
    public_name,
    redact,
    redact_exception,
)

__all__ = [
    "MARK",
    "Diagnosis",
    "KeyHistory",
    "KeyReport",
    "RedactedException",
    "Refusal",
    "can_be_sent",
    "diagnose",
    "faults",
    "flaws",
    "identity_of",
    "inspect_key",
    "public_name",
    "redact",
    "redact_exception",
    "text_of",
]

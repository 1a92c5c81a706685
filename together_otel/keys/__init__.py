"""Inspects, diagnoses and redacts keys, with the standard library alone."""

from typing import TYPE_CHECKING

from together_otel.plain.lazy import lazily

if TYPE_CHECKING:
    from together_otel.keys.diagnosis import Diagnosis, Refusal, diagnose, sent_elsewhere
    from together_otel.keys.exceptions import RedactedException, public_name, redact_exception
    from together_otel.keys.formats import can_be_sent
    from together_otel.keys.hosts import is_sign_in, is_together_host
    from together_otel.keys.inspection import KeyReport, inspect_key
    from together_otel.keys.known import MARK, KnownKeys, Secrets, known_keys
    from together_otel.keys.reader import TOGETHER, Reader
    from together_otel.keys.redaction import escape_controls, redact
    from together_otel.keys.secret import Secret, identity_of, text_of
else:
    __getattr__ = lazily(
        __name__,
        {
            "diagnosis": ["Diagnosis", "Refusal", "diagnose", "sent_elsewhere"],
            "exceptions": ["RedactedException", "public_name", "redact_exception"],
            "formats": ["can_be_sent"],
            "hosts": ["is_sign_in", "is_together_host"],
            "inspection": ["KeyReport", "inspect_key"],
            "known": ["MARK", "KnownKeys", "Secrets", "known_keys"],
            "reader": ["TOGETHER", "Reader"],
            "redaction": ["escape_controls", "redact"],
            "secret": ["Secret", "identity_of", "text_of"],
        },
    )

__all__ = [
    "MARK",
    "TOGETHER",
    "Diagnosis",
    "KeyReport",
    "KnownKeys",
    "Reader",
    "RedactedException",
    "Refusal",
    "Secret",
    "Secrets",
    "can_be_sent",
    "diagnose",
    "escape_controls",
    "identity_of",
    "inspect_key",
    "is_sign_in",
    "is_together_host",
    "known_keys",
    "public_name",
    "redact",
    "redact_exception",
    "sent_elsewhere",
    "text_of",
]

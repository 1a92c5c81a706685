"""Keys that fail, as a request's Authorization header has them."""

from dataclasses import dataclass

from calling import made_up_key

OTHER = made_up_key("Z")
"""A well-formed key that the server does not know."""


@dataclass(frozen=True)
class Fault:
    """One way to get the key wrong; ``value`` may hold ``{key}``, the good one."""

    title: str
    cause: str
    value: str | None

    def header(self, key):
        """Return the header of a request."""
        return None if self.value is None else self.value.replace("{key}", key)

    def __str__(self):
        return self.title


FAULTS = [
    Fault("no header", "missing", None),
    Fault("no key", "empty", "Bearer "),
    Fault("white space", "empty", "Bearer   "),
    Fault("newline at the end", "malformed", "Bearer {key}\n"),
    Fault("newline inside", "malformed", "Bearer " + OTHER[:20] + "\n" + OTHER[20:]),
    Fault("trailing space", "malformed", "Bearer {key} "),
    Fault("accented letter", "malformed", "Bearer " + OTHER[:30] + "é" + OTHER[31:]),
    Fault("zero-width space", "malformed", "Bearer \u200b{key}"),
    Fault("quotes", "malformed", 'Bearer "{key}"'),
    Fault("Bearer twice", "malformed", "Bearer Bearer {key}"),
    Fault("an older key cut short", "malformed", "Bearer " + "a1" * 31 + "b"),
    Fault("OpenAI's", "wrong_provider", "Bearer " + "sk-" + "proj-" + "a1B2" * 10),
    Fault("Hugging Face's", "wrong_provider", "Bearer " + "hf" + "_" + "a1B2" * 8),
    Fault("a typo", "rejected", f"Bearer {OTHER}"),
    Fault("no scheme", "malformed", OTHER),
    Fault("another scheme", "malformed", f"Token {OTHER}"),
    Fault("another case of letters", "rejected", f"bearer {OTHER}"),
    Fault("an unknown shape", "unknown", "Bearer opaque.token/" + "01234567" * 2),
]

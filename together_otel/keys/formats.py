"""What keys look like: Together's, other providers', and what is no key at all.

Shapes are facts about made keys, not a promise of Together's: an unknown shape (an OAuth
token, a JWT) may be right.
"""

import json
import re
from typing import Final
from unicodedata import normalize

from together_otel.names import KEY_VARIABLE, Format

PUBLIC_PREFIX: Final = "tgp_v1_"
"""The part of a key that says nothing: all that may ever be shown."""

V1_LENGTH: Final = len(PUBLIC_PREFIX) + 43
LEGACY_LENGTH: Final = 64

OPAQUE: Final = (
    r"(?=[\w+=.%~-]*\d)(?=[\w+=.%~-]*[^\W\d_])[\w+=.%~-]{20,}"
    r"|(?<![A-Za-z])(?=[a-z]*[A-Z])(?=[A-Z]*[a-z])"
    r"(?!(?:[A-Z][a-z]+)+(?![A-Za-z]))[A-Za-z]{20,}"
)
"""A stretch as keys are, of whatever shape; not the name of an option, a variable or an alert.

It has digits and letters, or letters of both cases that are not words like TogetherAuthFailing.
"""

_V1: Final = r"tgp_v1_[A-Za-z0-9_-]{43}"
_LEGACY: Final = r"[0-9a-f]{64}"
_SENDABLE: Final = r"[!-~](?:[ -~]*[!-~])?"

# The longer prefix first: sk-ant- is not OpenAI's sk-.
_PROVIDERS: Final = (
    ("sk-ant-", "Anthropic"),
    ("sk-or-", "OpenRouter"),
    ("sk-proj-", "OpenAI"),
    ("sk-", "OpenAI"),
    ("gsk_", "Groq"),
    ("hf_", "Hugging Face"),
    ("AIza", "Google"),
    ("r8_", "Replicate"),
    ("xai-", "xAI"),
    ("pplx-", "Perplexity"),
    ("nvapi-", "NVIDIA"),
    ("fw_", "Fireworks"),
    ("csk-", "Cerebras"),
    ("AKIA", "AWS"),
    ("github_pat_", "GitHub"),
    ("ghp_", "GitHub"),
    ("lsv2_", "LangSmith"),
    ("pk-lf-", "Langfuse"),
)
PROVIDER_PREFIXES: Final = tuple(prefix for prefix, _ in _PROVIDERS)
_SHORTEST_FOREIGN_KEY: Final = 12

_PLACEHOLDERS: Final = r"""(?xi)
      (?:\w+\()?['"]?\*{3,}['"]?\)?  # what is printed of a secret
    | [<\[{](?!tgp_v1_[A-Za-z0-9_-]{43}|[0-9a-f]{64})[^<>\[\]{}]*[>\]}]  # <your key>, [key]
    | [-_.*?…]+ | [-_.*…x0]{3,} | [0-9]{1,20} | 0+
    | (?:tgp_v1_|sk-)(?:[-_.*…x0]{3,}|…|<.*>|your.*)
    """
_WORD: Final = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+"
_PLACEHOLDER_WORDS: Final = frozenset(
    """
    a abc access account actual add ai an and any api apikey apikeyhere asdf auth
    bad bar baz bearer change changeme correct credential credentials default demo dev dummy
    empty enter example fake false file fill fixme foo foobar for from generate get goes here
    hidden ignored in insert insertkeyhere invalid is it key keyhere keys lm local me missing
    mock my myapikey mykey n na needed new nil no nokey none not null of ollama our own page
    password paste personal placeholder please prod private provide put qwerty real redacted
    removed replace replaceme required sample secret secrets set some string studio tbd temp
    test testing testkey text the this to todo together togetherai togetherapikey token true undefined
    unset unused use valid value with wrong you your yourapikey yourkey yourkeyhere
    """.split()  # noqa: SIM905 - one word a line would fill two pages
)
_LONGEST_PHRASE: Final = 55
"""Characters; from there on come the old keys' digits, whose letters may make words."""

_REFERENCE: Final = r"""(?x)
      \$\{[^{}]*\} | \$\(.*\) | \$(?:env:)?[A-Za-z_][A-Za-z0-9_]* | \$?\{\{.*\}\}
    | %[A-Za-z_][A-Za-z0-9_]*% | <%.*%>
    | (?:os\.environ|process\.env|import\.meta\.env|os\.getenv|env|secrets?)
      (?:\.get)?(?:\.[A-Za-z_][A-Za-z0-9_]*|[\[(].*[\])])
    """
"""Of a shell, a template, a manifest or a program."""

_PLACE: Final = r"""(?xi)
      [a-z][a-z0-9+.-]*://.+  # a file's, a store's, Together's own
    | (?:file|vault|bao|ssm|sm|sops|kms|op|pass|doppler|secret|secretref|aws|gcp|azure|k8s|env):\S+
    | (?:kv|secrets?)/\S+ | (?:[\w-]+\.)*together\.(?:ai|xyz)(?:/.*)? | arn:aws[a-z-]*:.+
    | projects/[^/]+/secrets/.+ | @Microsoft\.KeyVault\(.*\) | ENC[\[(].*[\])]
    | \$ANSIBLE_VAULT;.* | !(?:secret|vault)\s.*
    | (?:[a-z]:[\\/]|\\\\|~[\\/]|\.{1,2}[\\/]).+
    | @?/(?:run|etc|var|home|root|mnt|opt|srv|tmp|usr|secrets?|vault|app|data|users|dev|proc|private)/.+
    | /[\w./@+-]*(?:key|secret|token|together)[\w./@+-]*
    | [\w./@+-]*[\w@+-]\.(?:txt|key|json|env|pem|ya?ml|toml|ini|cfg|conf)
    """
"""A path, or a reference to what a store of secrets holds."""
_LONGEST_PLACE: Final = 1024

_HELD: Final = r"tgp_v1_[A-Za-z0-9_-]{43}|(?<![0-9A-Za-z])[0-9a-f]{64}(?![0-9A-Za-z])"
_OBJECT: Final = r"""\{\s*\\*['"]?[\w.-]+\\*['"]?\s*:"""
"""How the JSON of an object begins, or what Python writes of a dictionary."""

LOOKALIKES: Final = (
    "TOGETHERAI_API_KEY",
    "TOGETHER_AI_API_KEY",
    "TOGETHER_AI_TOKEN",
    "TOGETHER_AI_KEY",
    "TOGETHER_TOKEN",
    "TOGETHER_KEY",
    "TOGETHER_SECRET",
    "TOGETHERAI_KEY",
    "NEXT_PUBLIC_TOGETHER_AI_API_KEY",
    "OPENAI_API_KEY",
)
"""Variables that other programs read for a key of Together's, most telling first."""

_OF_TOGETHER: Final = "TOGETHER.*(?:KEY|TOKEN|SECRET)|^TOGETHER_?(?:AI_?)?API$"
_TYPO_DISTANCE: Final = 2


def may_hold_a_key(text: str) -> bool:
    """Return whether a text has a stretch that may be a key or a password, of whatever shape."""
    return "@" in text or "%40" in text or re.search(OPAQUE, text) is not None


def shape_of(text: str) -> Format | None:
    """Return ``tgp_v1`` or ``legacy_hex`` when ``text`` is exactly of that shape."""
    if re.fullmatch(_V1, text):
        return "tgp_v1"
    # Forty zeros are what the SDK's own command line sends when logged out; sixty-four of
    # one digit are nobody's key either.
    if re.fullmatch(_LEGACY, text) and len(set(text)) > 1:
        return "legacy_hex"
    return None


def provider_of(text: str) -> str | None:
    """Return the name of the other provider whose public prefix ``text`` has."""
    if len(text) < _SHORTEST_FOREIGN_KEY:
        return None
    return next((name for prefix, name in _PROVIDERS if text.startswith(prefix)), None)


def is_reference(text: str) -> bool:
    """Return whether ``text`` is a reference that something forgot to expand."""
    return re.fullmatch(_REFERENCE, text) is not None


def is_place(text: str) -> bool:
    """Return whether ``text`` is where a key may be found: a path, a URL, a store's reference."""
    if len(text) > _LONGEST_PLACE or holds_key(text):
        return False
    return re.fullmatch(_PLACE, text) is not None


def is_document(text: str) -> bool:
    """Return whether ``text`` is a JSON object or list, as stores of secrets give them, or begins one."""
    if text == "{":
        return True
    if not text.startswith(("{", "[")):
        return False
    try:
        return bool(json.loads(text))
    except (ValueError, RecursionError):
        return re.match(_OBJECT, text) is not None


def holds_key(text: str) -> bool:
    """Return whether a key of Together's shape stands somewhere in ``text``."""
    return re.search(_HELD, text) is not None


def is_placeholder(text: str) -> bool:
    """Return whether ``text`` stands where a key should be put."""
    if re.fullmatch(_PLACEHOLDERS, text):
        return True
    if len(text) > _LONGEST_PHRASE:
        return False
    words = re.findall(_WORD, text)
    return bool(words) and all(
        word.lower() in _PLACEHOLDER_WORDS or set(word) <= {"x", "X"} for word in words
    )


def can_be_sent(key: str) -> bool:
    """Return whether ``Bearer <key>`` can be an HTTP header's value, by h11's rules.

    Printable ASCII, not empty, no white space at its ends (RFC 9110, section 5.5).
    """
    return re.fullmatch(_SENDABLE, key) is not None


def is_lookalike(variable: str) -> bool:
    """Return whether a variable's name may be meant for Together's key.

    Known ones, those that say whose key they hold, and those within an edit distance of 2 of
    TOGETHER_API_KEY in any case, without what nobody sees in them: a byte-order mark, a space.
    """
    if variable == KEY_VARIABLE:
        return False
    name = re.sub(r"[^!-~]", "", normalize("NFKC", variable).upper())
    return (
        name in LOOKALIKES
        or re.search(_OF_TOGETHER, name) is not None
        or _within(name, KEY_VARIABLE, _TYPO_DISTANCE)
    )


def shown_name(variable: str) -> str:
    """Return a variable's name with escapes for what is not seen, or looks like another letter."""
    return ascii(variable)[1:-1].replace(" ", "\\x20")


def _within(one: str, other: str, limit: int) -> bool:
    """Return whether two words' Levenshtein distance is at most ``limit``."""
    if one == other:
        return True
    if one[:1] == other[:1]:
        return _within(one[1:], other[1:], limit)
    changed = (one[1:], other), (one, other[1:]), (one[1:], other[1:])
    return limit > 0 and any(_within(*words, limit - 1) for words in changed)

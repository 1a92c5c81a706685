"""Recognizes keys of Together and other providers, placeholders and references.

The shapes are observed, not promised by Together: an unknown shape (an OAuth token, a JWT) may be
valid.
"""

import json
import re
from typing import Final
from unicodedata import normalize

from together_otel.names import KEY_VARIABLE, Format

PUBLIC_PREFIX: Final = "tgp_v1_"
"""The public part of a key, the only one that may be shown."""

V1_LENGTH: Final = len(PUBLIC_PREFIX) + 43
LEGACY_LENGTH: Final = 64

OPAQUE: Final = (
    r"(?<![\w+=.%~-])(?=[\w+=.%~-]*\d)(?=[\w+=.%~-]*[^\W\d_])[\w+=.%~-]{20,}"
    r"|(?<![A-Za-z])(?=[a-z]*[A-Z])(?=[A-Z]*[a-z])"
    r"(?!(?:[A-Z][a-z]+)+(?![A-Za-z]))[A-Za-z]{20,}"
)
"""Text that may be a key of any shape, not the name of an option, a variable or an alert.

It has digits and letters, or letters of both cases that do not form words as in TogetherAuthFailing.
"""

_V1: Final = r"tgp_v1_[A-Za-z0-9_-]{43}"
_LEGACY: Final = r"[0-9a-f]{64}"
_SENDABLE: Final = r"[!-~](?:[ -~]*[!-~])?"

# Longer prefixes come first: sk-ant- is not OpenAI's sk-.
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
      \S{0,99}(?:[*•]{3}|\.{3}|…)\S{0,99}  # a masked key, a printed SecretStr
    | [<\[{](?!tgp_v1_[A-Za-z0-9_-]{43}|[0-9a-f]{64})[^<>\[\]{}]*[>\]}]  # <your key>, [key]
    | [-_.*?]+ | [-_.*x0]{3,} | [0-9]{1,20} | 0+
    | (?:tgp_v1_|sk-)(?:[-_.*x0]{3,}|<.*>|your.*)
    """
_WORD: Final = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+"
_PLACEHOLDER_WORDS: Final = frozenset(
    """
    a abc access account actual add ai an and any api apikey apikeyhere asdf auth
    bad bar baz bearer change changeme correct credential credentials default demo dev dummy
    empty enter example fake false file fill fixme foo foobar for from generate get goes here
    hidden ignored in insert insertkeyhere invalid is it key keyhere keys lm local me missing
    mock my myapikey mykey n na needed new nil no nokey none not null of ollama our own page
    password paste personal placeholder please prod private provide provided put qwerty real redacted
    removed replace replaceme required sample secret secrets set some string studio tbd temp
    test testing testkey text the this to todo together togetherai togetherapikey token true undefined
    unset unused use valid value with wrong you your yourapikey yourkey yourkeyhere
    """.split()  # noqa: SIM905 - one word a line would fill two pages
)
_LONGEST_PHRASE: Final = 55
"""Characters. Longer texts may be legacy keys, whose letters may form words by chance."""

_REFERENCE: Final = r"""(?x)
      \$\{[^{}]*\} | \$\(.*\) | \$(?:env:)?[A-Za-z_][A-Za-z0-9_]* | \$?\{\{.*\}\}
    | %[A-Za-z_][A-Za-z0-9_]*% | <%.*%>
    | (?:os\.environ|process\.env|import\.meta\.env|os\.getenv|env|secrets?)
      (?:\.get)?(?:\.[A-Za-z_][A-Za-z0-9_]*|[\[(].*[\])])
    """
"""A reference to a variable in a shell, a template, a manifest or a program."""

_PLACE: Final = r"""(?xi)
      [a-z][a-z0-9+.-]*://.+  # a file's, a store's, Together's own
    | (?:file|vault|bao|ssm|sm|sops|kms|op|pass|doppler|secret|secretref|aws|gcp|azure|k8s|env|encrypted):\S+
    | (?:kv|secrets?)/\S+ | (?:[\w-]+\.)*together\.(?:ai|xyz)(?:/.*)? | arn:aws[a-z-]*:.+
    | projects/[^/]+/secrets/.+ | @Microsoft\.KeyVault\(.*\) | ENC[\[(].*[\])]
    | \$ANSIBLE_VAULT;.* | !(?:secret|vault)\s.*
    | (?:[a-z]:[\\/]|\\\\|~[\\/]|\.{1,2}[\\/]).+
    | @?/(?:run|etc|var|home|root|mnt|opt|srv|tmp|usr|secrets?|vault|app|data|users|dev|proc|private)/.+
    | /[\w./@+-]*(?:key|secret|token|together)[\w./@+-]*
    | [\w./@+-]*[\w@+-]\.(?:txt|key|json|env|pem|ya?ml|toml|ini|cfg|conf)
    """
"""A path, a URL or a reference to an entry of a secret store."""
_LONGEST_PLACE: Final = 1024

_HELD: Final = r"tgp_v1_[A-Za-z0-9_-]{43}|(?<![0-9A-Za-z])[0-9a-f]{64}(?![0-9A-Za-z])"
_OBJECT: Final = r"""\{\s*\\*['"]?[\w.-]+\\*['"]?\s*:"""
"""The beginning of a JSON object, or of a printed Python dictionary."""

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
"""Variables from which other programs read a Together key, the most specific first."""

_OF_TOGETHER: Final = "TOGETHER.*(?:KEY|TOKEN|SECRET)|^TOGETHER_?(?:AI_?)?API$"
_TYPO_DISTANCE: Final = 2


def may_hold_a_key(text: str) -> bool:
    """Return whether a text contains what may be a key or a password, of any shape."""
    return "@" in text or "%40" in text or re.search(OPAQUE, text) is not None


def shape_of(text: str) -> Format | None:
    """Return ``tgp_v1`` or ``legacy_hex`` if ``text`` has exactly that shape, else ``None``."""
    if re.fullmatch(_V1, text):
        return "tgp_v1"
    # The SDK's own command line sends forty zeros when logged out; sixty-four equal digits are no
    # key either.
    if re.fullmatch(_LEGACY, text) and len(set(text)) > 1:
        return "legacy_hex"
    return None


def provider_of(text: str) -> str | None:
    """Return the name of the other provider whose public prefix ``text`` has."""
    if len(text) < _SHORTEST_FOREIGN_KEY:
        return None
    return next((name for prefix, name in _PROVIDERS if text.startswith(prefix)), None)


def is_reference(text: str) -> bool:
    """Return whether ``text`` is an unexpanded reference to a variable or a secret."""
    return re.fullmatch(_REFERENCE, text) is not None


def is_place(text: str) -> bool:
    """Return whether ``text`` is the location of a key: a path, a URL, a secret store's reference."""
    if len(text) > _LONGEST_PLACE or holds_key(text):
        return False
    return re.fullmatch(_PLACE, text) is not None


def is_document(text: str) -> bool:
    """Return whether ``text`` is, or begins, a JSON object or list, as secret stores return them."""
    if text == "{":
        return True
    if not text.startswith(("{", "[")):
        return False
    try:
        return bool(json.loads(text))
    except (ValueError, RecursionError):
        return re.match(_OBJECT, text) is not None


def holds_key(text: str) -> bool:
    """Return whether ``text`` contains a key of Together's shape."""
    return re.search(_HELD, text) is not None


def is_placeholder(text: str) -> bool:
    """Return whether ``text`` is a placeholder for a key."""
    if re.fullmatch(_PLACEHOLDERS, text):
        return True
    if len(text) > _LONGEST_PHRASE:
        return False
    words = re.findall(_WORD, text)
    return bool(words) and all(
        word.lower() in _PLACEHOLDER_WORDS or set(word) <= {"x", "X"} for word in words
    )


def can_be_sent(key: str) -> bool:
    """Return whether ``Bearer <key>`` is a valid HTTP header value by h11's rules.

    The key is printable ASCII, not empty, without white space at its ends (RFC 9110, section 5.5).
    """
    return re.fullmatch(_SENDABLE, key) is not None


def is_lookalike(variable: str) -> bool:
    """Return whether a variable's name suggests that it holds a Together key.

    These are known names, names with TOGETHER and KEY, TOKEN or SECRET, and names within an edit
    distance of 2 of TOGETHER_API_KEY. Case and invisible characters (a byte-order mark) are ignored.
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
    """Return a variable's name with escapes for spaces and all characters outside ASCII."""
    return ascii(variable)[1:-1].replace(" ", "\\x20")


def _within(one: str, other: str, limit: int) -> bool:
    """Return whether the Levenshtein distance of two words is at most ``limit``."""
    if one == other:
        return True
    if one[:1] == other[:1]:
        return _within(one[1:], other[1:], limit)
    changed = (one[1:], other), (one, other[1:]), (one[1:], other[1:])
    return limit > 0 and any(_within(*words, limit - 1) for words in changed)

"""Ways to get a key wrong, or to have it refused, and what is to be said of each."""

import base64
from dataclasses import dataclass, field
from typing import Any

from generation import made_up_key

from together_otel.testing import behaviours

OTHER = made_up_key("Z")
"""A well-formed key that the server does not know."""

FOREIGN = "sk-" + "ant-" + "q1W" * 12
OPAQUE = "opaque.token/" + "01234567" * 2
TOGETHER = "api.together.xyz"
"""The host that stands for all of Together's."""

REFUSAL = {
    "error": {
        "message": "Incorrect API key provided.",
        "type": "invalid_request_error",
        "code": "invalid_api_key",
    }
}
"""What other providers say, in the format that is Together's, too."""

LINK = {"error": {"message": behaviours.INVALID_KEY, "code": "invalid_api_key"}}
EXPIRED = behaviours.error(
    400, "Authentication Error - Expired Key", kind="expired_key", code="400"
)
VARIABLE = "TOGETHER_API_KEY"


@dataclass(frozen=True)
class Case:
    """One way to get the key wrong.

    Texts may hold ``{key}``, the good key, and ``{host}``, the host that is asked.

    Attributes:
        names: what the remedy must say.
        argument: of the constructor; ``None`` passes none.
        options: further ones of the constructor.
        asks: further ones of the call.
        refuse: how the server answers, if not by looking at the key.
        elsewhere: the cause where the server is not at Together's host, if it is another.
    """

    title: str
    cause: str
    names: str
    argument: Any = None
    environment: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    asks: dict[str, Any] = field(default_factory=dict)
    generations: tuple[int, ...] = (1, 2, 3)
    refuse: behaviours.Behaviour | None = None
    elsewhere: str | None = None

    def __str__(self):
        return self.title


def _is_key():
    return OTHER


MALFORMED = [
    Case(title, "malformed", names, argument)
    for title, argument, names in (
        ("a character lost", OTHER[:-1], "too short"),
        ("a character too many", OTHER + "q", "too long"),
        ("an old key cut short", "a1" * 31 + "b", "too short"),
        ("newline at the end", "{key}\n", "ends in a newline"),
        ("carriage return and newline", "{key}\r\n", "ends in a newline"),
        ("newline inside", OTHER[:20] + "\n" + OTHER[20:], "a newline"),
        ("trailing space", "{key} ", "has spaces around it"),
        ("trailing tab", "{key}\t", "has spaces around it"),
        ("leading space", " {key}", "has spaces around it"),
        ("space inside", OTHER[:20] + " " + OTHER[20:], "white space inside"),
        ("no-break space", "{key}\u00a0", "spaces around"),
        ("quotes", '"{key}"', "quotes"),
        ("single quotes", "'{key}'", "quotes"),
        ("typographic quotes", "\u2018{key}\u2019", "quotes"),
        ("Bearer prefix", "Bearer {key}", "the word Bearer"),
        ("a whole line of .env", VARIABLE + "={key}", "NAME=value"),
        ("a whole line of a shell", f"export {VARIABLE}=" + "{key}", "NAME=value"),
        ("NUL", "{key}\0", "control character"),
        ("escape", "{key}\x1b", "control character"),
        ("zero-width space", "{key}\u200b", "invisible character"),
        ("byte-order mark", "\ufeff{key}", "invisible character"),
        ("accented letter", OTHER[:30] + "é" + OTHER[31:], "not ASCII"),
        ("pasted twice", OTHER * 2, "the key twice"),
        ("capital letters", OTHER.upper(), "wrong case"),
        ("base64", base64.b64encode(OTHER.encode()).decode(), "base64"),
        ("a secret store's JSON", '{"api_key": "' + OTHER + '"}', "JSON"),
        ("a path", "/run/secrets/together_api_key", "path"),
        ("a secret's reference", "op://vault/together/key", "reference"),
        ("bytes", OTHER.encode(), "text"),
        ("a function", _is_key, "text"),
        ("a shell's variable", "${TOGETHER_KEY}", "reference that nothing expanded"),
        ("a shell's command", "$(cat /run/key)", "reference that nothing expanded"),
        ("a template", "{{ together_key }}", "reference that nothing expanded"),
        ("a placeholder", "changeme", "is a placeholder"),
        ("an example's placeholder", "<YOUR_API_KEY>", "is a placeholder"),
        ("crosses", "x" * 20, "is a placeholder"),
    )
]

OTHERS = [
    Case(f"a key of {provider}", "wrong_provider", f"is a key of {provider}", prefix + rest)
    for provider, prefix, rest in (
        ("OpenAI", "sk-" + "proj-", "a1B2" * 10),
        ("Anthropic", "sk-" + "ant-", "q1W" * 12),
        ("Groq", "gsk" + "_", "a1B2" * 13),
        ("Hugging Face", "hf" + "_", "a1B2" * 8),
        ("Google", "AI" + "za", "a1B2" * 8 + "xyz"),
        ("Replicate", "r8" + "_", "a1B2" * 9),
        ("xAI", "xai" + "-", "a1B2" * 20),
        ("Perplexity", "pplx" + "-", "a1B2" * 12),
        ("NVIDIA", "nvapi" + "-", "a1B2" * 16),
    )
]

NOT_GIVEN = [
    Case("unset", "missing", f"set {VARIABLE}"),
    Case("empty argument", "empty", "The api_key argument is empty", ""),
    Case("empty variable", "empty", f"{VARIABLE} is empty", None, {VARIABLE: ""}),
    Case("white space", "empty", f"{VARIABLE} holds only white space", None, {VARIABLE: "  "}),
    Case(
        "newline in the variable", "malformed", f"{VARIABLE} ends in", None, {VARIABLE: "{key}\n"}
    ),
    *(
        Case(f"in {name}", "wrong_variable", f"{name} holds a key", None, {name: "{key}"})
        for name in ("TOGETHERAI_API_KEY", "TOGETHER_AI_TOKEN", "TOGETER_API_KEY")
    ),
    Case(
        "a placeholder, and the key in another variable",
        "wrong_variable",
        "TOGETHER_TOKEN holds a key",
        None,
        {VARIABLE: "your-api-key", "TOGETHER_TOKEN": "{key}"},
    ),
    *(
        Case(
            title, "not_passed", f"hides the good key in {VARIABLE}", argument, {VARIABLE: "{key}"}
        )
        for title, argument in (
            ("a placeholder before the variable", "change-me"),
            ("a damaged key before the variable", OTHER[:-1]),
            ("another provider's before the variable", FOREIGN),
        )
    ),
    Case(
        "empty argument before the variable",
        "not_passed",
        f"The api_key argument is empty and hides the good key in {VARIABLE}",
        "",
        {VARIABLE: "{key}"},
        generations=(2, 3),  # 1.x falls back to the variable, and works
    ),
]

HEADER = {"Authorization": f"Bearer {OTHER}"}

ON_THE_WAY = [
    Case("typo", "rejected", "The api_key argument is well formed", OTHER),
    Case("an old key", "rejected", "The api_key argument is well formed", "a1" * 31 + "b2"),
    Case("a shape nobody knows", "unknown", "none of the shapes", OPAQUE),
    Case(
        "default_headers",
        "overridden",
        "default_headers",
        "{key}",
        options={"default_headers": HEADER},
        generations=(2, 3),
    ),
    Case(
        "extra_headers",
        "overridden",
        "extra_headers",
        "{key}",
        asks={"extra_headers": HEADER},
        generations=(2, 3),
    ),
    Case(
        "supplied_headers",
        "overridden",
        "supplied_headers",
        "{key}",
        options={"supplied_headers": HEADER},
        generations=(1,),
    ),
    *(
        Case(title, cause, names, "{key}", refuse=refuse, elsewhere=elsewhere)
        for title, cause, names, refuse, elsewhere in (
            (
                "a proxy that removes the header",
                "header_lost",
                "was sent, but {host} found no key",
                behaviours.lose_key(),
                None,
            ),
            ("a proxy's login page", "wrong_endpoint", "{host}", behaviours.refuse("html"), None),
            (
                "a proxy's own login",
                "wrong_endpoint",
                "{host}",
                behaviours.custom(401, b"", {"WWW-Authenticate": "Basic realm=x"}, foreign=True),
                None,
            ),
            (
                "another server's words",
                "rejected",
                "",
                behaviours.custom(401, REFUSAL, foreign=True),
                "wrong_endpoint",
            ),
            ("another server's text", "rejected", "", behaviours.refuse("text"), "wrong_endpoint"),
            (
                "a link of Together's",
                "rejected",
                "is well formed",
                behaviours.custom(401, LINK, foreign=True),
                None,
            ),
            (
                "a header of Together's",
                "rejected",
                "is well formed",
                behaviours.custom(401, REFUSAL, {"X-Together-TraceId": "0"}, foreign=True),
                None,
            ),
            ("403 with a code", "rejected", "is well formed", behaviours.forbidden_key(403), None),
            ("400 with a code", "rejected", "is well formed", behaviours.forbidden_key(400), None),
            ("422 with a code", "rejected", "is well formed", behaviours.forbidden_key(422), None),
            ("LiteLLM's expired key", "rejected", "is well formed", EXPIRED, None),
            (
                "403 with a number",
                "rejected",
                "",
                behaviours.custom(403, {"error": {"code": 401, "message": "no"}}, foreign=True),
                "wrong_endpoint",
            ),
        )
    ),
]

CASES = [*NOT_GIVEN, *MALFORMED, *OTHERS, *ON_THE_WAY]

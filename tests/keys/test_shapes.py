"""Keys and passwords that nobody named beforehand, known by the words around them."""

import time

import pytest

from together_otel.keys import redact

OPAQUE = "Qz41opaqueToken77"
TOGETHERS = "tgp_" + "v1_" + "a1B2" * 10 + "xyz"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # quoted values, whole
        (f"{{'Authorization': 'Bearer \"{OPAQUE}\"'}}", "{'Authorization': 'Bearer [key]'}"),
        (f"{{'Authorization': \"Bearer '{OPAQUE}'\"}}", "{'Authorization': \"Bearer [key]\"}"),
        (f"{{'Authorization': 'Bearer Qz41 {OPAQUE}'}}", "{'Authorization': 'Bearer [key]'}"),
        (f'{{"Authorization": "Bearer Qz\\"{OPAQUE}"}}', '{"Authorization": "Bearer [key]"}'),
        (f'"{{\\"Authorization\\": \\"{OPAQUE}\\"}}"', '"{\\"Authorization\\": \\"[key]\\"}"'),
        (f"[('authorization', '{OPAQUE}')]", "[('authorization', '[key]')]"),
        (f"[(b'authorization', b'{OPAQUE}')]", "[(b'authorization', b'[key]')]"),
        (f'Client(api_key="it\'s {OPAQUE}", n=1)', 'Client(api_key="[key]", n=1)'),
        (f"{{'TOGETHER_API_KEY': '{OPAQUE}'}}", "{'TOGETHER_API_KEY': '[key]'}"),
        (f"{{'Authorization': 'Bearer {TOGETHERS}'}}", "{'Authorization': 'Bearer tgp_v1_[key]'}"),
        # after the word Bearer, whatever opens there
        (f"Bearer '{OPAQUE}'", "Bearer '[key]'"),
        (f'Bearer "{OPAQUE}', 'Bearer "[key]'),
        (f"Bearer [{OPAQUE}]", "Bearer [[key]]"),
        (f'Bearer \\"{OPAQUE}\\"', 'Bearer \\"[key]"'),
        # unquoted
        (f"authorization: {OPAQUE}", "authorization: [key]"),
        ("Authorization: Basic dXNlcjpw", "Authorization: Basic [key]"),
        (f"Authorization: Token {OPAQUE}\nHost: a", "Authorization: Token [key]\nHost: a"),
        (f"TOGETHER_API_KEY={OPAQUE} python app.py", "TOGETHER_API_KEY=[key] python app.py"),
        (
            f"with url: /v1?a=1&subscription-key={OPAQUE} (",
            "with url: /v1?a=1&subscription-key=[key] (",
        ),
        (f"api_key={OPAQUE}&a=1", "api_key=[key]&a=1"),
        # in letters that a pattern takes for others, and two kinds in one text
        (f"author\u0131zation: {OPAQUE}", "author\u0131zation: [key]"),
        (f"Authorization: Basic dXNlcjpw, {'0f' * 32}", "Authorization: Basic [key], [key]"),
        # what is no key stays
        ("{'Authorization': 'Bearer '}", "{'Authorization': 'Bearer '}"),
        ("Illegal header value b'Bearer '", "Illegal header value b'Bearer '"),
        ("TOGETHER_API_KEY=${TOGETHER_KEY}", "TOGETHER_API_KEY=${TOGETHER_KEY}"),
        ("fields 'api_key', 'model'", "fields 'api_key', 'model'"),
        ("Together(api_key=config.key)", "Together(api_key=config.key)"),
        ("an Authorization header", "an Authorization header"),
        ("Bearer auth (i.e. Authorization: Bearer YOUR_KEY)",) * 2,  # Together's own message
        ("no bearer token.", "no bearer token."),
        ("in hf_hub_download\n", "in hf_hub_download\n"),
    ],
)
def test_around_a_key(text, expected):
    assert redact(text) == expected
    assert redact(expected) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://user:pa55@api.example/v1", "https://[key]@api.example/v1"),
        ("to https://user:pa:ss@w@rd@h.example:80/a?b=c@d", "to https://[key]@h.example:80/a?b=c@d"),
        ("https://token@h.example", "https://[key]@h.example"),
        ("https:\\/\\/user:pa55@h.example\\/v1", "https:\\/\\/[key]@h.example\\/v1"),
        ("next=https%3A%2F%2Fuser%3Apa55%40h.example%2Fv1", "next=https%3A%2F%2F[key]%40h.example%2Fv1"),
        ("HTTPS_PROXY=user:pa55@proxy.example:3128", "HTTPS_PROXY=[key]@proxy.example:3128"),
        ("netloc='user:pa55@h.example'", "netloc='[key]@h.example'"),
        ("postgresql://u:p@[::1]/db, redis://:p@h", "postgresql://[key]@[::1]/db, redis://[key]@h"),
        # what is no password stays
        ("https://h.example/@user", "https://h.example/@user"),
        ("https://h.example/?to=me@example.com", "https://h.example/?to=me@example.com"),
        ("mail me@example.com: or mailto:me@example.com", "mail me@example.com: or mailto:me@example.com"),
        ("https%3A%2F%2Fh.example%2Fme%40here", "https%3A%2F%2Fh.example%2Fme%40here"),
        ("at 12:30 @ noon", "at 12:30 @ noon"),
    ],
)  # fmt: skip
def test_credentials_of_a_url(text, expected):
    assert redact(text) == expected
    assert redact(expected) == expected


UNITS = [
    "authorization:",
    "authorization='",
    "authorization='\\",
    "authorization: basic ",
    "api_key='",
    "api_key=" + "\\" * 32 + "'",
    "api_key=" + "\\" * 999 + "'",
    "API_KEY=",
    "&a_key=",
    "x-api-key: ",
    "bearer ",
    "bearer \\'",
    "bearer [key]",
    "eyJaaaaaaaa.",
    "sk-",
    "//user:",
    "%2f%2fa",
    "a:b@",
    "******aaaa",
    "…aaaa",
    OPAQUE[:8] + "*",
    "\u212a\ud800\0",
]
FILLINGS = ["", " ", "'", "\\", "\\'", "\\t", "[", "[key]", "a", "@", ":", "*", "."]
SMALL, LARGE = 512, 32_768


def spent(texts):
    """Return the CPU time of redaction, in seconds; each text is another one."""
    texts = [text + str(time.perf_counter_ns()) for text in texts]
    started = time.thread_time()
    for text in texts:
        redact(text, [OPAQUE, TOGETHERS], 10 * LARGE)
    return time.thread_time() - started


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("filling", FILLINGS)
def test_time_grows_with_the_text_and_not_with_its_square(unit, filling):
    """64 times the text takes 64 times as long; with a quadratic pattern it is 4,096 times.

    The bound is halfway, a factor of eight from both, and may be met at the fifth time, so that no
    busy machine decides.
    """

    def texts(size):
        fill = filling * (size // max(1, len(filling)))
        shapes = (
            unit + fill,
            unit + fill[: size // 3] + "'" + fill,
            fill[: size // 4] + unit + fill,
            (unit + filling) * (size // len(unit)),
        )
        return [shape[:size] for shape in shapes]

    least = min(spent(texts(SMALL)) for _ in range(5))
    assert any(spent(texts(LARGE)) < 8 * LARGE // SMALL * least for _ in range(5))

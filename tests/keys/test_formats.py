"""Shapes, placeholders, references and names of variables."""

import json
import time

import pytest

from together_otel.keys import formats
from together_otel.keys.formats import (
    can_be_sent,
    is_document,
    is_lookalike,
    is_place,
    is_placeholder,
    is_reference,
    provider_of,
    shape_of,
    shown_name,
)

KEY = "tgp_" + "v1_" + "a1B2" * 10 + "xyz"
LEGACY = "0123456789abcdef" * 4


def listed(text):
    """Return the texts that bars and lines part."""
    return [one for line in text.split("\n") for one in line.strip(" ").split("|") if one]


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (KEY, "tgp_v1"),
        (KEY[:-2] + "_-", "tgp_v1"),
        (LEGACY, "legacy_hex"),
        ("01" * 32, "legacy_hex"),
        (KEY[:-1], None),
        (KEY + "a", None),
        (KEY + "\n", None),
        (KEY.upper(), None),
        (LEGACY.upper(), None),
        (LEGACY[:-1], None),
        ("0" * 64, None),
        ("f" * 64, None),
        ("", None),
    ],
)
def test_shape(text, shape):
    assert shape_of(text) == shape


PROVIDERS = """
    sk-:OpenAI|sk-proj-:OpenAI|sk-ant-:Anthropic|sk-or-:OpenRouter|gsk_:Groq|hf_:Hugging Face
    AIza:Google|r8_:Replicate|xai-:xAI|pplx-:Perplexity|nvapi-:NVIDIA|fw_:Fireworks|csk-:Cerebras
    AKIA:AWS|github_pat_:GitHub|ghp_:GitHub|lsv2_:LangSmith|pk-lf-:Langfuse
"""


@pytest.mark.parametrize(
    ("prefix", "provider"), [tuple(one.split(":")) for one in listed(PROVIDERS)]
)
def test_provider(prefix, provider):
    """The longest prefix decides, and a few characters are no key of anyone's."""
    assert provider_of(prefix + "Q7w" * 8) == provider
    assert provider_of((prefix + "Q7w" * 4)[:12]) == provider
    assert provider_of((prefix + "Q7w" * 4)[:11]) is None


def test_every_prefix_has_a_row_above():
    rows = test_provider.pytestmark[0].args[1]  # type: ignore[attr-defined]  # set by the mark
    assert {prefix for prefix, _ in rows} == set(formats.PROVIDER_PREFIXES)


@pytest.mark.parametrize("text", ["", KEY, "opaque.token", "tgp_v1_"])
def test_no_provider(text):
    assert provider_of(text) is None


PLACEHOLDERS = """
    your_api_key|YOUR_API_KEY|your-api-key|your api key|Your API key|yourapikey|YourApiKey|yourApiKey
    your_api_key_here|YOUR_API_KEY_HERE|your-together-api-key|YOUR_TOGETHER_API_KEY
    your_together_ai_api_key|YOUR_TOGETHERAI_KEY|your-key|your_key_here|YOUR-KEY-HERE|your_token
    your_secret_key|your_actual_api_key_here|your-together-ai-api-key-here|YourTogetherAPIKeyHere
    <your_api_key>|<YOUR API KEY>|<your key from https://api.together.ai>|<api-key>|<token>|[your key]
    {api_key}|{YOUR_API_KEY}|<TOGETHER_API_KEY>|TOGETHER_API_KEY|together_api_key|TOGETHER_KEY
    my_api_key|my-key|my_together_key|MY_API_KEY|the_api_key|a-key|some_key|my-secret-token|mykey
    insert_your_key_here|INSERT_API_KEY|insert-key-here|enter your api key|ENTER_YOUR_API_KEY_HERE
    put-your-key-here|paste_your_key|PASTE_YOUR_API_KEY_HERE|add_your_key|ADD-YOUR-KEY-HERE
    replace_with_your_key|REPLACE_ME|replaceme|replace-with-real-key|change_me|changeme|CHANGE-ME
    changeme123|use your own key|set-me|fill_me_in|provide-api-key|api_key|API_KEY|apikey|ApiKey
    api-key-here|api_key_goes_here|key|KEY|token|secret|password|key123|key-1234|test|test_key
    test-api-key|testkey|TEST_TOKEN|test123|dummy|dummy_key|dummy-api-key|DUMMY|fake|fake-key
    fake_api_key|mock|mock-key|example|example-key|example_api_key|sample|sample_key|demo|demo-key
    temp|temp-key|foo|bar|baz|foobar|string|abc|abc123|asdf|qwerty|placeholder|PLACEHOLDER
    placeholder_key|redacted|REDACTED|[REDACTED]|<redacted>|hidden|removed|missing|invalid
    invalid-key|invalid_api_key|wrong_key|none|None|NONE|null|nil|undefined|unset|empty|EMPTY|n/a
    N/A|na|true|True|false|no-key|no_key_required|nokey|not-needed|not_set|not-required|unused
    ignored|default|ollama|lm-studio|local|todo|TODO|tbd|TBD|fixme|FIXME|todo: add key
    xxx|XXX|xxxx|xxxxxxxxxxxxxxxx|XXXX-XXXX-XXXX|xxx-xxx|***|**********|...|…|....|---|-|_|?|???
    0|00000000|0000000000000000000000000000000000000000|00000000-0000-0000-0000-000000000000|1
    111111|1234|12345|123456|1234567890|your-key-1234|sk-xxxx|sk-xxxxxxxxxxxxxxxxxxxxxxxx|sk-...
    sk-your-key|sk-<your key>|sk-your-api-key-here|tgp_v1_xxxx|tgp_v1_xxxxxxxxxxxxxxxxxxxx
    your-xxx-key|YOUR-XXX-KEY|Your-Xxx-Key|tgp_v1_...|tgp_v1_***|tgp_v1_…|tgp_v1_<your key>|tgp_v1_your_key_here|tgp_v1_000000|invalid!
"""


@pytest.mark.parametrize("text", [*listed(PLACEHOLDERS), "your api key " * 4 + "key"])
def test_placeholder(text):
    """What people really put where a key should be."""
    assert is_placeholder(text)
    assert not is_reference(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        KEY,
        LEGACY,
        f"<{KEY}>",
        f"[{LEGACY}]",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "ya29.A0AfH6SMBx-notreal_QW",
        "clé",
        "tgp_v1_",
        "tgp_v1_A",
        "sk-ant-api03-Q7wQ7wQ7wQ7w",
        "Z3h0b2tlbg==",
        "8" * 21,
        "monkey",
        "your api key " * 4 + "keys",
    ],
)
def test_no_placeholder(text):
    assert not is_placeholder(text)


REFERENCES = """
    $TOGETHER_API_KEY|${TOGETHER_API_KEY}|${TOGETHER_API_KEY:-}|${TOGETHER_API_KEY:?must be set}
    ${env:TOGETHER_API_KEY}|$env:TOGETHER_API_KEY|$(cat /run/secrets/together)|$(TOGETHER_API_KEY)
    $(cut -d= -f2 <(env))|{{ together_api_key }}|{{ .Values.together.apiKey }}|{{TOGETHER_API_KEY}}
    ${{ secrets.TOGETHER_API_KEY }}|%TOGETHER_API_KEY%|<%= ENV['TOGETHER_API_KEY'] %>
    os.environ['TOGETHER_API_KEY']|os.environ.get("TOGETHER_API_KEY")|os.getenv("TOGETHER_API_KEY")
    process.env.TOGETHER_API_KEY|import.meta.env.TOGETHER_API_KEY|env.TOGETHER_API_KEY
    secrets.TOGETHER_API_KEY
"""


@pytest.mark.parametrize("text", listed(REFERENCES))
def test_reference(text):
    assert is_reference(text)


@pytest.mark.parametrize("text", ["", KEY, "$", "$5.00", "a${X}", "pa$$word", "env", "100%"])
def test_no_reference(text):
    assert not is_reference(text)


LOCATIONS = r"""
    /run/secrets/together_api_key|/etc/secrets/together/key.txt|/home/user/My Keys/together
    /keys/prod/together|~/.together/key|./together.key|../secrets|C:\secrets\together.txt
    \\server\share\key|secrets/together.json|together.env|file:///run/secrets/together
    file:/run/secrets/together|https://api.together.xyz/v1|op://vault/together/credential
    vault://secret/together#key|vault:secret/data/together#key|ref+awssecrets://together
    sm://project/together|ssm:///prod/together|doppler://prod/together|secretref:together-key
    arn:aws:secretsmanager:eu-west-1:123456789012:secret:together
    arn:aws-cn:ssm:cn-north-1:123456789012:parameter/together
    projects/mine/secrets/together/versions/latest
    @Microsoft.KeyVault(SecretUri=https://v.vault.example/secrets/together)
    ENC[AES256_GCM,data:a1b2c3,iv:d4e5,tag:f6a7,type:str]|ENC(a1b2c3)|$ANSIBLE_VAULT;1.1;AES256
    !vault together_key
"""


@pytest.mark.parametrize("text", [*listed(LOCATIONS), "/run/" + "a" * 1019])
def test_place(text):
    """Where a key may be found is certain not to be one."""
    assert is_place(text)
    assert not is_reference(text)
    assert not is_place(f"{text}{KEY}" if "://" in text else KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        KEY,
        LEGACY,
        "/9j4AAQSkZJRg/Kx29",
        "opaque.token/0123456789",
        "opaque.token",
        "a:b=c",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "/run/" + "a" * 1020,
        f"secret:{KEY}",
        f"https://{LEGACY}",
    ],
)
def test_no_place(text):
    assert not is_place(text)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"TOGETHER_API_KEY": KEY}),
        json.dumps({"api_key": KEY}, indent=2),
        json.dumps([KEY]),
        json.dumps({"api_key": KEY})[:-4],
        str({"TOGETHER_API_KEY": KEY}),
        json.dumps(json.dumps({"api_key": KEY}))[1:-1],
        "{",
    ],
)
def test_document(text):
    """What a store of secrets gives, whole or its first line, or what Python writes of it."""
    assert is_document(text)


@pytest.mark.parametrize(
    "text", ["", KEY, "{}", "[]", "[key]", "{api_key}", "{{ key }}", "[" * 100_000, '"a"', "{'a'}"]
)
def test_no_document(text):
    assert not is_document(text)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("TOGETHER_API_KEY", "TOGETHER_API_KEY"),
        ("A B\t", "A\\x20B\\t"),
        ("\ufeffÉ\U0001f600\udc80", "\\ufeff\\xc9\\U0001f600\\udc80"),
    ],
)
def test_shown_name(name, shown):
    assert shown_name(name) == shown


@pytest.mark.parametrize("key", [KEY, LEGACY, "a", "a b", "~!", "none"])
def test_can_be_sent(key):
    assert can_be_sent(key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        KEY + " ",
        " " + KEY,
        KEY + "\t",
        KEY + "\n",
        "a\tb",
        "a\nb",
        "a\x00b",
        "a\x7fb",
        "é",
        "\u200b" + KEY,
        KEY + "\xa0",
        "�abc",
    ],
)
def test_cannot_be_sent(key):
    assert not can_be_sent(key)


MISSPELT = """
    together_ai_api_key|together_api_key|TOGETER_API_KEY|TOGEHTER_API_KEY|TOGETHER_APIKEY
    TOGETHER_API_KEYS|TOGETHER_API_KY|TOGETHRE_API_KEY|TOGTHR_API_KEY|TGETHER_API_KEYX
    MY_TOGETHER_API_KEY|VITE_TOGETHER_AI_KEY|TOGETHER_API_TOKEN|together.api.key.prod
    export TOGETHER_API_KEY|TOGETHER-API-KEY|TTOGGETHER_API_KEY|TAGATHER_API_KEY|OGETHER_API_KE
    \ufeffOPENAI_API_KEY|TOGTHR_API_KEY\u200b|\ufeffTOGETHER_API_KEY|TOGETHER_API
    \uff34OGETHER_API_\uff2bEY
"""


@pytest.mark.parametrize(
    "variable", [*formats.LOOKALIKES, *listed(MISSPELT), " TOGETHER_KEY\u200b"]
)
def test_lookalike(variable):
    assert is_lookalike(variable)


OTHERS = """
    TOGETHER_API_KEY|TOGTR_API_KEY|TAGATHAR_API_KEY|TTTOGGETHER_API_KEY|TXXOGETHERXX_API_KEY
    TOGETHER_MODEL|TOGETHER_API_BASE|ANTHROPIC_API_KEY|PATH
"""


@pytest.mark.parametrize("variable", [*listed(OTHERS), ""])
def test_no_lookalike(variable):
    """The right name itself is none, nor is one three letters away."""
    assert not is_lookalike(variable)


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("user:secret@host", True),
        ("user:secret%40host", True),
        ("tgp_" + "v1_" + "a1B2" * 10 + "xyz", True),
        ("Hello", False),
    ],
)
def test_text_that_may_hold_a_key(text, may):
    assert formats.may_hold_a_key(text) is may


def test_time_to_find_such_text_grows_with_it_and_not_with_its_square():
    """64 times the text takes 64 times as long, not 4,096 times."""

    def spent(size):
        started = time.thread_time()
        formats.may_hold_a_key("a" * size)
        return time.thread_time() - started

    least = min(spent(512) for _ in range(5))
    assert spent(32_768) < 512 * least

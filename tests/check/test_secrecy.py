"""Whatever the key and whatever a server makes of it, the command does not show it."""

import contextlib
import io
import os
import tempfile
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from together_otel.cli import main
from together_otel.testing import TogetherServer, behaviours

# No word of ours is spelt with capitals and digits in turns.
BODIES = st.text("QXZJKVWY0123456789", min_size=43, max_size=43)
WRAPPINGS = [
    lambda body: "tgp_" + "v1_" + body,
    lambda body: "tgp_" + "v1_" + body + "\n",
    lambda body: f'"{"tgp_" + "v1_" + body}"',
    lambda body: "Bearer " + "tgp_" + "v1_" + body,
    lambda body: f"TOGETHER_API_KEY={'tgp_' + 'v1_' + body}",
    lambda body: "sk" + "-" + body,
    lambda body: body,
    lambda body: body[:20] + "\r\n" + body[20:],
    lambda body: body[:20] + "é" + body[20:],
    lambda body: body[:20] + "\u200b" + body[20:],
    lambda body: body[:20] + " " + body[20:],
    lambda body: f"${{{body}}}",
]


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    body=BODIES,
    wrapping=st.sampled_from(WRAPPINGS),
    place=st.sampled_from(
        ["key", "base URL", "proxy", "look-alike", "file", "name in a file", "path of a file"]
    ),
    options=st.sets(st.sampled_from(["--json", "--live"])),
)
def test_no_stretch_of_a_key_is_seen(body, wrapping, place, options):
    """As the key, and beside it in whatever variable or argument it was pasted into."""
    key = wrapping(body)
    with TogetherServer() as together, contextlib.ExitStack() as files:
        together.always(behaviours.echo_key())
        environ = {"TOGETHER_BASE_URL": together.url, "TOGETHER_API_KEY": key}
        arguments = ["check", *sorted(options)]
        if place == "base URL":
            environ["TOGETHER_BASE_URL"] = f"{together.url}/{key}"
        elif place == "proxy":
            environ["HTTP_PROXY"] = f"http://{key}@{together.url.removeprefix('http://')}"
        elif place == "look-alike":
            environ["TOGETHER_AI_API_KEY"] = environ.pop("TOGETHER_API_KEY")
        elif place in {"file", "name in a file"}:
            if place == "file":
                del environ["TOGETHER_API_KEY"]
            name = "" if place == "file" else f"%3D{key}"
            file = files.enter_context(tempfile.NamedTemporaryFile("w", encoding="utf-8"))
            file.write(f"TOGETHER_API_KEY{name}={key}")
            file.flush()
            arguments += ["--env-file", file.name]
        elif place == "path of a file":
            arguments += ["--env-file", f"TOGETHER_API_KEY={key}"]
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, environ, clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            contextlib.suppress(SystemExit),
        ):
            main(arguments)
    said = out.getvalue() + err.getvalue()
    assert said
    assert not [at for at in range(len(body) - 7) if body[at : at + 8].lower() in said.lower()]

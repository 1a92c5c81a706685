# python tools/run_uv.py ARGUMENT…
"""Run uv with pip's settings for package indexes, which uv does not read itself."""

import ast
import os
import subprocess
import sys

from uv import find_uv_bin

SECTIONS = ("global", "install", ":env:")  # a later one overrides
VARIABLES = {
    "cert": "SSL_CERT_FILE",
    "constraint": "UV_CONSTRAINT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "index-url": "UV_DEFAULT_INDEX",
    "no-index": "UV_NO_INDEX",
    "proxy": "ALL_PROXY",
    "trusted-host": "UV_INSECURE_HOST",
}

listed = subprocess.run(
    [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
)
found = {section: {} for section in SECTIONS}
for line in listed.stdout.splitlines():
    name, _, value = line.partition("=")
    section, _, option = name.rpartition(".")
    if section in found and option in VARIABLES:
        found[section][VARIABLES[option]] = " ".join(ast.literal_eval(value).split())
settings = {"UV_INDEX_STRATEGY": "unsafe-best-match"}  # as pip: the best match of all indexes
for section in SECTIONS:
    settings |= found[section]
if links := settings.get("UV_FIND_LINKS"):
    settings["UV_FIND_LINKS"] = links.replace(" ", ",")
uv = find_uv_bin()
os.execve(uv, [uv, *sys.argv[1:]], settings | os.environ)  # noqa: S606 - replaces this process

#!/bin/sh
# Prints the path of a Python of a version (3.13), nothing where there is none: on PATH, or among pyenv's.
for python in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
    # Asked and not just looked for: a shim of pyenv's may start nothing.
    if path=$("$python" -c 'import sys; print(sys.executable)' 2>/dev/null); then
        echo "$path"
        exit 0
    fi
done
exit 0

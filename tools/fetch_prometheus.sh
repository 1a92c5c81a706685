#!/bin/sh
# Puts the real Prometheus, Alertmanager and Pushgateway into .tools/, from Debian's packages:
# downloaded and unpacked, not installed; no service is started and nothing outside changes.
set -u
cd "$(dirname "$0")/.." || exit 1

# Asked for their version, not just looked for: half a download is not taken for whole.
fetched() {
    for program in prometheus promtool prometheus-alertmanager amtool prometheus-pushgateway; do
        [ -s ".tools/usr/bin/$program" ] || return 1 # the shell runs an empty file, with success
        ".tools/usr/bin/$program" --version >/dev/null 2>&1 || return 1
    done
}
fetched && exit 0

give_up() {
    echo "Prometheus and Alertmanager are not here: $1." >&2
    echo "Put prometheus, promtool, alertmanager, amtool and pushgateway on PATH instead, then run this again." >&2
    exit 3
}

if command -v prometheus >/dev/null && command -v promtool >/dev/null \
    && command -v amtool >/dev/null \
    && { command -v pushgateway || command -v prometheus-pushgateway; } >/dev/null \
    && { command -v alertmanager || command -v prometheus-alertmanager; } >/dev/null; then
    exit 0
fi
command -v apt-get >/dev/null && command -v dpkg >/dev/null || give_up "this is no Debian"

packages="prometheus prometheus-alertmanager prometheus-pushgateway"
mkdir -p .tools/packages
download() {
    # shellcheck disable=SC2086  # a list of packages
    (cd .tools/packages && rm -f -- *.deb \
        && apt-get download -qq -o APT::Sandbox::User=root $packages) >.tools/log 2>&1
}
echo "Fetching Prometheus and Alertmanager (Debian's packages) …" >&2
if ! download; then
    # The lists of a fresh machine are empty; only root may fetch them.
    [ "$(id -u)" = 0 ] || give_up "apt-get download failed, see .tools/log; as root, run apt-get update"
    apt-get update -qq >.tools/log 2>&1 || give_up "apt-get update failed, see .tools/log"
    download || give_up "apt-get download failed, see .tools/log"
fi
for package in .tools/packages/*.deb; do
    dpkg -x "$package" .tools || give_up "$package cannot be unpacked"
done
rm -rf .tools/packages
fetched || give_up "what was unpacked does not run"

#!/bin/sh
# Puts the newest Prometheus, Alertmanager and VictoriaMetrics that Debian has into .tools/newest/, for
# the tests that run on them as well: from its unstable suite on the mirror that this machine's own apt
# takes, with lists of their own. Nothing is installed, and apt's own lists stay as they are.
set -u
cd "$(dirname "$0")/.." || exit 1
home="$PWD/.tools/newest"

fetched() {
    for program in prometheus promtool prometheus-alertmanager amtool vmalert-tool; do
        [ -s "$home/usr/bin/$program" ] || return 1
    done
    "$home/usr/bin/promtool" --version >/dev/null 2>&1
}
fetched && exit 0

give_up() {
    echo "The newest Prometheus is not here: $1." >&2
    exit 3
}

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || give_up "this is no Debian"
[ "$(id -u)" = 0 ] || give_up "only root fetches lists of packages"
# shellcheck disable=SC2016  # apt's own placeholder
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep '/debian/$' | head -1)
[ -n "$mirror" ] || give_up "apt knows no mirror of Debian"

mkdir -p "$home/apt/lists/partial" "$home/apt/cache/archives/partial" "$home/packages"
echo "deb [signed-by=$keyring] $mirror sid main" >"$home/apt/sources.list"
apt_newest() {
    (cd "$home/packages" && apt-get -qq \
        -o Dir::Etc::sourcelist="$home/apt/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$home/apt/lists" -o Dir::Cache="$home/apt/cache" \
        -o APT::Sandbox::User=root "$@") >"$home/log" 2>&1
}
echo "Fetching the newest Prometheus and VictoriaMetrics (Debian's packages) …" >&2
apt_newest update || give_up "apt-get update failed, see .tools/newest/log"
apt_newest download prometheus promtool prometheus-alertmanager victoria-metrics \
    || give_up "apt-get download failed, see .tools/newest/log"
for package in "$home"/packages/*.deb; do
    dpkg -x "$package" "$home" || give_up "$package cannot be unpacked"
done
rm -rf "$home/packages" "$home/apt"
fetched || give_up "what was unpacked does not run"

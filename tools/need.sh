#!/usr/bin/env bash
# Installs the Debian packages that are missing: need.sh COMMAND:PACKAGE…
# `font:PACKAGE` asks for a Chinese font, `file:GLOB:PACKAGE` for a file.
set -eu
missing=()
for need in "$@"; do
    package=${need##*:}
    probe=${need%:*}
    case $probe in
        font) fc-list :lang=zh 2> /dev/null | grep -q . || missing+=(fontconfig "$package") ;;
        file:*) compgen -G "${probe#file:}" > /dev/null || missing+=("$package") ;;
        *) command -v "$probe" > /dev/null || missing+=("$package") ;;
    esac
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
    echo "Missing: ${missing[*]}. As root: apt-get install ${missing[*]}" >&2
    exit 1
fi
printf '\n==> installing %s\n' "${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null

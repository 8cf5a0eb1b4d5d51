#!/bin/sh
# SPDX-License-Identifier: ISC
# peers.sh FOLDER: unpacks programs of Debian packages that must not be installed, because they would
# replace a mail server or start one: Postfix, for smtp-source and smtp-sink. Needs apt-get's lists.
set -eu
folder=$1
[ -e "$folder/complete" ] && exit 0
mkdir -p "$folder"
cd "$folder"
apt-get -qq download postfix 2>/dev/null || {
    [ "$(id -u)" -eq 0 ] && apt-get -qq update
    apt-get -qq download postfix
}
for package in *.deb; do
    dpkg-deb -x "$package" root
    rm "$package"
done
touch complete

#!/bin/sh
# SPDX-License-Identifier: ISC
# peers.sh FOLDER: unpacks Debian packages that must not be installed, because they would replace a
# mail server or start one, or are wanted for a few files only. Needs apt-get's lists.
#   postfix                      smtp-source and smtp-sink; postmap and its tables
#   libpython3.11-testsuite, spamassassin   real messages, among their test data
set -eu
folder=$1
[ -e "$folder/complete" ] && exit 0
mkdir -p "$folder"
cd "$folder"
packages="postfix libpython3.11-testsuite spamassassin"
apt-get -qq download $packages 2>/dev/null || {
    [ "$(id -u)" -eq 0 ] && apt-get -qq update
    apt-get -qq download $packages
}
for package in *.deb; do
    dpkg-deb -x "$package" root
    rm "$package"
done
touch complete

#!/bin/sh
# SPDX-License-Identifier: ISC
# peers.sh FOLDER: unpacks Debian packages that must not be installed, because they would replace a
# mail server or start one, or are wanted for a few files only. Needs apt-get's lists.
#   postfix, postfix-*           smtp-source and smtp-sink; postmap and its tables
#   dovecot-core, dovecot-lmtpd  a mail store with LMTP; then libraries that it needs
#   fetchmail                    a client that sends ETRN
#   pflogsumm, fail2ban         readers of the log
#   prometheus                  promtool
#   slapd, ldap-utils            a directory, and its commands
#   krb5-kdc, krb5-admin-server  a Kerberos realm, and libsasl2-modules-gssapi-mit to use it; then their libraries
#   cron                         a program that sends mail as soon as it starts
#   libpython3.11-testsuite, spamassassin   real messages, among their test data
set -eu
folder=$1
packages="postfix postfix-cdb postfix-ldap postfix-lmdb postfix-pcre postfix-sqlite dovecot-core dovecot-lmtpd
    slapd ldap-utils libargon2-1 libodbc2
    krb5-kdc krb5-admin-server libsasl2-modules-gssapi-mit libev4 libgssrpc4 libkadm5srv-mit12 libkdb5-10
    libss2 libverto1 libverto-libev1
    libapparmor1 libexttextcat-2.0-0 liblua5.4-0
    libsodium23 libstemmer0d libtirpc3 libunwind8 libwrap0 fetchmail cron
    pflogsumm fail2ban prometheus libpython3.11-testsuite spamassassin"
[ "$(cat "$folder/complete" 2>/dev/null)" = "$packages" ] && exit 0
mkdir -p "$folder"
cd "$folder"
apt-get -qq download $packages 2>/dev/null || {
    [ "$(id -u)" -eq 0 ] && apt-get -qq update
    apt-get -qq download $packages
}
for package in *.deb; do
    dpkg-deb -x "$package" root
    rm "$package"
done
printf '%s\n' "$packages" >complete

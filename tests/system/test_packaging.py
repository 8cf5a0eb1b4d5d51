# SPDX-License-Identifier: ISC
"""What a distribution gets: systemd's files, the sample configuration, the manual."""

import os
import re
import shutil
import subprocess

import pytest

from client import send
from daemon import BIN, BUILD, ROOT, wait_for
from test_sdk import install, one, run

UNIT = BUILD / "packaging" / "sluice.service"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT ROOT: capabilities cannot be cut")


def unit_value(key):
    """All words of a setting of the unit."""
    return " ".join(re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.M)).split()


# ---- systemd -------------------------------------------------------------------------------------


def test_the_unit_makes_sense_to_systemd(tmp_path):
    unit = tmp_path / "sluice.service"
    unit.write_text(re.sub(r"/\S*/sbin/", f"{BIN}/", UNIT.read_text()))
    # man:...: the pages are not installed here
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], text=True,
                          capture_output=True, timeout=60)
    said = [line for line in done.stderr.splitlines() if "sluice" in line]
    assert done.returncode == 0 and said == [], done.stderr


def test_systemd_makes_the_users_and_folders(tmp_path):
    install(tmp_path / "usr")
    root = tmp_path
    (root / "etc").mkdir()
    run("systemd-sysusers", f"--root={root}", root / "usr/lib/sysusers.d/sluice.conf")
    users = dict(line.split(":")[0::2] for line in
                 (f"{':'.join(row.split(':')[:3])}" for row in (root / "etc/passwd").read_text().splitlines()))
    assert {"sluice", "sluice-net"} <= set(users) and users["sluice"] != users["sluice-net"]
    assert "sluicedrop:" in (root / "etc/group").read_text()
    if os.geteuid() != 0:
        return  # the folders belong to those users
    run("systemd-tmpfiles", f"--root={root}", "--create", root / "usr/lib/tmpfiles.d/sluice.conf")
    queue = (root / "var/spool/sluice").stat()
    assert queue.st_mode & 0o7777 == 0o700 and queue.st_uid == int(users["sluice"])
    assert (root / "run/sluice").stat().st_mode & 0o7777 == 0o755


def under_the_unit(daemon, *before, environment=None):
    """Starts the daemon with the capabilities that the unit leaves, and no new privileges."""
    kept = ",".join("+" + word.removeprefix("CAP_").lower() for word in unit_value("CapabilityBoundingSet"))
    program = daemon.folder / "sluiced"
    program.write_text(f'#!/bin/sh\nexec setpriv --bounding-set=-all,{kept} --no-new-privs '
                       f'{" ".join(map(str, before))} {BIN}/sluiced "$@"\n')
    program.chmod(0o755)
    daemon.bin = daemon.folder
    daemon.start(wait=False, environment=environment)
    daemon.bin = BIN
    daemon.wait_until_ready()


@needs_root
def test_the_capabilities_of_the_unit_are_enough(make_daemon, sink):
    daemon = make_daemon(start=False)
    daemon.change({"relay_domains": ["customer.tld"], "transport_maps": [
        daemon.table("transport", f"customer.tld relay:{sink.nexthop}\n")]})
    under_the_unit(daemon)
    send(daemon.port)
    wait_for(lambda: sink.count == 1)
    os.kill(daemon.roles()["deliver 0"], 9)
    send(daemon.port)
    wait_for(lambda: sink.count == 2)
    assert daemon.stop() == 0


def allowed_calls():
    """The names of all system calls that the unit's filter lets through."""
    names = set()
    wanted = unit_value("SystemCallFilter")
    while wanted:
        word = wanted.pop()
        if not word.startswith("@"):
            names.add(word)
            continue
        listed = run("systemd-analyze", "syscall-filter", word)
        wanted += [line.strip() for line in listed.splitlines()[1:]
                   if line.strip() and not line.strip().startswith("#")]
    return names


@needs_root
def test_the_system_calls_of_all_roles_pass_the_filter(make_daemon, sink):
    """Those of a table with a process of its own, which keeps its answers on disk, too."""
    daemon = make_daemon(start=False)
    transport = daemon.table("transport", f"customer.tld relay:{sink.nexthop}\n")
    daemon.change({"relay_domains": ["customer.tld"], "transport_maps": [transport],
                   "tables": [{"name": transport.removeprefix("hash:"), "plugin": "hash", "isolate": True}]})
    calls = daemon.folder / "calls"
    under_the_unit(daemon, "strace", "-D", "-f", "-qq", "-c", "-S", "name", "-U", "name", "-o", calls,
                   environment={"ASAN_OPTIONS": "detect_leaks=0"})  # it traces too
    send(daemon.port)
    send(daemon.port, content=b"Subject: large\r\n\r\n" + b"x" * 60 * 2000 + b"\r\n")
    wait_for(lambda: sink.count == 2)
    daemon.command("sluice", "queue", "list")
    assert daemon.stop() == 0
    wait_for(lambda: "fdatasync" in calls.read_text())  # strace ends after the daemon
    used = set(calls.read_text().split()) - {"syscall", "name", "total"}
    used = {name for name in used if re.fullmatch(r"[a-z0-9_]+", name)}
    assert {"read", "fdatasync", "accept4"} <= used
    assert used - allowed_calls() == set()


# ---- files ---------------------------------------------------------------------------------------


def test_the_sample_configuration_is_what_it_says(make_daemon, tmp_path):
    """It checks as it is, and its defaults are the defaults."""
    install(tmp_path)
    text = one(tmp_path / "share" / "sluice", "sluice.conf").read_text()
    daemon = make_daemon(start=False)
    daemon.config.write_text(text + f'\nplugin_directory = "{BUILD}/plugins";\n')
    daemon.command("sluiced", "-t")
    shown = dict(re.findall(r'^#(\w+) += +"?([^"\[(;]+)"?;', text, re.M))
    source = (ROOT / "core/config/parameters.c").read_text().split("transport_parameters[]")[0]
    defaults = dict(re.findall(r'^    \{"(\w+)", SLUICE_OPT_\w+, \w+,\s+"([^"]*)"', source, re.M))
    assert len(shown) > 10
    wrong = {name: (value, defaults[name]) for name, value in shown.items()
             if name in defaults and value != defaults[name]}
    assert wrong == {}


def test_programs_lie_where_programs_look_for_them(tmp_path):
    """With DESTDIR, as packages are made; nothing is written elsewhere, and nothing is set-group-ID."""
    run("cmake", "--install", BUILD, "--prefix", "/usr", env=dict(os.environ, DESTDIR=str(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["usr"]
    usr = tmp_path / "usr"
    assert {path.name: os.readlink(path) for path in (usr / "bin").iterdir()} == {
        "mailq": "../sbin/sendmail", "newaliases": "../sbin/sendmail"}
    assert {"sluiced", "sluice", "sendmail", "postdrop"} <= {path.name for path in (usr / "sbin").iterdir()}
    assert not [path for path in usr.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o7000]
    (tmp_path / "sluice.conf").write_text('alias_database = "";\n')
    run(usr / "bin/newaliases", env=dict(os.environ, MAIL_CONFIG=str(tmp_path)))
    doc = usr / "share/doc/sluice"
    assert "ISC License" in (doc / "LICENSE").read_text()
    assert "Zero Clause" in (doc / "LICENSE.sdk").read_text()
    assert "olcObjectClasses" in (doc / "example/ldap-relay/schema.ldif").read_text()
    guides = {path.name for path in (ROOT / "doc").glob("guide-*.md")}
    assert guides <= {path.name for path in doc.iterdir()}
    for page in doc.glob("guide-*.md"):  # what they refer to is there too
        names = re.findall(r"`doc/([\w-]+\.md)`", page.read_text())
        assert [name for name in names if not (doc / name).exists()] == [], page.name


def build_elsewhere(folder, build):
    """Builds a plugin and a program from a copy of the source in folder; returns what came out."""
    for name in ("CMakeLists.txt", "LICENSE", "README.md", "cmake", "cmd", "core", "doc", "packaging", "plugins", "sdk"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    run("cmake", "-S", folder, "-B", build, "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DSLUICE_TESTS=OFF")
    run("cmake", "--build", build, "--target", "plugin-lookup-hash", "core-base")
    return {path.relative_to(build): path.read_bytes()
            for pattern in ("plugins/*/*.so", "lib/*.a") for path in build.rglob(pattern)}


@pytest.mark.long
def test_a_build_is_the_same_wherever_its_folders_are(tmp_path):
    (tmp_path / "deeper/source").mkdir(parents=True)
    (tmp_path / "one").mkdir()
    first = build_elsewhere(tmp_path / "one", tmp_path / "one/build/release")
    second = build_elsewhere(tmp_path / "deeper/source", tmp_path / "out")
    assert len(first) == 3 and first == second  # the plugin, its part of the common code, core's


# ---- the manual ----------------------------------------------------------------------------------


def pages(prefix):
    return sorted(prefix.rglob("man/man*/*"))


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_pages_are_clean(tmp_path):
    install(tmp_path)
    for page in pages(tmp_path):
        done = subprocess.run(["groff", "-man", "-ww", "-z", "-Tutf8", page], text=True,
                              capture_output=True, timeout=30)
        assert done.stderr == "", f"{page.name}: {done.stderr}"
        if not page.read_text().startswith(".so "):
            assert ".SH NAME" in page.read_text(), page.name


def test_the_manual_names_every_parameter(tmp_path):
    install(tmp_path)
    manual = one(tmp_path, "sluice.conf.5").read_text().replace("\\-", "-")
    source = (ROOT / "core/config/parameters.c").read_text()
    names = re.findall(r'^    \{"(\w+)", SLUICE_OPT_\w+, (.*?),', source, re.M)
    assert len(names) > 50
    missing = [name for name, flags in names
               if "INTERNAL" not in flags and f".B {name}\n" not in manual]
    assert missing == []


def test_the_manual_has_all_that_postconf_shows(tmp_path):
    """Also the options of plugins that are parameters, and what each transport has, with and without its name."""
    install(tmp_path)
    pages = page_text(tmp_path, "sluice.conf") + page_text(tmp_path, "sluice-plugins")
    named = set(re.findall(r"^\.BR? \"?([\w-]+)", pages, re.M))
    computed = set(re.findall(r'\{"(\w+)", \w+, OPTION_INTERNAL', (ROOT / "core/config/parameters.c").read_text()))
    transports = "|".join(("smtp", "relay", "etrn-only", "error", "retry", "discard", "local", "virtual"))
    shown = {line.split(" =")[0] for line in run(BIN / "postconf", "-d").splitlines()} - computed
    assert len(shown) > 200 and set(transports.split("|")) <= named
    missing = {name for name in shown - named if re.sub(rf"^({transports})_", "", name) not in named}
    assert missing == set()


def commands(prefix):
    return {path.name for folder in ("bin", "sbin") for path in (prefix / folder).iterdir()}


def test_every_command_has_a_page(tmp_path):
    install(tmp_path)
    named = {page.name.rsplit(".", 1)[0] for page in pages(tmp_path)}
    assert commands(tmp_path) - named == set()


def page_text(prefix, name):
    """The source of a page, without roff's marks inside of lines."""
    return re.sub(r"\\f[BIPR]", "", one(prefix, f"{name}.[1-9]").read_text()).replace("\\-", "-")


@pytest.mark.parametrize("command, source", [
    ("sluiced", "core/master/main.c"), ("sluice", "cmd/sluice.c"), ("sendmail", "cmd/sendmail.c"),
    ("postqueue", "cmd/postqueue.c"), ("postsuper", "cmd/postsuper.c"), ("postcat", "cmd/postcat.c"),
    ("postdrop", "cmd/postdrop.c"), ("postmap", "cmd/postmap.c"), ("postalias", "cmd/postmap.c"),
    ("postconf", "cmd/postconf.c")])
def test_the_page_names_every_option(tmp_path, command, source):
    install(tmp_path)
    text = (ROOT / source).read_text()
    letters = "".join(re.findall(r'getopt(?:_long)?\(\w+, \w+, "([^"]*)"|#define (?:%s_)?OPTIONS "([^"]*)"' % command.upper(),
                                 text)[0])
    words = re.findall(r'\{"([a-z]+)", (?:no|required)_argument, NULL', text)
    page = page_text(tmp_path, command).split(".SH OPTIONS")[1]
    options = [f"-{letter}" for letter in letters.replace(":", "")]
    options += [f"--{word}" for word in words if word != "role"]  # the master's own
    assert len(options) > 1
    assert [option for option in options if not re.search(rf"(?<![\w-]){option}(?![a-z])", page)] == []


def test_the_page_of_sluice_names_every_command(tmp_path):
    install(tmp_path)
    table = (ROOT / "cmd/sluice.c").read_text().split("commands[] = {")[1].split("};")[0]
    named = [" ".join(word for word in row if word) for row in
             re.findall(r'\{"(\w+)", (?:"(\w+)"|NULL)', table)]
    page = page_text(tmp_path, "sluice").split(".SH COMMANDS")[1]
    assert len(named) > 10
    assert [name for name in named if not re.search(rf"^\.TP\n.*{name}", page, re.M)] == []


def test_every_plugin_has_a_section(tmp_path):
    plugins = install(tmp_path)
    page = page_text(tmp_path, "sluice-plugins")
    names = {path.stem for path in plugins.rglob("*.so")}
    assert len(names) > 10
    assert [name for name in names if f".SS {name}\n" not in page] == []

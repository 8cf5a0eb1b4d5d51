# SPDX-License-Identifier: ISC
"""The installed SDK: what a plugin author gets, and nothing of the source tree beside it.

Installs into an empty prefix, builds every template outside of the tree against that prefix, with
CMake and with make, and runs the contract test of plugins on the results.
"""

import os
import pathlib
import shutil
import subprocess

import pytest

from daemon import BUILD

PLUGINS = {
    "lookup": "lookup/subdomains",
    "transport": "transport/audited",
    "nexthop": "transport/fixed",
    "deferral": "queue/hourly",
    "access": "access/helo",
    "queue": "queue/counted",
}


def run(*command, env=None):
    done = subprocess.run([str(word) for word in command], env=env, text=True, errors="replace",
                          timeout=120, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return done.stdout


def install(prefix, build=BUILD):
    """Installs the build into prefix, and returns the folder of its plugins."""
    run("cmake", "--install", build, "--prefix", prefix)
    return one(prefix, "sluice/plugins")


def one(folder, pattern):
    found = list(pathlib.Path(folder).rglob(pattern))
    assert len(found) == 1, f"{pattern} in {folder}: {found}"
    return found[0]


def copy_template(prefix, kind, folder):
    """A plugin author's own repository: a copy of the installed template."""
    shutil.copytree(pathlib.Path(prefix) / "share/sluice/template" / kind, folder)
    return folder


def environment(prefix):
    return dict(os.environ, PKG_CONFIG_PATH=str(one(prefix, "pkgconfig")),
                CFLAGS="-Wpedantic -Wshadow -Wmissing-prototypes -Werror")


def build_with_cmake(prefix, source, build):
    run("cmake", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}",
        "-DCMAKE_C_FLAGS=-Wall -Wextra -Wpedantic -Wmissing-prototypes -Werror")
    run("cmake", "--build", build)
    return one(build, "*.so")


def build_with_make(prefix, source):
    run("make", "-C", source, env=environment(prefix))
    return one(source, "*.so")


def check(kit, plugin, name):
    run(kit / "contract-plugin", plugin, name)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prefix")
    install(folder)
    return folder


@pytest.fixture(scope="module")
def kit(prefix, tmp_path_factory):
    """The conformance kit, built from what is installed."""
    folder = tmp_path_factory.mktemp("kit")
    run("cmake", "-S", prefix / "share/sluice/conformance", "-B", folder, "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror",
        f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", folder)
    return folder / "tests"


def test_what_is_installed(prefix):
    plugins = one(prefix, "sluice/plugins")
    assert (plugins / "lookup/hash.so").is_file()
    assert (plugins / "queue/backoff.so").is_file()
    headers = {path.name for path in (prefix / "include/sluice").iterdir()}
    assert {"types.h", "plugin.h", "host.h", "lookup.h", "transport.h", "nexthop.h", "queue.h",
            "deferral.h", "access.h"} <= headers
    assert not [path for path in prefix.rglob("*") if path.suffix in (".a", ".c")
                and not {"template", "conformance"} & set(path.parts)]


def test_pkg_config_is_relocatable(prefix, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(prefix, moved)
    flags = run("pkg-config", "--cflags", "--libs", "sluice-sdk", env=environment(moved))
    plugins = run("pkg-config", "--variable=plugindir", "sluice-sdk", env=environment(moved))
    map_file = flags.split("--version-script=")[1].split()[0]
    include = flags.split("-I")[1].split()[0]
    assert pathlib.Path(map_file).is_file() and str(moved) in map_file
    assert (pathlib.Path(include) / "sluice/plugin.h").is_file()
    assert pathlib.Path(plugins.strip()).is_dir()


@pytest.mark.parametrize("kind", PLUGINS)
def test_template_with_cmake(prefix, kit, tmp_path, kind):
    source = copy_template(prefix, kind, tmp_path / kind)
    check(kit, build_with_cmake(prefix, source, tmp_path / "build"), PLUGINS[kind])
    run("cmake", "--install", tmp_path / "build")
    assert (one(prefix, "sluice/plugins") / f"{PLUGINS[kind]}.so").is_file()


@pytest.mark.parametrize("kind", PLUGINS)
def test_template_with_make(prefix, kit, tmp_path, kind):
    source = copy_template(prefix, kind, tmp_path / kind)
    check(kit, build_with_make(prefix, source), PLUGINS[kind])
    run("make", "-C", source, f"DESTDIR={tmp_path / 'dest'}", "install", env=environment(prefix))
    assert (one(tmp_path / "dest", "sluice/plugins") / f"{PLUGINS[kind]}.so").is_file()


@pytest.mark.parametrize("kind, arguments", [
    ("lookup", ["customer.tld", "customer.tld", "OK", "a.b.customer.tld", "OK"]),
    ("access", []),
    ("deferral", []),
])
def test_the_template_keeps_the_contract(prefix, kit, tmp_path, kind, arguments):
    source = copy_template(prefix, kind, tmp_path / kind)
    run(kit / f"contract-{kind}", build_with_make(prefix, source), *arguments)


def test_a_second_symbol_is_warned_of(prefix, tmp_path):
    source = copy_template(prefix, "deferral", tmp_path / "deferral")
    text = (source / "hourly.c").read_text()
    plugins = tmp_path / "plugins"
    (plugins / "queue").mkdir(parents=True)
    config = tmp_path / "sluice.conf"
    config.write_text(f'myhostname = "mx.isp.example"; plugin_directory = "{plugins}";\n')
    for is_shown in (False, True):
        if is_shown:
            (source / "hourly.c").write_text(text + "\nSLUICE_EXPORT int helper(void);\n"
                                             "int helper(void)\n{\n    return 1;\n}\n")
        built = plugins / "queue/hourly.so"
        run("cc", "-shared", "-fPIC", "-fvisibility=hidden", f"-I{prefix}/include",
            source / "hourly.c", "-o", built)
        said = run(BUILD / "bin/sluice", "-c", config, "plugin", "check", "hourly")
        assert "can be loaded and used" in said
        assert ("exports 2 symbols" in said) == is_shown


def test_a_symbol_that_is_nobodys_does_not_link(prefix, tmp_path):
    source = copy_template(prefix, "deferral", tmp_path / "deferral")
    text = (source / "hourly.c").read_text()
    (source / "hourly.c").write_text(text.replace(
        "    (void)deferral;\n    if", "    extern void core_secret(void);\n    core_secret();\n"
        "    (void)deferral;\n    if"))
    with pytest.raises(AssertionError, match="core_secret"):
        build_with_make(prefix, source)

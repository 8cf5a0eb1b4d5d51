# SPDX-License-Identifier: ISC
"""
Recipients, domains and routes in slapd's directory: look-ups, what one costs, and the relay that has all
of them there, beside the same in hash: tables.
"""

import contextlib
import json
import subprocess

from load import Sink, source
from places import BUILD, PROGRAMS, fresh
from processes import cpu_seconds, is_idle
from relay import through
from scenario import register

from daemon import ENVIRONMENT, wait_for
from directory import BASE, Directory, recipient, recipients

ENTRIES = 100000
USERS = 5000  # that mail comes for again and again
SESSIONS = 50
DOMAIN = "sink.example"
NOBODY = 9  # discard: nothing goes there
TABLE = f"search_base = {BASE}\nversion = 3\nbind = no\n"
# What each parameter's table asks for, and what of an entry it takes.
TABLES = {
    "relay_domains": "query_filter = (cn=%s)\nresult_attribute = cn\n",
    "transport_maps": "query_filter = (cn=%s)\nresult_attribute = mailtransport\n",
    "relay_recipient_maps": "query_filter = (mailacceptinggeneralid=%s)\n",
}


def directory(ldif=""):
    return Directory(fresh("slapd"), recipients(ENTRIES, DOMAIN) + ldif, debug="none")


def route(sink_port):
    return f"relay:[127.0.0.1]:{sink_port}"


def in_directory(slapd, parameters, prefix=""):
    """Settings: those parameters' tables."""
    for name in parameters:
        (slapd.folder / name).write_text(f"server_host = {slapd.url}\n{TABLE}{TABLES[name]}")
    return {name: f"{prefix}ldap:{slapd.folder / name}" for name in parameters}


def in_files(sink_port, parameters, users):
    """The same from files."""
    texts = {"relay_domains": f"{DOMAIN} x\n", "transport_maps": f"{DOMAIN} {route(sink_port)}\n",
             "relay_recipient_maps": "".join(f"user{i}@{DOMAIN} x\n" for i in range(users))}
    folder = fresh("tables")
    folder.mkdir()
    for name in parameters:
        (folder / name).write_text(texts[name])
        subprocess.run([BUILD / "bin/postmap", f"hash:{folder / name}"], check=True, env=ENVIRONMENT)
    return {name: f"hash:{folder / name}" for name in parameters}


# ---- look-ups ------------------------------------------------------------------------------------


class Asker:
    """Sessions that ask for one recipient after the other; they stay until it is closed."""

    def __init__(self, port, questions, sessions, users=0):
        self.process = subprocess.Popen(
            [PROGRAMS / "bench-ask", "-s", str(sessions), "-m", str(questions), "-u", str(users), "-t", DOMAIN,
             f"127.0.0.1:{port}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.found = json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate(timeout=60)


def connections(port):
    """At the server."""
    wanted = f"0100007F:{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as lines:
        return sum(fields[1] == wanted and fields[3] == "01" for fields in map(str.split, lines))


def settings_of(tables, count):
    return {**tables, "smtpd_recipient_limit": min(count + 1, 100000)}  # for one session; that is the most


def look_up(kind, count, sessions, prefix=""):
    """Each RCPT asks for another address, so that no cache answers."""
    with directory() as slapd:
        tables = in_directory(slapd, ["relay_recipient_maps"], prefix)
        with kind(NOBODY, settings=settings_of(tables, count)) as mta:
            pids = mta.pid, slapd.process.pid
            before = [cpu_seconds(pid) for pid in pids]
            with Asker(mta.port, count, sessions) as asker:
                own, searching = (cpu_seconds(pid) - then for pid, then in zip(pids, before))
                held = connections(slapd.port)
        found = asker.found
        return {"per_s": count / found["seconds"], "cpu_s_per_1000": own / count * 1000,
                "slapd_cpu_s_per_1000": searching / count * 1000, "connections": held,
                "source_share": found["cpu_s"] / found["seconds"],
                **{name: found[name] for name in ("p50_ms", "p99_ms", "p999_ms")}}


def limit(_, count, number):
    """slapd's own: a client that does nothing but search, over so many connections."""
    with directory() as slapd:
        before = cpu_seconds(slapd.process.pid)
        done = subprocess.run(
            [PROGRAMS / "bench-search", "-c", str(number), "-w", str(SESSIONS // number), "-m", str(count),
             "-u", str(ENTRIES), "-t", DOMAIN, "-b", BASE, slapd.url],
            capture_output=True, text=True, timeout=120, check=True)
        searching = cpu_seconds(slapd.process.pid) - before
    found = json.loads(done.stdout)
    return {"per_s": count / found["seconds"], "cpu_s_per_1000": found["cpu_s"] / count * 1000,
            "slapd_cpu_s_per_1000": searching / count * 1000, "connections": number}


def cpu_of_asking(kind, count, tables):
    """µs of CPU for an RCPT, once all answers are known."""
    with kind(NOBODY, settings=settings_of(tables, count)) as mta:
        with Asker(mta.port, 2 * USERS, SESSIONS, USERS):
            pass
        wait_for(lambda: is_idle(mta.pid), 60)
        before = cpu_seconds(mta.pid)
        with Asker(mta.port, count, SESSIONS, USERS):
            return (cpu_seconds(mta.pid) - before) / count * 1e6


def cached(kind, count):
    """What a look-up adds to an RCPT: answered from what the lookup process has, and from a hash: table."""
    with directory() as slapd:
        parameters = ["relay_recipient_maps"]
        without = cpu_of_asking(kind, count, {})
        in_hash = cpu_of_asking(kind, count, in_files(NOBODY, parameters, USERS))
        in_ldap = cpu_of_asking(kind, count, in_directory(slapd, parameters))
    return {"rcpt_us": without, "hash_us": in_hash - without, "ldap_us": in_ldap - without}


# ---- the relay -----------------------------------------------------------------------------------


def relay(kind, count, type_of_tables, prefix=""):
    """Domains, routes and recipients from tables of that type, once all answers are known."""
    load = "-d", "-u", str(USERS), "-t", DOMAIN
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(Sink(count + USERS))
        if type_of_tables == "ldap":
            slapd = stack.enter_context(directory(recipient(DOMAIN, mailtransport=route(sink.port))))
            tables = in_directory(slapd, TABLES, prefix)
        else:
            tables = in_files(sink.port, TABLES, USERS)
        mta = stack.enter_context(kind(sink.port, settings=tables))
        source(mta.port, USERS, *load)
        return through(sink, mta, count, *load)


register("ldap", look_up, {"sluice": 100000, "postfix": 30000}, SESSIONS)
register("ldap-proxy", look_up, {"postfix": 30000}, SESSIONS, "proxy:")
register("ldap-500", look_up, {"sluice": 100000}, 500)
for links in (1, 2, 4, SESSIONS):
    register(f"ldap-limit-{links}", limit, {"floor": 100000}, links)
register("ldap-cached", cached, {"sluice": 100000})
register("relay-hash", relay, {"sluice": 40000, "postfix": 3000}, "hash")
register("relay-ldap", relay, {"sluice": 40000, "postfix": 3000}, "ldap")
register("relay-ldap-proxy", relay, {"postfix": 3000}, "ldap", "proxy:")

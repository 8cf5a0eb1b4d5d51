# SPDX-License-Identifier: ISC
"""
Operators at random, while mail comes and goes: no message is lost, none is sent twice, and what is on
hold or suspended stays where it is.

One operator gives one command after the other, so that the model knows what holds at any time; what a
command was answered holds from then on, whatever is killed. A kill may cost the result of what is under
way: one more copy is forgiven for each.
"""

import json
import os
import random
import signal
import socket
import threading
import time

import pytest

from client import Client
from daemon import wait_for
from test_crash import numbered

SECONDS = 8
MESSAGES_MAX = 1500
KILLS_MAX = 5  # deliver is started again later each time
UNDER_WAY_MAX = 60  # two sites with 20 jobs each, and results that are not recorded yet
DOMAINS = ("held1.tld", "held2.tld", "straight.tld")


class Broken(Exception):
    """The daemon went away before it had answered: nobody knows what was done."""


def control(daemon, command, **members):
    """One command on the control socket; its lines, and the end."""
    def connect():
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(60)
        try:
            link.connect(str(daemon.folder / "run" / "control"))
            return link
        except OSError:
            link.close()
            return None

    with wait_for(connect, 30) as link:
        try:
            link.sendall(json.dumps({"command": command, **members}).encode() + b"\n")
            lines = [json.loads(line) for line in link.makefile("rb")]
        except (OSError, ValueError):
            raise Broken from None
    if not lines or not lines[-1].get("end"):
        raise Broken
    return lines[:-1], lines[-1]["status"]


class Sender(threading.Thread):
    """Messages with a number each, for one domain or for two."""

    def __init__(self, model, first):
        super().__init__()
        self.model = model
        self.first = first

    def run(self):
        chance = random.Random(self.first)
        number = self.first
        while not self.model.is_over.is_set() and number < MESSAGES_MAX:
            recipients = [f"u@{domain}" for domain in chance.sample(DOMAINS, chance.choice((1, 1, 2)))]
            try:
                with Client(self.model.daemon.port) as client:
                    reply = client.message("s@isp.example", recipients,
                                           f"X-Number: {number}\r\n\r\nx\r\n".encode())
            except (OSError, AssertionError):
                reply = ""  # perhaps taken; perhaps not
            if reply.startswith("250"):
                self.model.accepted(number, reply.rsplit(" ", 1)[1], recipients)
            else:
                self.model.doubtful.add(number)
            number += 2
            time.sleep(0.01)


class Model:
    def __init__(self, daemon, sink, seed, trouble):
        self.daemon = daemon
        self.sink = sink
        self.chance = random.Random(seed)
        self.trouble = trouble  # "none", "kill", "reload"
        self.is_over = threading.Event()
        self.recipients = {}   # number: its recipients
        self.ids = {}          # number: its queue id
        self.doubtful = set()  # numbers whose client was not told
        self.removed = set()   # numbers; also those of which nobody knows
        self.held = {}         # number: since when
        self.quiet = []        # (number or transport, from, to): nothing may have gone there then
        self.suspended = {}    # transport: since when
        self.kills = []
        self.done = {}         # command: how often

    def accepted(self, number, queue_id, recipients):
        self.recipients[number] = recipients
        self.ids[number] = queue_id

    # -- commands; each says what it knows

    def some(self):
        """Some messages that have not been removed: often one that may still be there."""
        numbers = [number for number in list(self.ids) if number not in self.removed]
        recent = numbers[-self.chance.choice((6, 60, len(numbers) + 1)):]
        return self.chance.sample(recent, min(len(recent), self.chance.choice((1, 1, 3, 20))))

    def on_some(self, verb):
        """The command for some; those that it was done to. Without an answer: to some of them."""
        numbers = self.some()
        by_id = {self.ids[number]: number for number in numbers}
        try:
            lines, _ = control(self.daemon, f"queue {verb}", ids=list(by_id))
            return numbers, {by_id[line["id"]] for line in lines if "id" in line}
        except Broken:
            return numbers, None

    def end_hold(self, numbers, now):
        for number in numbers:
            if number in self.held:
                self.quiet.append((number, self.held.pop(number), now))

    def hold(self):
        _, done = self.on_some("hold")
        for number in done or ():
            self.note_held(number)

    def note_held(self, number):
        """From now on it is quiet: what was under way has come to its end."""
        def has_ended():
            shown, _ = control(self.daemon, "queue show", id=self.ids[number])
            return not shown or all(recipient.get("schedule") != "attempted"
                                    for recipient in shown[0]["recipients"])

        wait_for(has_ended)
        self.held.setdefault(number, time.monotonic())

    def unhold(self):
        began = time.monotonic()
        numbers, _ = self.on_some("unhold")
        self.end_hold(numbers, began)

    def requeue(self):
        began = time.monotonic()
        numbers, _ = self.on_some("requeue")
        self.end_hold(numbers, began)

    def remove(self):
        if self.chance.random() < 0.5:  # not too many
            return
        numbers, done = self.on_some("remove")
        self.removed |= set(numbers) if done is None else done

    def on_all(self):
        if self.chance.random() < 0.8:  # holds are to last for some time
            return
        verb = self.chance.choice(("hold", "unhold", "requeue"))
        began = time.monotonic()
        before = list(self.ids)
        try:
            control(self.daemon, f"queue {verb}", id="ALL")
        except Broken:
            before = before if verb != "hold" else []
        if verb != "hold":
            self.end_hold(before, began)
            return
        for number in self.chance.sample(before, min(len(before), 10)):
            self.note_held(number)
        self.end_hold(list(self.held), time.monotonic())
        control(self.daemon, "queue unhold", id="ALL")  # or nothing would go for a long time

    def release(self):
        kind = self.chance.randrange(4)
        if kind == 0:
            control(self.daemon, "queue release", id="ALL")
        elif kind == 1:
            control(self.daemon, "site release", name=self.chance.choice(("@tld", "#etrn-only", "#relay")))
        elif kind == 2 and self.ids:
            control(self.daemon, "queue release", id=self.chance.choice(list(self.ids.values())))
        else:
            with Client(self.daemon.port) as client:
                client.command(f"ETRN {self.chance.choice(DOMAINS)}")

    def site(self, transport):
        return f"{transport}:{self.sink.nexthop}"

    def suspend(self):
        transport = self.chance.choice(("relay", "etrn-only"))
        _, status = control(self.daemon, "site suspend", name=self.site(transport), reason="model")
        assert status == "OK"
        wait_for(lambda: control(self.daemon, "site show", name=self.site(transport))[0][0]["jobs"] == 0)
        self.suspended.setdefault(transport, time.monotonic())

    def resume(self):
        for transport, since in list(self.suspended.items()):
            now = time.monotonic()
            control(self.daemon, "site resume", name=self.site(transport))
            self.quiet.append((transport, since, now))
            del self.suspended[transport]

    def look(self):
        ids = [line["queue_id"] for line in control(self.daemon, "queue list")[0]]
        assert len(ids) == len(set(ids))
        gone = {self.ids[number] for number in self.removed if number in self.ids}
        if self.trouble == "none":  # else a command that was cut short may have done nothing
            assert not gone & set(ids), "a message that was removed is listed"

    def kill(self):
        roles = {name: pid for name, pid in self.daemon.roles().items()
                 if name.split()[0] in ("queue", "deliver")}
        if self.trouble == "kill" and roles and len(self.kills) < KILLS_MAX and self.chance.random() < 0.2:
            os.kill(self.chance.choice(list(roles.values())), signal.SIGKILL)
            self.kills.append(time.monotonic())

    def reload(self):
        """The queue too hands over to another process; it costs nothing but an answer here and there."""
        if self.trouble == "reload" and self.chance.random() < 0.2:
            self.daemon.process.send_signal(signal.SIGHUP)

    def step(self):
        command = self.chance.choice((self.hold, self.hold, self.unhold, self.unhold, self.requeue,
                                      self.remove, self.on_all, self.release, self.release, self.release,
                                      self.suspend, self.resume, self.resume, self.look, self.kill,
                                      self.reload))
        try:
            command()
        except (Broken, OSError):
            assert self.trouble != "none", f"{command.__name__} was not answered"
        self.done[command.__name__] = self.done.get(command.__name__, 0) + 1

    # -- the end

    def settle(self):
        """Everything may go."""
        self.sink.replies.clear()
        wait_for(lambda: len(self.daemon.roles()) >= 3)
        self.end_hold(list(self.held), time.monotonic())

        def is_empty():
            try:  # a reload may still cut answers short
                self.resume()
                control(self.daemon, "queue unhold", id="ALL")
                control(self.daemon, "queue release", id="ALL")
                return control(self.daemon, "status")[0][0]["messages"] == 0
            except Broken:
                return False

        wait_for(is_empty, 60, 0.2)

    def check(self):
        arrivals = {}
        for message in list(self.sink.messages):
            for recipient in message.recipients:
                arrivals.setdefault((numbered(message), recipient.strip("<>")), []).append(message)
        for number, recipients in self.recipients.items():
            for recipient in recipients:
                count = len(arrivals.get((number, recipient), ()))
                assert count > 0 or number in self.removed, f"{number} {recipient} is lost"
        for (number, recipient), copies in arrivals.items():
            assert number in self.recipients or number in self.doubtful
            forgiven = sum(kill <= copies[-1].time for kill in self.kills)
            assert len(copies) <= 1 + forgiven, f"{number} {recipient} came {len(copies)} times"
        again = sum(len(copies) - 1 for copies in arrivals.values())
        assert again <= UNDER_WAY_MAX * len(self.kills), f"{again} copies"
        if not self.kills:  # a new queue does not know what deliver still does for the one before
            self.check_quiet()

    def check_quiet(self):
        """Nothing went while it was on hold, nor where a site was suspended."""
        for what, since, until in self.quiet:
            for message in self.sink.messages:
                transport = "relay" if "straight" in message.recipients[0] else "etrn-only"
                if what in (numbered(message), transport):
                    assert not since < message.time < until, \
                        f"{what} went {message.time - since} s after it was stopped"


@pytest.mark.parametrize("trouble", ["none", "kill", "reload"])
def test_operators_at_random(make_daemon, make_sink, trouble):
    def answer(_):
        time.sleep(random.choice((0, 0.02, 0.1)))  # so that much is under way
        return random.choice(("450 4.2.0 not now", ..., ...))

    sink = make_sink(replies={"RCPT": answer})
    daemon = make_daemon(start=False)
    daemon.change({
        "relay_domains": list(DOMAINS), "minimal_backoff_time": 1, "maximal_backoff_time": 2,
        "etrn_minimum_interval": 0,
        "transport_maps": [daemon.table("transport", "".join(
            f"{domain} {'relay' if domain == 'straight.tld' else 'etrn-only'}:{sink.nexthop}\n"
            for domain in DOMAINS))]})
    daemon.start()
    seed = int(os.environ.get("SLUICE_SEED", random.randrange(1 << 30)))
    print(f"SLUICE_SEED={seed}")
    model = Model(daemon, sink, seed, trouble)
    senders = [Sender(model, first) for first in (0, 1)]
    for sender in senders:
        sender.start()
    try:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            model.step()
    finally:
        model.is_over.set()
        for sender in senders:
            sender.join(90)
    model.settle()
    model.check()
    print(f"{len(model.ids)} messages, {len(sink.messages)} deliveries, {len(model.removed)} removed, "
          f"{len(model.kills)} kills, commands: {model.done}")
    assert len(sink.messages) > 50 and sum(model.done.values()) > 20

# SPDX-License-Identifier: ISC
"""
Postfix beside Sluice: the same settings, tables, names and peers, and the same transactions; replies, routes,
delivered bytes and reports are compared. A difference has its row in doc/differences.md, or is a mistake.
The cases and the spec's numbers are in beside/.
"""

import contextlib
import email
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

import peers
from beside.addresses import ACCEPTING, ADDRESSES
from beside.case import Mail, Talk
from beside.delivery import DEFERRED, DELIVERY, EXPIRED, FALLBACK, RELAYHOST
from beside.protocol import PROTOCOL
from beside.restricted import BACKUP_NETWORKS, RESTRICTED
from beside.routing import ROUTING
from beside.settings import FAILING, FAILING_DOMAINS, LISTS, STRICT, UNAVAILABLE
from beside.side import PostfixSide, SluiceSide, settings_of
from daemon import ROOT, wait_for
from namespaces import require_networks

GROUPS = [PROTOCOL, RESTRICTED, BACKUP_NETWORKS, ADDRESSES, ACCEPTING, ROUTING, DELIVERY, RELAYHOST, FALLBACK, DEFERRED,
          EXPIRED, STRICT, LISTS, FAILING, FAILING_DOMAINS, UNAVAILABLE]
DIFFERENCES = (ROOT / "doc" / "differences.md").read_text()


@pytest.fixture(params=GROUPS, ids=str)
def group(request):
    return request.param


@pytest.fixture
def sides(group, folder):
    """Postfix's and ours."""
    require_networks()
    peers.require()
    tables = folder / "tables"
    tables.mkdir(mode=0o755)
    settings = settings_of(group, tables)
    kinds = (PostfixSide, SluiceSide)
    with ThreadPoolExecutor(len(kinds)) as pool, contextlib.ExitStack() as stack:
        starting = [pool.submit(kind, folder / kind.name, group, settings) for kind in kinds]
        wait(starting)
        for side in starting:
            if side.exception() is None:
                stack.callback(side.result().close)
        yield [side.result() for side in starting]


# ---- judging -----------------------------------------------------------------------------------------


def judge(case, theirs, ours):
    """What is wrong, as text; None: nothing."""
    if case.differs is None:
        return None if theirs == ours else "they differ"
    if f"\n| {case.differs} |" not in DIFFERENCES:
        return f"doc/differences.md has no row {case.differs!r}"
    return f"no difference any more: {case.differs}" if theirs == ours else None


def show(case, faults, theirs, ours):
    """Lines that both have, and what Postfix (P) and Sluice (S) have instead of each other."""
    lines = [f"{case.name}: {', '.join(faults)}"]
    for left, right in zip(theirs, ours):
        lines.append(f"    {left}" if left == right else f"  P {left}\n  S {right}")
    return "\n".join(lines)


def verdict(case, expected, found, theirs, ours):
    faults = [judge(case, theirs, ours)]
    if found != expected:
        faults.append(f"Postfix has {found}, expected is {expected}")
    faults = [fault for fault in faults if fault]
    return show(case, faults, theirs, ours) if faults else None


# ---- sessions ----------------------------------------------------------------------------------------


def judge_talk(case, said):
    expected = [codes.split() for _, codes in case.lines()]
    found = [[reply[:3] or "EOF" for reply in replies] for _, replies in said[0]]
    return verdict(case, expected, found, *said)


# ---- messages ----------------------------------------------------------------------------------------


class Passage:
    """A message's way through both."""

    def __init__(self, case, number, sides):
        self.case = case
        self.sides = sides
        self.sender = "" if case.sender is None else case.sender or f"m{number}@sender.tld"
        submitted = [side.submit(case, self.sender) for side in sides]
        self.replies = [replies for replies, _ in submitted]
        self.ids = [queue_id for _, queue_id in submitted]

    def is_settled(self):
        return all(queue_id is None or self._is_settled(side, queue_id)
                   for side, queue_id in zip(self.sides, self.ids))

    def _is_settled(self, side, queue_id):
        results = side.results(queue_id)
        if results is None:
            return False
        is_reported = self.case.is_reported
        if is_reported is None:
            is_reported = any("status=bounced" in result for result in results)
        return not is_reported or not self.sender.endswith("@sender.tld") or \
            side.reports_to(self.sender) != []

    def outcome(self, index):
        side, case = self.sides[index], self.case
        queue_id = self.ids[index]
        return [
            *self.replies[index],
            *((side.results(queue_id) or []) if queue_id else []),
            f"contacted: {side.contacted(case.peers) if case.has_order else sorted(side.contacted(case.peers))}",
            *(f"{place}: {message}" for place in case.peers for message in side.deliveries(place, self.sender)),
            *(field for report in side.reports_to(self.sender) for field in report_fields(report, case.differs is not None)),
        ]

    def verdict(self):
        theirs, ours = self.outcome(0), self.outcome(1)
        expected = [self.case.fate] if isinstance(self.case.fate, str) else self.case.fate
        found = [f"{status} {dsn}" for line in theirs
                 for dsn, status in re.findall(r", dsn=(\S+), status=(\w+)", line)] or \
            [next((reply[:3] for reply in self.replies[0] if reply[0] in "45"), "250")]
        return verdict(self.case, sorted(set(expected)), sorted(set(found)), theirs, ours)


REPORT_FIELDS = ("Reporting-MTA", "Original-Envelope-Id", "Final-Recipient", "Original-Recipient", "Action",
                 "Status", "Remote-MTA", "Diagnostic-Code")


def report_fields(report, is_exact):
    """What a program reads of it: spec Q-70 to Q-73."""
    message = email.message_from_bytes(report.data)
    parts = message.get_payload()
    blocks = sorted(str([f"{name}: {' '.join(block[name].split())}" for name in REPORT_FIELDS if block[name]])
                    for block in parts[1].get_payload())
    if not is_exact:  # see "Original-Recipient in reports"
        blocks = [re.sub(r"(Final-Recipient: rfc822; (\S+)'), 'Original-Recipient: rfc822;\2'", r"\1", block)
                  for block in blocks]
    return [report.mail.split(" ")[0], message["Subject"], message["From"], message["To"], message["Auto-Submitted"],
            *(part.get_content_type() for part in parts), *blocks]


def pass_on(cases, sides):
    passages = [Passage(case, number, sides) for number, case in enumerate(cases)]
    with contextlib.suppress(AssertionError):  # what is missing is told case by case
        wait_for(lambda: all(passage.is_settled() for passage in passages), 20, 0.1)
    return [passage.verdict() for passage in passages]


# ---- the log -----------------------------------------------------------------------------------------


def compare_logs(talks, said, sides):
    """M-36: the same lines, but for what the sessions that differ have got."""
    excused = {reply for talk, pair in zip(talks, said) if talk.differs for replies in pair
               for _, several in replies for reply in several}

    def lines(side):
        return Counter(line for line in side.refusals() if not any(reply and reply in line for reply in excused))

    with contextlib.suppress(AssertionError):  # lines come late
        wait_for(lambda: lines(sides[0]) == lines(sides[1]), 3)
    theirs, ours = map(lines, sides)
    return "\n".join(["the logs differ", *(f"  P {line}" for line in theirs - ours),
                      *(f"  S {line}" for line in ours - theirs)]) if theirs != ours else None


def test_beside(group, sides):
    talks = [case for case in group.cases if isinstance(case, Talk)]
    said = [[side.talk(case) for side in sides] for case in talks]
    wrong = [judge_talk(case, pair) for case, pair in zip(talks, said)]
    wrong.append(compare_logs(talks, said, sides))
    wrong += pass_on([case for case in group.cases if isinstance(case, Mail)], sides)
    wrong = [text for text in wrong if text]
    assert not wrong, "\n\n".join(wrong)

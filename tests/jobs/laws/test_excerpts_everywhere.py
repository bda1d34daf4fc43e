"""A text that is stored or shown is cut in one way, by `jobs.lib.excerpts`, which masks secrets
first.

A secret that is cut before it is masked leaves its first half in clear. So any other means of
cutting is looked for in the code: slices, formats with a precision, functions and template filters
made for it. What is sliced and is no text is listed here, expression by expression.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

BASE = Path(__file__).resolve().parents[3]
# The mask itself and what is cut there; numbers and sounds of the studio; what Django wrote.
OTHERS = ("jobs/lib/excerpts.py", "jobs/lib/secret_spellings.py", "songs/studio/", "migrations/")
FEW = 5  # characters that tell nothing
CUTTERS = {
    *("shorten", "truncate", "Truncator", "truncatechars", "truncatewords", "slicefilter"),
    *("first_lines", "Left", "Right", "Substr"),
}
# A number with a point in it ends with its type: “.1f”.
PRECISION = re.compile(r"\.(\d+|\{\})s?$")
IN_A_FORMAT = re.compile(r"%[-+ #0]*\d*\.\d+[sra]|\{[^{}]*:[^{}]*\.\d+s?\}")
SQL = re.compile(r"\b(left|right|substr|overlay)\s*\(", re.IGNORECASE)
QUERY = re.compile(r"\.(filter|exclude|order_by|values|values_list|all)\(")
NO_TEXTS = {
    "jobs/admin/bulk_actions.py": {
        "fitting[:MAX_AT_ONCE]",
        "fitting[:MAX_AT_ONCE + 1]",
        "allowed[:MAX_AT_ONCE]",
        "rest[:MAX_PASSED_OVER + 1]",
        "refused[:10]",
    },
    "jobs/admin/invoked.py": {"shown[:MAX_SHOWN]"},
    "jobs/admin/windows.py": {"rows.reverse()[:most]", "rows[begins:max(ends_with, 1)]"},
    "jobs/cluster/missing_tables.py": {"missing[:NAMED]", "missing[NAMED:]"},
    # what is looked for a charset in, and not kept
    "jobs/platform/http/body.py": {"content_type[:TYPE_LIMIT]"},
    # bytes: a step's card has no secret, and the problem is an excerpt
    "jobs/cluster/worker_table.py": {
        "self._page[end - STEP_BYTES:end]",
        "current_step.encode()[:STEP_BYTES]",
        "fit_text(status.problem, 500).encode()[:500]",
        "problem[:length]",
        "self._page[start:start + 4]",
        "self._page[SHIFTS_OFFSET:STATUS_OFFSET]",
        "self._page[self._start(entry):self._start(entry) + ENTRY.size]",
    },
    "jobs/control/bulk_batch.py": {
        "found[at:at + size]",
        "rest[at:at + SINGLE_SET]",
        "statuses[at:]",
    },
    "jobs/control/cancel_on.py": {"candidates[:BATCH]"},
    "jobs/control/cancellation_events.py": {"sorted(epochs)[since:until]"},
    "jobs/control/cancellation.py": {"left[:few]"},
    "jobs/control/cancellation_sets.py": {
        "run_ids[start:start + LARGEST_SET]",
        "run_ids[start:start + line_locks.MAX_OWN_LOCKS]",
    },
    "jobs/maintenance/sweeper.py": {"left[:MAX_SINGLY]"},
    "jobs/runs/deadlocks.py": {
        "list(zip(run.turn_keys, run.turn_limits, strict=True))[run.turns_held:]",
    },
    "jobs/runs/turns.py": {
        "list(turn_keys)[:turns_held + 1]",
        "found[start:start + MAX_OWN_LOCKS]",
    },
    "jobs/events/id_conflicts.py": {"names[:MAX_NAMES]"},
    "jobs/management/commands/send.py": {"line[start:start + 76]"},  # of what was typed
    # of an expression's tokens
    "jobs/registry/expression_names.py": {"tokens[:i]", "tokens[i + 1:end]", "tokens[end + 1:]"},
    "jobs/testing/survival.py": {"unsteady[:MAX_SHOWN]", "broken[:MAX_SHOWN]"},
    "jobs/testing/endpoint.py": {"data[:len(data) // 2]"},  # the answer that breaks off, of tests
    "jobs/execution/unmet_conditions.py": {"found[before:]", "new[:MAX_LOGGED]"},
    "jobs/metrics/conditions.py": {
        "rows[:5 * MAX_SHOWN]",
        "latest[:MAX_OF_A_FUNCTION]",
        "found[:MAX_SHOWN]",
    },
    "jobs/execution/executor.py": {
        "[failed.step_id for failed in failed_steps(error)][:MAX_STEPS]"
    },
    "jobs/registry/handler_identity.py": {"parts[-count:]"},  # of a path
    "jobs/lib/error_report.py": {"frames[called[0]:called[-1] + 1]"},
    "jobs/fetch/gateway.py": {
        "self._completed[:_within_limits(self._completed)]",
        "self._completed[:len(batch)]",
        "completed[:BATCH]",
    },
    "jobs/admin/in_flight.py": {"sorted(steps)[:MAX_STEPS]"},
    "jobs/events/insertion.py": {"pairs[start:]", "pairs[start:number]"},
    "jobs/control/forgetting.py": {
        "asked[at:at + MAX_ASKED]",
        "list(dict.fromkeys(ids))[:BATCH * BATCHES]",
        "distinct[at:at + BATCH]",
    },
    "jobs/control/pauses.py": {"ids[start:start + BATCH]"},
    "jobs/platform/postgres/role_privileges.py": {"tables[:MAX_SHOWN]"},
    "jobs/lib/secrets.py": {  # the mask
        "text[:end]",
        "text[end:]",
        "text[at:start]",
        "text[at:end]",
        "text[max(at, end):]",
    },
    "jobs/platform/http/deadline_socket.py": {"view[sent:]"},
    "jobs/platform/postgres/pipeline.py": {
        "answers[len(first):len(first) + len(statements)]",
        "answers[len(old):]",
        "AUTO[:len(names)]",
    },
    "songs/ways_back.py": {"parts[:length]"},
    "songs/admin/many_refunds.py": {"found[:MAX_SONGS]"},
    "songs/admin/listeners.py": {
        "songs[:NEWEST_SONGS]",
        "user.credit_entries.select_related('song', 'by')[:NEWEST_ENTRIES]",
    },
    "songs/packing.py": {"songs[at:at + A_PAGE]"},
    "songs/remains.py": {"songs[at:at + A_FEW]", "given[at:at + A_FEW]"},
    "songs/admin/publications.py": {"reports[:MAX_REPORTS]"},
    "songs/admin/cards.py": {"reported[:MAX_COUNTED + 1]"},
    "songs/sharing/discover.py": {"list(found)[:MAX_CATEGORIES]"},
    "songs/sharing/hearers.py": {
        "salted_hmac('songs.sharing.hearers', text, algorithm='sha256').hexdigest()[:HEARER_LIMIT]"
    },
    "songs/sharing/listings.py": {"rows[:A_PAGE + 1]", "found[:A_PAGE]"},
    "songs/music.py": {"sorted(reply)[:10]"},
    "songs/views.py": {
        "mine(request).prefetch_related('categories')[:NEWEST]",
        "request.GET.getlist('song')[:A_PAGE]",
    },
    "songs/library.py": {"self.words.split()[:MAX_WORDS]"},
    "songs/progress.py": {"columns[:LOOKED_AT]"},
    "songs/waveform.py": {"samples[start:start + piece:STRIDE]"},
    # of the panel: lists of rows, and the ends of names and ids
    "songs/accounts/known_devices.py": {
        "[newest, *others][:MAX_ACCOUNTS]",
        "user.get_session_auth_hash()[:16]",
    },
    "jobs/admin/bulk_result.py": {
        "[run for run in runs if not run.is_finished][:MAX_SHOWN]",
        "[run for run in runs if run.status == RunStatus.FAILED][:MAX_SHOWN]",
    },
    "jobs/admin/clusters.py": {"there.clusters[:MAX_LISTED]"},
    "jobs/admin/hand_over.py": {"found.groups[:MAX_GROUPS]"},
    "jobs/admin/event_list.py": {"runs[:MAX_CHIPS]"},
    "jobs/admin/event_page.py": {
        "request.GET.get('find', '')[:200]",  # what the operator typed
        "runs[-MAX_RUNS:]",
    },
    "jobs/admin/event_query.py": {
        "[name for name in within if part in name.casefold()][:MAX_MATCHING]",
        "events[:ON_A_PAGE]",
    },
    "jobs/admin/function_list.py": {"request.GET.get('q', '').strip()[:200]"},  # as above
    "jobs/admin/unknown_filters.py": {"names[:MAX_TRIED]", "names[MAX_TRIED:]"},
    "jobs/admin/function_page.py": {"found[:MAX_KINDS]", "taken[:MAX_STEPS]"},
    "jobs/admin/function_words.py": {"delays[:SHOWN_DELAYS]"},
    "jobs/admin/known_names.py": {
        "sorted(found, key=lambda one: (not one.functions, one.name))[:MAX_NAMES]"
    },
    "jobs/admin/links.py": {"list(found or [])[:MAX_FOUND]"},
    "jobs/admin/operations.py": {"found.failures.groups[:MAX_GROUPS]"},
    "jobs/admin/retry_button.py": {"ended[:MAX_SHOWN]"},
    "jobs/admin/run_filters.py": {"ids[number:number + 1]"},
    "jobs/admin/run_rows.py": {"kinds[:whole]", "str(run.pk)[-8:]"},
    "jobs/admin/run_search.py": {"text[:MAX_TERM]"},
    "jobs/admin/ticks.py": {"sorted(found)[:UPCOMING]"},
    "jobs/cluster/code_version.py": {"digest.hexdigest()[:8]"},
    "jobs/cluster/pulse.py": {
        "entries[:MAX_AT_WORK]",
        "hmac.new(key, f'{name}\\x00{value}'.encode(), hashlib.sha256).hexdigest()[:8]",
    },
    "jobs/control/dealt_with.py": {
        "runs.select_for_update(of=('self',)).only('id', 'fn_id', 'event_id', 'status')[:MAX_READ]",
        "found[:MAX_READ]",
    },
    "jobs/control/hand_over.py": {"HandOverNote.objects.annotate(now=Now())[:most]"},
    "jobs/lib/failure_kinds.py": {
        "' · '.join(filter(None, (step, f'{what} {words}'.strip())))[:KIND_LIMIT]",
        "words.split()[:MAX_WORDS]",
    },
    "jobs/metrics/failures.py": {"kinds[:MAX_KINDS]", "groups[:MAX_KINDS]"},
    "jobs/metrics/needs.py": {
        "failing.groups[MAX_SHOWN:]",
        "failing.groups[:MAX_SHOWN]",
        "odd[:MAX_SHOWN]",
    },
    "jobs/metrics/one_cluster.py": {
        "held[:MAX_LISTED]",
        "in_flight[:MAX_LISTED]",
        "gone[:MAX_LISTED]",
    },
    "jobs/metrics/outcomes.py": {"[str(run_id) for run_id in run_ids][:MAX_READ]"},
}
FILTERS = {  # a time, and a list
    "templates/admin/jobs/run/confirm.html": {'runs|slice:":50"'},
    "templates/songs/sharing/_card.html": {'categories=song.categories.all|slice:":3"'},
    "templates/admin/songs/song/refund_many.html": {'chosen.songs|slice:":50"'},
    "templates/admin/jobs/cluster/cluster.html": {
        'processes|slice:":24"|join:",',
        'insight.hosts|slice:":10"',
        'neighbours|slice:":20"',
    },
    "templates/admin/jobs/cluster/hosts.html": {'clusters.hosts|slice:":30"'},
    "templates/admin/jobs/hand_over.html": {'found.unwell|slice:":20"'},
    "templates/admin/jobs/includes/clusters.html": {
        'cluster.at_work|slice:":4"',
        'clusters.clusters|slice:":8"',
    },
    "templates/admin/jobs/includes/groups.html": {'group.clusters|slice:":2"|join:",'},
    "templates/admin/jobs/operations.html": {'needs|slice:"1:"'},
}


def cuts(source: str) -> Iterator[str]:
    """Each expression that may cut a text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            if not (_is_short(node.slice) or QUERY.search(ast.unparse(node.value))):
                yield ast.unparse(node)
        elif isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            if PRECISION.search(_format_of(node.format_spec)):
                yield ast.unparse(node)
        elif isinstance(node, ast.Name | ast.Attribute):
            if (node.id if isinstance(node, ast.Name) else node.attr) in CUTTERS:
                yield ast.unparse(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (m[0] for m in (IN_A_FORMAT.search(node.value), SQL.search(node.value)) if m)


def _is_short(part: ast.Slice) -> bool:
    """Whether its bounds are a few characters from an end: “[1:-1]”, “[:1]”."""
    return all(bound is None or _is_few(bound) for bound in (part.lower, part.upper))


def _is_few(bound: ast.expr) -> bool:
    number = bound.operand if isinstance(bound, ast.UnaryOp) else bound
    return isinstance(number, ast.Constant) and number.value <= FEW


def _format_of(spec: ast.expr) -> str:
    parts = spec.values if isinstance(spec, ast.JoinedStr) else []
    return "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in parts)


def files(*folders: str, suffix: str) -> Iterator[tuple[str, str]]:
    for folder in folders:
        for path in sorted((BASE / folder).rglob(f"*{suffix}")):
            name = path.relative_to(BASE).as_posix()
            if not any(other in name for other in OTHERS):
                yield name, path.read_text()


def test_no_text_is_cut_but_by_the_one_function_that_masks_it_first() -> None:
    found = {
        (name, cut) for name, text in files("jobs", "songs", suffix=".py") for cut in cuts(text)
    }
    listed = {(name, cut) for name, listed in NO_TEXTS.items() for cut in listed}
    unlisted, gone = found - listed, listed - found
    assert not unlisted, "cut a text with jobs.lib.excerpts; what is no text is listed here"
    assert not gone, "what is not there any more is listed"


def test_no_template_cuts_a_text() -> None:
    found = {
        (name, cut)
        for name, text in files("templates", suffix=".html")
        for cut in re.findall(r"[^\s{%]*\|(?:truncat\w+|slice|wordwrap)[^\s}%]*", text)
    }
    assert found == {(name, cut) for name, listed in FILTERS.items() for cut in listed}


@pytest.mark.parametrize(
    "line",
    [
        "start = body[:300]",
        "start = str(error)[:LIMIT]",
        "end = text[-2000:]",
        "middle = text[10:90]",
        "f'{name!r:.80} is not a name'",
        "f'{name:.80}'",
        "f'{name:<20.{limit}}'",
        "'%.80s' % name",
        "'{:.80}'.format(name)",
        "textwrap.shorten(text, 80)",
        "Truncator(text).chars(80)",
        "first_lines(text)",
        "Left('message', 80)",
        "'SELECT left(message, 80) FROM jobs_logline'",
        "(card.encode())[:CARD]",
    ],
)
def test_each_way_of_cutting_is_found(line: str) -> None:
    assert list(cuts(line))


@pytest.mark.parametrize(
    "line",
    [
        "f'{seconds:.1f} s'",
        "f'{share:.0%}'",
        "f'{n:,}'",
        "text[1:-1]",
        "text[:1]",
        "rows[1:]",
        "runs.order_by('id')[:10]",
        "excerpt(text, 80)",
        "quoted(name)",
    ],
)
def test_numbers_queries_and_a_character_or_two_are_no_cuts(line: str) -> None:
    assert not list(cuts(line))

"""The numbers of the engine's advisory locks. PostgreSQL keeps one set of them for a database: two
kinds of lock with one number would wait for each other, so a new kind gets its number here.

A key is a hash of 64 bits, a single number of 64 bits, or a pair of 32 bits each, of which the
first is the kind. The three never meet.
"""

from __future__ import annotations

# First numbers of pairs.
CLUSTER_LOOKS = 1_785_672_306  # a cluster looks for due runs by itself (notifier, 4)
EVENT_ID_BUCKETS = 1_785_672_307
LINE_BUCKETS = 1_785_672_308  # + 1 for first lines, + 2 for second

# Single numbers.
ROLL_UP = 0x6A6F_6273_726F_6C6C

# Seeds of hashes, so that an id and a line of one spelling differ.
_LINE, _EVENT_ID, _HOOKS, _HAND_OVER = range(4)


def line(key: str) -> str:
    """The key (SQL) of the line with this concurrency key (SQL)."""
    return f"hashtextextended({key}, {_LINE})"


def event_id(dedupe_id: str) -> str:
    """The key (SQL) of an event's id (SQL)."""
    return f"hashtextextended({dedupe_id}, {_EVENT_ID})"


def hooks(run_id: str) -> str:
    """The key (SQL) of the hooks of this run (SQL, text)."""
    return f"hashtextextended({run_id}, {_HOOKS})"


HAND_OVER_NOTE = f"hashtextextended('jobs hand-over', {_HAND_OVER})"

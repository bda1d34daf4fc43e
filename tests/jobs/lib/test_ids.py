"""Ids sort by the time they were made, and no two processes make the same one."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs import ids
from jobs.platform.ipc import process_tree
from tests.support.functions import in_a_child

pytestmark = pytest.mark.processes

MANY = 1000


def test_they_sort_in_the_order_of_their_making():
    made = [ids.new_id() for _ in range(MANY)]
    assert made == sorted(made)
    assert len(set(made)) == MANY


def test_they_are_uuids_of_version_7_of_this_moment():
    before = datetime.now(UTC)
    made = ids.new_id()
    said = datetime.fromtimestamp((made.int >> 80) / 1000, UTC)
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert abs((said - before).total_seconds()) < 60


def test_many_at_once_are_such_ids_among_the_others():
    before, many, after = ids.new_key(), ids.new_keys(MANY), ids.new_key()
    made = [before, *many, after]
    assert made == sorted(made)
    assert len({tail(uuid.UUID(key)) for key in many}) == MANY
    for key in many:
        told = uuid.UUID(key)
        assert (told.hex, told.version, told.variant) == (key, 7, uuid.RFC_4122)
    assert ids.new_keys(0) == []


def test_a_forked_process_makes_none_that_its_parent_makes(tmp_path: Path):
    theirs = tmp_path / "theirs"
    ids.new_id()  # some more are in store now
    assert in_a_child(lambda: theirs.write_text(ids.new_key())) == 0
    assert tail(uuid.UUID(theirs.read_text())) not in {tail(ids.new_id()) for _ in range(MANY)}


def test_a_forked_process_knows_its_own_number():
    mine = process_tree.pid()
    assert process_tree.worker_name().endswith(f"/{mine}")

    def look() -> None:
        assert process_tree.pid() == os.getpid() != mine
        assert process_tree.worker_name().endswith(f"/{os.getpid()}")

    assert in_a_child(look) == 0


def tail(made: uuid.UUID) -> int:
    return made.int & ((1 << 62) - 1)

"""The benchmark's own arithmetic: what it says of what it has measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import options, publish, stage
from benchmarks.cases import CASES, CHARTED, ONLY_IF_NAMED, web
from benchmarks.database import ServerUnavailable
from benchmarks.flow import rate
from benchmarks.results import Case, Results, key
from benchmarks.system import newest
from songs.limits.rules import RULES, of_kind

MACHINE = {"postgresql": {"server_version": "15.18 (Debian)"}}


def measured(**rounds: float) -> Case:
    told = {who.replace("_", " "): {"songs/s": [value]} for who, value in rounds.items()}
    return Case("2026-11-28T09:00", "abc", MACHINE, [0.0], told)


def parse(*argv: str) -> options.Options:
    return options.parse(argv, list(CASES), ["django-q2", "dbos", "restate"], ONLY_IF_NAMED)


def test_a_server_and_its_settings_are_chosen_on_the_command_line():
    chosen = parse("overhead", "--server", "system", "--set", "jit=off", "--set", "fsync=on")
    assert (chosen.server, chosen.settings) == ("system", {"jit": "off", "fsync": "on"})
    assert (parse().server, parse().settings) == ("embedded", {})


def test_what_was_tried_with_the_peers_is_played_only_where_it_is_named():
    assert not ONLY_IF_NAMED & set(parse().cases)
    assert parse("tried-dbos").cases == ["tried-dbos"]


@pytest.mark.parametrize("wrong", ["jit", "=off", "jit=", "two words=on"])
def test_a_setting_without_a_name_or_a_value_is_refused_by_a_sentence(
    wrong: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit):
        parse("--set", wrong)
    assert "is no setting, as jit=off is" in capsys.readouterr().err


def test_what_was_measured_with_other_settings_is_not_published(
    capsys: pytest.CaptureFixture[str],
):
    with pytest.raises(SystemExit):
        parse("--publish", "--set", "jit=off")
    assert "goes without --set" in capsys.readouterr().err


def test_a_system_without_postgresql_is_told_what_to_install(tmp_path: Path):
    with pytest.raises(ServerUnavailable, match="apt-get install postgresql"):
        newest(tmp_path)


def test_the_newest_postgresql_of_the_system_is_taken(tmp_path: Path):
    for version in ("9.6", "14", "15"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "initdb").touch()
    (tmp_path / "18" / "bin").mkdir(parents=True)  # its client alone
    assert newest(tmp_path).folder == tmp_path / "15" / "bin"


def test_one_case_on_two_servers_is_two_results():
    results = Results(MACHINE, "abc", "system")
    results.begin("overhead")
    results.add("overhead", "ours", "songs/s", 100)
    assert list(results.cases) == [key("overhead", "system")] != [key("overhead", "embedded")]
    assert results.last("overhead", "ours") == "songs/s 100"


def test_ours_stands_beside_each_peer():
    case = measured(ours=300.0, django_q2=200.0)
    assert publish.compared("overhead", case) == [("ours", "django q2")]
    assert "| songs/s | 300 | 200 | 1.50 |" in publish.figures("overhead", "x.svg", case)


def test_a_case_may_name_whom_the_others_stand_beside():
    case = measured(ours=200.0, pooled=100.0)
    assert publish.compared("pool", case) == [("pooled", "ours")]
    assert "| songs/s | 200 | 100 | 0.50 |" in publish.figures("pool", "x.svg", case)


def test_a_rate_counts_what_ended_within_its_window():
    ends = [1.0, 2.0, 3.0, 4.0, 9.0]
    assert rate(ends, (2.0, 4.0)) == 1.5
    assert rate(ends, (5.0, 5.0)) == 0.0


def test_every_case_has_a_chart_and_a_place_in_the_paper():
    paper = publish.PAPER.read_text()
    assert set(CHARTED) == set(CASES)
    assert [name for name in CASES if f"<!-- {name} -->\n" not in paper] == []


def test_the_site_is_measured_with_all_limits_on_and_far_away() -> None:
    """No listener signs up in a benchmark: those limits stay as they are."""
    of_strangers = ("sign-ups-", "drafts-")
    assert set(stage.LIMITED) == {name for name in RULES if not name.startswith(of_strangers)}
    assert stage.FAR_AWAY > 500_000
    assert set(web.ORDERS) == {rule.name for rule in of_kind("orders")}

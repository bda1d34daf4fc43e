"""Operations says how many public songs are reported."""

from __future__ import annotations

import pytest

from songs.models import User
from songs.sharing import publishing, reports
from tests.songs.conftest import as_
from tests.songs.sharing.sharing import public
from tests.support.cast import staff

pytestmark = pytest.mark.django_db


def test_the_card_counts_songs_with_open_reports(alice: User) -> None:
    browser = as_(staff("warden", "view_publication", "view_run"))
    song, other = public(alice, title="One"), public(alice, title="Two")
    assert "Reported songs" not in browser.get("/admin/?part=more").content.decode()
    for hearer in ("a", "b"):
        reports.report(song, hearer, kind="copy", words="", reporter=None)
    reports.report(other, "a", kind="copy", words="", reporter=None)
    assert (
        "<strong>2</strong> public songs are reported"
        in browser.get("/admin/?part=more").content.decode()
    )
    publishing.dismiss_reports(song)
    assert (
        "<strong>1</strong> public song is reported"
        in browser.get("/admin/?part=more").content.decode()
    )
    blind = as_(staff("blind", "view_run")).get("/admin/?part=more").content.decode()
    assert "Reported songs" not in blind

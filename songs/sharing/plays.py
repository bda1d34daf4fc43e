"""A play is counted once for a hearer, a song and half an hour.

Only a POST counts, which the page's script sends when a song has sounded for some seconds. Robots
that follow links send none, and a player's many requests for parts of the file count nothing. The
plays of a browser without JavaScript are not counted.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import connection

from songs.models import Publication

ONCE_IN = timedelta(minutes=30)
KEPT_FOR = timedelta(days=1)  # no hearer's last play is needed for longer than ONCE_IN

# One statement: of two requests at the same moment the second waits for the first one's row and
# finds it young.
COUNT = """
WITH played AS (
  INSERT INTO songs_play AS known (publication_id, hearer) VALUES (%(song)s, %(hearer)s)
  ON CONFLICT (publication_id, hearer) DO UPDATE SET at = excluded.at
     WHERE known.at <= excluded.at - %(once_in)s
  RETURNING publication_id
)
INSERT INTO songs_countchange (song_id, likes, plays) SELECT publication_id, 0, 1 FROM played
"""


def count_play(publication: Publication, hearer: str) -> bool:
    """Count a play. False if the same hearer's play was counted within the half hour."""
    given = {"song": publication.pk, "hearer": hearer, "once_in": ONCE_IN}
    with connection.cursor() as cursor:
        cursor.execute(COUNT, given)
        return bool(cursor.rowcount)

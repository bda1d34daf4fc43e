"""Public songs by the hundred thousand, in seconds: for the case `discover`, and for the test that
counts what their pages read."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from songs.models import Category, User
from songs.sharing.heat import HALF_LIFE

CATEGORIES = 50  # that share the songs, two a song; and a rare one
RARE = 100  # songs that have it
TABLES = "songs_song, songs_publication, songs_listing, songs_song_categories, songs_category"
NUMBERS = """
CREATE TEMPORARY TABLE numbers AS
SELECT n, gen_random_uuid() AS id, now() - random() * interval '365 days' AS at
  FROM generate_series(1, %(count)s) n
"""
SONGS = """
INSERT INTO songs_song (id, owner_id, title, full_described_song, guidance_scale, audio_duration,
                        instrumental, seed, status, reason, s3_key, thumbnail_s3_key, form_token,
                        created_at, finished_at)
SELECT id, %(owner)s, 'Song ' || n, 'a waltz', 15, 60, false, 7, 'processed', '', id || '.mp3',
       id || '.png', gen_random_uuid(), at, at
  FROM numbers
"""
# The heat is that of up to 32 likes at the time of publishing.
PUBLICATIONS = """
INSERT INTO songs_publication (song_id, byline, is_public, published_at, likes, plays, heat,
                               taken_down_why)
SELECT id, 'Alma', true, at, 0, 0,
       extract(epoch FROM at) / %(half_life)s + 5 * random(), ''
  FROM numbers
"""
CATEGORIES_OF_SONGS = """
INSERT INTO songs_song_categories (song_id, category_id)
SELECT id, %(first)s + n %% %(categories)s FROM numbers UNION
SELECT id, %(first)s + (7 * n + 1) %% %(categories)s FROM numbers UNION
SELECT id, %(first)s + %(categories)s FROM numbers WHERE n <= %(rare)s
"""
LISTINGS = """
INSERT INTO songs_listing (publication_id, category_id, published_at, heat)
SELECT p.song_id, NULL, p.published_at, p.heat FROM songs_publication p UNION ALL
SELECT p.song_id, c.category_id, p.published_at, p.heat
  FROM songs_publication p JOIN songs_song_categories c ON c.song_id = p.song_id
"""


def publish_many(owner: User, count: int) -> list[Category]:
    """`count` public songs of the past year; returns their categories, the rare one last."""
    names = [f"category {n}" for n in range(CATEGORIES)] + ["rare"]
    rows = Category.objects.bulk_create(Category(name=name, folded=name) for name in names)
    asked: dict[str, Any] = {
        "count": count,
        "owner": owner.pk,
        "half_life": HALF_LIFE.total_seconds(),
        "first": rows[0].pk,
        "categories": CATEGORIES,
        "rare": RARE,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        # Foreign keys would be looked up one by one.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in (NUMBERS, SONGS, PUBLICATIONS, CATEGORIES_OF_SONGS):
            cursor.execute(statement, asked)
        # LISTINGS joins them. While they count as empty, it takes each pair for a look.
        cursor.execute("ANALYZE songs_publication, songs_song_categories")
        cursor.execute(LISTINGS)
        cursor.execute("DROP TABLE numbers")
    tidy_up()
    return rows


def tidy_up() -> None:
    """What autovacuum does in its time."""
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {TABLES}")

"""The running balance of each entry, and the indexes by which the panel finds an account.

The search is for the beginning of a name or of an e-mail address, in either case of letters:
`UPPER(username) LIKE 'ALI%'`. In most collations only this operator class serves it.
"""

from django.db import migrations

BALANCES = """
UPDATE songs_creditentry AS entry SET balance = known.balance
  FROM (SELECT id, sum(amount) OVER (PARTITION BY user_id ORDER BY id) AS balance
          FROM songs_creditentry) AS known
 WHERE known.id = entry.id AND entry.balance IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [("songs", "0005_balances_and_their_check")]

    operations = [
        migrations.RunSQL(
            f"CREATE INDEX songs_user_{column}_prefix ON songs_user (upper({column}) text_pattern_ops)",
            f"DROP INDEX songs_user_{column}_prefix",
        )
        for column in ("username", "email")
    ] + [migrations.RunSQL(BALANCES, migrations.RunSQL.noop)]

"""How often a stranger, a listener or a network may do what costs: order, sign up, download, poll.

A limit is looked at before anything costly is done.

1. `rules.py` names the limits, `network.py` says whose address a request comes from.
2. `counts.py` counts and decides in one statement: PostgreSQL adds first, and tells what it has
   added. Two requests at once never both get the last place.
3. `permits.py` is for what is rare and dear (an order, a sign-up): one statement each. What was
   refused or not needed is given back, so a refusal uses up no limit.
4. `shares.py` is for what is frequent and cheap: a process takes a share of a limit, and counts
   in its memory until that is used up.
5. `answers.py` says it to the listener: 429 with the time to wait.
"""

from __future__ import annotations

from songs.limits.answers import come_again, limited
from songs.limits.network import network_of
from songs.limits.permits import Permit, taking
from songs.limits.refusals import TooMany

__all__ = ["Permit", "TooMany", "come_again", "limited", "network_of", "taking"]

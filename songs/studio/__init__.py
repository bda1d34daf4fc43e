"""The studio: a song endpoint for a machine without a GPU and without an account.

The studio has the HTTP contract of the hosted endpoint, so the site treats both alike. It composes
music from the words of the order:

    contract.py   the request and the reply: validation and wording
    server.py     HTTP: the keys, the orders, Modal's 303 after 150 s
    calls.py      renders in flight: one render per order, however often the order comes
    shelf.py      finished files, written whole or not at all
    recording.py  an order becomes an MP3 and a PNG
    tags.py       the MP3's ID3 header
    words/        words become a Brief: brief.py (vocabulary.py, styles.py: what the words mean)
    score/        a Brief becomes a Score: score.py (form.py, harmony.py, melody.py, rhythm.py,
                  accompaniment.py, patterns.py, notes.py)
    sound/        a Score becomes sound: mixing.py (instruments.py, drums.py, voice.py, effects.py,
                  pedals.py, textures.py, synthesis.py, loudness.py)
    picture/      the Brief becomes a picture: cover.py (palettes.py)

The same request always gives the same bytes.
"""

import os

# Several threads render songs at once, so threads inside one render would only wait for each other.
# NumPy reads these variables when it is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

"""The studio: a song endpoint for a machine that has no GPU and no account.

It answers the same HTTP contract as the hosted one, so a song made here takes exactly the way
that a paid one takes, and it composes real music from the words it is given:

    contract.py   the request and the reply: what is allowed, what is answered
    server.py     HTTP: the door, the keys, Modal's 303 after 150 s
    calls.py      renders in flight: one render per order, however often it is asked for
    shelf.py      finished files, written whole or not at all
    recording.py  an order becomes an MP3 and a PNG
    brief.py      words become a Brief (vocabulary.py, styles.py: what the words mean)
    score.py      a Brief becomes a Score: form.py, harmony.py, melody.py, rhythm.py,
                  accompaniment.py
    mixing.py     a Score becomes sound: instruments.py, drums.py, voice.py, effects.py
    cover.py      the Brief becomes a picture       tags.py   and an ID3 header

Everything is a function of the request: the same request gives the same bytes.
"""

import os

# Songs are rendered side by side; a render that spawned threads of its own would only wait for
# them. Has to be said before NumPy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

"""How gunicorn serves the site: threads work on whole requests, and slow clients hold none of them.

1. The worker's main loop receives a request, without a thread, until all of it is there
   (`arrivals.py`). A client that sends half a request, or byte by byte, costs a socket and its
   bytes, and is dropped after `ARRIVES_WITHIN` seconds.
2. Files are sent by threads of their own, so that slow listeners never hold those of the pages.
3. A client that does not take 64 KiB of its answer within `TAKES_WITHIN` seconds is dropped.
4. The main loop never waits for a client to close its connection.
"""

"""How gunicorn serves the site: `gunicorn -c deploy/gunicorn.conf.py melodymaker.wsgi`."""

import os

bind = f"127.0.0.1:{os.environ.get('PORT') or '8000'}"
workers = 2
# Threads work on whole requests, and files have as many threads again (melodymaker/serving).
worker_class = "melodymaker.serving.worker.SiteWorker"
threads = 8
timeout = 60
# A line of a request and its headers; the site refuses bodies itself (melodymaker/bodies.py).
limit_request_line = 4094
limit_request_fields = 60
limit_request_field_size = 8190
sendfile = False  # piece by piece, so that a client that takes nothing is noticed
# In production gunicorn lets downloads end; in development Ctrl-C should not wait for them.
graceful_timeout = 30 if os.environ.get("DATABASE_URL") else 3
max_requests = 10_000  # a worker is replaced before a library's slow leak grows large
max_requests_jitter = 1_000
control_socket_disable = True  # all sites of a user would share its path


def post_worker_init(worker):
    """The supervisor of `make run` waits for this line."""
    worker.log.info("The site is loaded.")

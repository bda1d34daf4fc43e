"""How gunicorn serves the site: `gunicorn -c deploy/gunicorn.conf.py melodymaker.wsgi`."""

import os

bind = f"127.0.0.1:{os.environ.get('PORT') or '8000'}"
workers = 2
worker_class = "gthread"  # audio goes out to slow listeners: a thread each, not a process each
threads = 8
timeout = 60
# In production a download that is under way may end; in development Ctrl-C should not wait for it.
graceful_timeout = 30 if os.environ.get("DATABASE_URL") else 3
max_requests = 10_000  # a slow leak in any library stays a small one
max_requests_jitter = 1_000
control_socket_disable = True  # its path is one for all of a user's sites

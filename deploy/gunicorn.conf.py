"""How gunicorn serves the site: `gunicorn -c deploy/gunicorn.conf.py melodymaker.wsgi`."""

import os

bind = f"127.0.0.1:{os.environ.get('PORT') or '8000'}"
workers = 2
worker_class = "gthread"  # slow listeners of audio occupy a thread each, not a process each
threads = 8
timeout = 60
# In production gunicorn lets downloads end; in development Ctrl-C should not wait for them.
graceful_timeout = 30 if os.environ.get("DATABASE_URL") else 3
max_requests = 10_000  # a worker is replaced before a library's slow leak grows large
max_requests_jitter = 1_000
control_socket_disable = True  # all sites of a user would share its path

"""A private nginx with the site of deploy/nginx.conf, on ports that the system chose."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

BASE = Path(__file__).parents[2]
SITE = BASE / "deploy" / "nginx.conf"
CERTIFICATE = BASE / "tests" / "certificates" / "songs.test.pem"
PATIENCE = 20.0
MAIN = """\
daemon off;
user {user};
pid {folder}/nginx.pid;
error_log stderr;
worker_processes 1;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/bodies;
  proxy_temp_path {folder}/answers;
  fastcgi_temp_path {folder}/f;
  scgi_temp_path {folder}/s;
  uwsgi_temp_path {folder}/u;
  include {folder}/site.conf;
}}
"""


def program() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Nginx:
    """The shipped file, with other ports and the certificate of the tests; the rest is as it is."""

    def __init__(self, folder: Path, gunicorn: int) -> None:
        self.http, self.https, self.folder = free_port(), free_port(), folder
        changes = {
            "127.0.0.1:8000;": f"127.0.0.1:{gunicorn};",
            "listen 80;": f"listen 127.0.0.1:{self.http};",
            "listen 443 ssl": f"listen 127.0.0.1:{self.https} ssl",
            "listen [::]:80;": "",
            "listen [::]:443 ssl http2;": "",
            "/etc/ssl/melodymaker/fullchain.pem": str(CERTIFICATE),
            "/etc/ssl/melodymaker/key.pem": str(CERTIFICATE),
        }
        site = SITE.read_text()
        for shipped, ours in changes.items():
            assert shipped in site
            site = site.replace(shipped, ours)
        (folder / "site.conf").write_text(site)
        (folder / "main.conf").write_text(MAIN.format(folder=folder, user=folder.owner()))
        self.log = folder / "nginx.log"
        command = [program() or "", "-p", str(folder), "-c", str(folder / "main.conf")]
        self.popen = subprocess.Popen(command, stdout=self.log.open("w"), stderr=subprocess.STDOUT)

    def wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self.popen.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            try:
                return socket.create_connection(("127.0.0.1", self.https)).close()
            except OSError:
                time.sleep(0.05)

    def written(self) -> list[Path]:
        """Files that requests or answers have left in nginx's folders."""
        names = ("bodies", "answers")
        return [
            path for name in names for path in (self.folder / name).rglob("*") if path.is_file()
        ]

    def end(self) -> None:
        self.popen.terminate()
        self.popen.wait(PATIENCE)

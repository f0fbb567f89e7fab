"""nginx before a server of ours: installed, or unpacked in .nginx of this checkout."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from support.daemon import free_ports, open_folder, running
from support.require import absent
from support.tls import authority

_UNPACKED = Path(__file__).parents[2] / ".nginx" / "usr" / "sbin"

DOCS = Path(__file__).parents[2] / "docs/operating.md"
# What an operator's nginx has around a site.
_AROUND = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {site}
}}
"""
# As few changes as may be of what comes: bodies pass as they come, over connections that are kept for others.
_SITE = """
upstream mailnode {{ server 127.0.0.1:{behind}; keepalive 1; }}
server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1; proxy_request_buffering off;
    proxy_set_header Connection ""; proxy_set_header Host 127.0.0.1:{behind};
    location = {closed} {{ return 403; }}
    location / {{ proxy_pass http://mailnode; }}
}}
"""


@contextmanager
def running_documented_nginx(behind: int, port: int, name: str) -> Iterator[None]:
    """Run nginx on `port` as the page on operating it says, with TLS for this name, before a port of loopback."""
    (site,) = re.findall(r"```nginx\n(.*?)```", DOCS.read_text(), re.DOTALL)
    with open_folder("nginx") as folder:
        pair = authority().issue_cert(name)
        pair.cert_chain_pems[0].write_to_path(folder / "fullchain.pem")
        pair.private_key_pem.write_to_path(folder / "privkey.pem")
        for documented, here in (
            ("/etc/ssl/mail.example.com", str(folder)),
            ("mail.example.com", name),
            ("127.0.0.1:8025", f"127.0.0.1:{behind}"),
            ("listen 443", f"listen 127.0.0.1:{port}"),
        ):
            assert documented in site
            site = site.replace(documented, here)
        with _running(site, folder, port):
            yield


@contextmanager
def running_nginx(behind: int, closed: str) -> Iterator[int]:
    """Run nginx before a port of loopback, through which the path `closed` can't be had, and give its own port."""
    with open_folder("nginx") as folder:
        (port,) = free_ports(1)
        site = _SITE.format(behind=behind, port=port, closed=closed)
        with _running(site, folder, port):
            yield port


@contextmanager
def _running(site: str, folder: Path, port: int) -> Iterator[None]:
    configuration = folder / "nginx.conf"
    configuration.write_text(_AROUND.format(folder=folder, site=site))
    options = ("-p", str(folder), "-e", str(folder / "errors"), "-c", str(configuration))
    with running(_program(), *options, port=port, said=folder / "said"):
        yield


def _program() -> str:
    found = which("nginx", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin{os.pathsep}{_UNPACKED}")
    return found or absent("nginx is neither installed nor unpacked in .nginx")

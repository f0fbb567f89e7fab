"""nginx before a server of ours: installed, or unpacked in .nginx of this checkout."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from support.daemon import free_ports, open_folder, running
from support.require import absent

_UNPACKED = Path(__file__).parents[2] / ".nginx" / "usr" / "sbin"

# As few changes as may be of what comes: bodies pass as they come, over connections that are kept for others.
_CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream mailnode {{ server 127.0.0.1:{behind}; keepalive 1; }}
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1; proxy_request_buffering off;
        proxy_set_header Connection ""; proxy_set_header Host 127.0.0.1:{behind};
        location = {closed} {{ return 403; }}
        location / {{ proxy_pass http://mailnode; }}
    }}
}}
"""


@contextmanager
def running_nginx(behind: int, closed: str) -> Iterator[int]:
    """Run nginx before a port of loopback, through which the path `closed` can't be had, and give its own port."""
    program = _program()
    with open_folder("nginx") as folder:
        (port,) = free_ports(1)
        configuration = folder / "nginx.conf"
        configuration.write_text(_CONFIGURATION.format(folder=folder, behind=behind, port=port, closed=closed))
        options = ("-p", str(folder), "-e", str(folder / "errors"), "-c", str(configuration))
        with running(program, *options, port=port, said=folder / "said"):
            yield port


def _program() -> str:
    found = which("nginx", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin{os.pathsep}{_UNPACKED}")
    return found or absent("nginx is neither installed nor unpacked in .nginx")

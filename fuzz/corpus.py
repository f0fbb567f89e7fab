"""The inputs that are kept: a file for each target, an input a line, octets as the characters of a JSON string."""

import hashlib
import json
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


def read(target: str) -> list[bytes]:
    """Give the inputs of a target."""
    path = FOLDER / f"{target}.jsonl"
    lines = path.read_text("ascii").splitlines() if path.exists() else []
    return [json.loads(line).encode("latin-1") for line in lines]


def keep(target: str, octets: bytes) -> None:
    """Put an input among those of a target, each of which is there once, the shortest first."""
    ordered = sorted({*read(target), octets}, key=lambda one: (len(one), one))
    lines = (json.dumps(one.decode("latin-1")) for one in ordered)
    (FOLDER / f"{target}.jsonl").write_text("".join(f"{line}\n" for line in lines), "ascii")


def unfold(target: str, folder: Path) -> None:
    """Write the inputs as libFuzzer wants them, a file for each."""
    for octets in read(target):
        (folder / hashlib.sha256(octets).hexdigest()[:16]).write_bytes(octets)

"""What is on the disk: the name of a file too, once its folder is."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Have the disk know the names of the files in a folder."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)

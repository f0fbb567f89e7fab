"""The command line: `mailnode`, and `python -m mailnode`."""

import sys

from mailnode.cli.garbage import look_seldom
from mailnode.cli.signals import Interrupt


def main() -> None:
    """Hear signals from here on, load the command line, which takes a while, and run it."""
    look_seldom()
    interrupt = Interrupt(sys.argv[1:])
    with interrupt.handled():
        from mailnode.cli.main import run

        sys.exit(run(interrupt))


if __name__ == "__main__":
    main()

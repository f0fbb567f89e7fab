"""The command line: `mailnode`, and `python -m mailnode`."""

import sys

from mailnode.cli.interrupt import Interrupt


def main() -> None:
    """Hear signals from here on, load the command line, which takes a while, and run it."""
    interrupt = Interrupt(sys.argv[1:])
    with interrupt.heard():
        from mailnode.cli.main import run

        sys.exit(run(interrupt))


if __name__ == "__main__":
    main()

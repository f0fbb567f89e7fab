"""`python -m mailnode`: the command line."""

from mailnode.cli.main import main

main()

"""`python -m mailnode.sendmail`, where the command is not installed."""

from mailnode.sendmail.main import main

if __name__ == "__main__":
    main()

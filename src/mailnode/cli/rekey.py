"""`mailnode connections rekey`: another secret key."""

import asyncio

import click

from mailnode.cli.output import say


@click.command("rekey")
def command() -> None:
    """Seal all secrets with a new key, after which the old one is needed no more.

    With MAILNODE_SECRET_KEY=new,old the first key is the new one; the key file of the home gets one by itself.
    """
    from mailnode.connections.secrets.rekey import rekey
    from mailnode.environment import Environment, open_database

    environment = Environment.read()
    database = open_database(environment)
    try:
        count = asyncio.run(rekey(database, environment.home, environment.secret_key))
    finally:
        database.close()
    left = "MAILNODE_SECRET_KEY needs its first key only from now on" if environment.secret_key else "secret.key has it"
    say(f"the secrets of {count} connection{'s' * (count != 1)} are sealed with the new key; {left}")

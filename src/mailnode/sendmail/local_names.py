"""Who a local name is: the files of /etc that each program that sends local mail knows."""

from mailnode.sendmail.addresses import addresses_in
from mailnode.sendmail.exits import DATA_ERROR, Failure

ETC = "/etc"
_NO_ADDRESS = ("|", "/", ":include:", '"|')
_MOST_ADDRESSES = 1000


class LocalNames:
    """The domain of this machine, and what `aliases` and `email-addresses` say of its users.

    /etc/mailname has the domain, otherwise it is the host's name. /etc/aliases says who gets the mail of a local name,
    /etc/email-addresses as whom a local user writes.
    """

    def __init__(self, folder: str = ETC) -> None:
        """Read nothing yet."""
        self._folder = folder

    def domain(self) -> str:
        """Give the domain that local names have."""
        from os import uname

        said = self._lines("mailname")
        return said[0].strip() if said and said[0].strip() else uname().nodename

    def senders(self) -> dict[str, str]:
        """Give the addresses as which local users write."""
        return {name: value for name, value in self._table("email-addresses").items() if "@" in value}

    def recipients(self, given: list[str], domain: str) -> list[str]:
        """Give the addresses of these recipients, each once.

        Raises:
            Failure: an alias leads to a file, a program or a list, which only a server of this machine writes to.
        """
        if all("@" in name for name in given):
            return list(dict.fromkeys(given))
        aliases, found, seen = self._table("aliases"), dict[str, None](), set[str]()
        waiting = list(reversed(given))
        while waiting:
            name = waiting.pop()
            value = aliases.get(name.lower()) if "@" not in name and name.lower() not in seen else None
            if value is None:
                name = name.removeprefix("\\")
                found[name if "@" in name else f"{name}@{domain}"] = None
                continue
            seen.add(name.lower())
            targets = [address.text for address in addresses_in(value)]
            if value.startswith(_NO_ADDRESS) or not targets or len(targets) > _MOST_ADDRESSES:
                raise Failure(
                    DATA_ERROR, f"the alias {name} of {self._folder}/aliases is no list of addresses: {value}"
                )
            waiting += reversed(targets)
        return list(found)

    def _table(self, file: str) -> dict[str, str]:
        """Read lines of `name: value`; a value may go on in lines that begin with a blank."""
        table, name = dict[str, str](), ""
        for line in self._lines(file):
            if not line.strip() or line.startswith("#"):
                continue
            if line[0] in " \t":
                table[name] = f"{table.get(name, '')} {line.strip()}"
            else:
                name, _, value = line.partition(":")
                name = name.strip().strip('"').lower()
                table[name] = value.strip()
        return table

    def _lines(self, file: str) -> list[str]:
        try:
            with open(f"{self._folder}/{file}", encoding="utf-8", errors="surrogateescape") as opened:  # noqa: PTH123 -- pathlib takes a third of our start
                return opened.read().splitlines()
        except OSError:
            return []

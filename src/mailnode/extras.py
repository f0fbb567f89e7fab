"""The optional libraries of mailnode, by the extra that brings them."""


def install_hint(extra: str) -> str:
    """Say how an extra is installed: mailnode is installed from its checkout, and no index has it."""
    return f"install mailnode from its checkout with the extra `{extra}`: pip install 'path/to/checkout[{extra}]'"

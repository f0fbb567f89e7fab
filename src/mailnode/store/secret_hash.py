"""What is stored of a secret that mailnode has made itself."""

import hashlib


def hash_of(secret: str) -> str:
    """Give the hash by which a secret is known again.

    A fast one is enough: such secrets are random and long, so that nobody can guess what was hashed.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

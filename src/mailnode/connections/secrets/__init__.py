"""Encryption of stored secrets: the cipher, its keys, and how a key is changed."""

"""Consent: a person lets a connection send mail in their name, in a browser or on another device."""

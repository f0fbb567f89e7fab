"""`make bench`: mailnode beside its peers, in turn within one run, each client in a process of its own.

A client (clients/) takes a job and prints what it took; servers (server, delay, tls_front) stand on loopback; rows says
what is measured, measure how, and table how it is told.
"""

"""`mailnode-sendmail`: hands mail of programs that call sendmail to the SMTP server, by its Unix socket.

It is started for each mail, so its modules load little of the standard library, and nothing else until they must.
"""

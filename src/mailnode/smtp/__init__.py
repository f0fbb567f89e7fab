"""How a message is handed over: RFC 5321 and its extensions.

The protocol half (reply, extension, sasl, transaction, protocol) takes octets and gives octets; the other half (stream,
connect, tls, session, pool, client) owns sockets, clocks and certificates.
"""

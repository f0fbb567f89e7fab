"""What is sent: mailboxes, header fields, body parts and the message made of them (RFC 5322, 2045 to 2047, 2231).

Nothing here opens a socket, and only `Attachment.from_path` opens a file. All that is composed is 7-bit clean, but for
addresses that need SMTPUTF8.
"""

"""A test inbox: `server` is an SMTP server that stores all email it gets, `folder` reads it."""

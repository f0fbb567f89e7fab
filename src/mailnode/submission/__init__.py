"""Where other programs hand in email by SMTP: a server of its own, and who may send what through it."""

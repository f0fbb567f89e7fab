"""The mail that all clients send: recipient, name, subject and body differ by its number."""

import json
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from pathlib import Path

WORDS: dict[str, str] = json.loads(Path(__file__).parent.parent.joinpath("mail.json").read_text())


def said(number: int) -> dict[str, str]:
    """Give the words of one mail: from, to, subject, text and html."""
    digits = str(number)
    return {key: words.replace("{number}", digits) for key, words in WORDS.items()}


def by_standard_library(number: int, attachment: str | None = None) -> EmailMessage:
    """Compose it as Python's documentation shows."""
    mail = said(number)
    message = EmailMessage(policy=SMTP)
    message["From"] = mail["from"]
    message["To"] = mail["to"]
    message["Subject"] = mail["subject"]
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="example.com")
    message.set_content(mail["text"])
    message.add_alternative(mail["html"], subtype="html")
    if attachment is not None:
        path = Path(attachment)
        message.add_attachment(path.read_bytes(), "application", "octet-stream", filename=path.name)
    return message

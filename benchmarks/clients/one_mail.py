"""One mail by the standard library, as a script that somebody would write: python one_mail.py PORT."""

import json
import smtplib
import sys
from email.message import EmailMessage
from pathlib import Path

mail = json.loads(Path(__file__).parent.parent.joinpath("mail.json").read_text())
message = EmailMessage()
message["From"], message["To"], message["Subject"] = mail["from"], mail["to"], mail["subject"]
message.set_content(mail["text"])
message.add_alternative(mail["html"], subtype="html")
with smtplib.SMTP("127.0.0.1", int(sys.argv[1])) as client:
    client.send_message(message)

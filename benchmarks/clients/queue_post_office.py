"""django-post-office: mails are put into its table a hundred at once, and sent a hundred at once, over ten threads.

python -m benchmarks.clients.queue_post_office prepare|produce|work JOB FOLDER
"""

import sys
import time
from pathlib import Path

from benchmarks.clients.django_setup import set_up
from benchmarks.clients.words import said
from benchmarks.queue_job import QueueJob

PUT_AT_ONCE = 100
LOOK_SECONDS = 0.02


def some(begin: int, count: int) -> None:
    """Put mails into the queue."""
    from post_office import mail

    for first in range(begin, begin + count, PUT_AT_ONCE):
        words = [said(number) for number in range(first, min(first + PUT_AT_ONCE, begin + count))]
        mail.send_many(
            [
                {
                    "sender": one["from"],
                    "recipients": one["to"],
                    "subject": one["subject"],
                    "message": one["text"],
                    "html_message": one["html"],
                }
                for one in words
            ]
        )


def work() -> None:
    """Send what is in the queue, until this process is ended."""
    from post_office import mail

    while True:
        if mail.send_queued() == (0, 0, 0):
            time.sleep(LOOK_SECONDS)


def main(role: str, job: QueueJob, folder: Path) -> None:
    """Make the tables, put, or send."""
    set_up(job.port, folder, job.sessions)
    if role == "prepare":
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
    elif role == "produce":
        for turn in job.turns():
            some(*turn)
    else:
        work()


if __name__ == "__main__":
    main(sys.argv[1], QueueJob.loads(sys.argv[2]), Path(sys.argv[3]))

"""Django's `send_mail`, which opens a session for each mail; as many threads as there are sessions."""

from concurrent.futures import ThreadPoolExecutor

from django.core.mail import send_mail

from benchmarks.clients.django_setup import set_up
from benchmarks.clients.words import said
from benchmarks.job import Job, Numbers, Tally, report, timed


def send(job: Job) -> Tally:
    """Send what the job asks for."""

    def some(numbers: Numbers) -> None:
        for number in numbers:
            mail = said(number)
            send_mail(mail["subject"], mail["text"], mail["from"], [mail["to"]], html_message=mail["html"])

    with ThreadPoolExecutor(job.sessions) as threads:

        def work(numbers: Numbers) -> None:
            for done in [threads.submit(some, numbers) for _ in range(job.sessions)]:
                done.result()

        return timed(job, work)


if __name__ == "__main__":
    job = Job.of_this_process()
    set_up(job.port)
    report(send(job))

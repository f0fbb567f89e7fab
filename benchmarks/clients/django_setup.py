"""Django's settings for its clients here: the server that takes the mail, and a database if there is one."""

from pathlib import Path

import django
from django.conf import settings


def set_up(port: int, folder: Path | None = None, threads: int = 1) -> None:
    """Configure Django; with a folder django-post-office keeps mail in SQLite there, and has so many threads."""
    kept = {
        "INSTALLED_APPS": ["post_office"],
        "DATABASES": {
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(folder and folder / "django.db"),
                "OPTIONS": {
                    "transaction_mode": "IMMEDIATE",
                    "timeout": 20,
                    "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
                },
            }
        },
        "TEMPLATES": [{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "POST_OFFICE": {"THREADS_PER_PROCESS": threads},
    }
    settings.configure(EMAIL_HOST="127.0.0.1", EMAIL_PORT=port, USE_TZ=True, **(kept if folder else {}))
    django.setup()

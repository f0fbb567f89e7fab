import pytest

from mailnode.errors import MailnodeError
from mailnode.node.settings import EmailNotificationSettings, SendSmtpEmailSettings, SmtpSettings
from mailnode.node.settings_reader import read_settings
from support.flows import to_server


def refused(model, settings):
    with pytest.raises(MailnodeError) as caught:
        read_settings(model, settings)
    return caught.value


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"subjct": "x"}, ["subjct", "there is no such setting", "did you mean subject?"]),
        ({"to": None}, ["to: this setting is required", "| give `to` a value"]),
        ({"to": None, "too": "a@x.org"}, ["too: there is no such setting", "did you mean to?"]),
        ({"to": ""}, ["to: no recipient"]),
        ({"resultKey": "a.b"}, ["storeResult: this setting is required where resultKey is set"]),
        ({"storeResult": "context"}, ["resultKey: this setting is required where storeResult is set"]),
        ({"storeResult": "context", "resultKey": "a b"}, ["resultKey: 'a b': it should be a dotted path"]),
        ({"to": "a@x.org, jane, b@x.org"}, ["to: address 2", "'jane'"]),
        ({"emailService": "Gmial", "smtp": None}, ["emailService", "Gmial", "Gmail"]),
        ({"emailService": "Gmail"}, ["smtp", "is only for emailService other"]),
        ({"smtp": None}, ["smtp", "needs smtp settings"]),
        ({"connection": "{{ input.c }}"}, ["connection", "expressions are not allowed here"]),
        ({"subject": "{{ input."}, ["subject", "{{"]),
        ({"priority": "urgent"}, ["priority", "'urgent'"]),
        ({"maxRecipients": 0}, ["maxRecipients: 0: it should be at least 1"]),
        ({"stopOnError": "yes"}, ["stopOnError: 'yes': it should be true or false"]),
        ({"headers": {"Bcc": "x@y.org"}}, ["headers.Bcc", "use bcc instead"]),
        ({"headers": {"Auto-Submitted": "no"}}, ["headers.Auto-Submitted", "use autoSubmitted instead"]),
        ({"dataImages": True}, ["dataImages: True: it should be 'keep' or 'attach'", "use keep or attach"]),
        ({"autoSubmitted": "yes"}, ["autoSubmitted", "use auto-generated, auto-replied or no"]),
        ({"headers": {"Content-Type": "text/x"}}, ["headers.Content-Type", "leave it out"]),
        ({"headers": {"X Y": "z"}}, ["headers.X Y"]),
        (
            {"content": "{{#each input.items}}<li>{{/each}}"},
            ["{{ #each input.items }}", "input.items.map("],
        ),
        ({"content": "<p>{{ #if input.vip }}x{{/if}}</p>"}, ["{{ #if input.vip }}", "input.vip ?"]),
        ({"subject": "{{#each input.items}}x{{/each}}"}, ["{{ #each input.items }}", "input.items.map("]),
        ({"subject": "{{#if input.vip}}x"}, ["{{ #if input.vip }}", "input.vip ?"]),
        ({"content": "{{> footer}}"}, ["{{ > footer }}", "write JavaScript"]),
        ({"content": "{{else}}"}, ["{{ else }}", "input.vip ?"]),
        ({"retryHours": 0}, ["retryHours: 0: it should be more than 0"]),
        (
            {"attachments": [{"type": "path", "path": "/etc/passwd"}]},
            ["attachments[0]: there is no attachment type 'path' | use one of these types: file, url"],
        ),
        ({"attachments": [{"type": "text", "content": "x"}]}, ["attachments[0].filename"]),
        ({"attachments": [{"type": "text", "content": "x", "filename": "a", "nme": 1}]}, ["attachments[0].nme"]),
    ],
)
def test_a_wrong_setting_is_one_error_that_names_it_and_the_remedy(settings, words):
    error = refused(SendSmtpEmailSettings, to_server(25, **settings))
    for word in words:
        assert word in f"{error} | {error.hint}"


WRONG: list[object] = [5, None, True, 1.5, -1, 0, 10**9, float("nan"), "", "a b", "x" * 3000, "{{ input.a }}", [], {}]
PLACES = [
    *((field.alias or name,) for name, field in SendSmtpEmailSettings.model_fields.items()),
    *(("smtp", field.alias or name) for name, field in SmtpSettings.model_fields.items()),
    *(("attachments", 0, name) for name in ("type", "content", "filename", "cid", "path")),
    ("attachments", 0),
    ("headers", "X-Shop"),
    ("headers", "X Y"),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_whatever_stands_in_the_wrong_place_the_error_has_a_remedy(place):
    errors = []
    for wrong in WRONG:
        text = {"type": "text", "content": "x", "filename": "a.txt"}
        settings = to_server(25, attachments=[text], headers={}, storeResult="context", resultKey="a")
        around = settings
        for step in place[:-1]:
            around = around[step]
        around[place[-1]] = wrong
        try:
            read_settings(SendSmtpEmailSettings, settings)
        except MailnodeError as error:
            errors.append(error)
    assert errors
    assert [str(error) for error in errors if not error.hint] == []


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"stopOnError": "yes"}, "write true or false, without quotes"),
        ({"maxRecipients": 0}, "use at least 1"),
        ({"maxMessageMB": 5000}, "use at most 2048"),
        ({"priority": "urgent"}, "use high, normal or low"),
        ({"attachments": [{"type": "ftp"}]}, "use one of these types: file, url, text, base64, custom, mime"),
    ],
)
def test_the_remedy_says_what_may_stand_there(settings, hint):
    assert refused(SendSmtpEmailSettings, to_server(25, **settings)).hint == hint


@pytest.mark.parametrize("key", ["host", "ca", "ehloName"])
def test_no_expression_chooses_the_server(key):
    smtp = {"host": "127.0.0.1", key: "{{ input.x }}"}
    error = refused(SendSmtpEmailSettings, to_server(25, smtp=smtp))
    assert error.key == f"smtp.{key}"
    assert error.phase == "expression"


def test_the_notification_has_no_settings_but_its_own():
    error = refused(EmailNotificationSettings, {"to": "a@x.org", "attachments": []})
    assert (error.key, error.code) == ("attachments", "unknownKey")


def test_the_defaults_are_those_of_the_contract():
    settings = read_settings(SendSmtpEmailSettings, {"emailService": "Gmail", "to": "a@x.org"})
    assert settings.model_dump(exclude={"email_service", "to"}) == {
        **dict.fromkeys(("cc", "bcc", "reply_to", "subject", "content"), ""),
        **dict.fromkeys(("in_reply_to", "references", "list_unsubscribe"), ""),
        **dict.fromkeys(("smtp", "connection", "from_", "text_content", "envelope_from", "result_key"), None),
        "idempotency_key": None,
        "layout": "",
        "auto_submitted": None,
        "data_images": "keep",
        "invitation": None,
        "attachments": (),
        "headers": {},
        "inline_styles": True,
        "priority": "normal",
        "store_result": "none",
        "stop_on_error": False,
        "lenient": False,
        "partial_delivery": "allow",
        "on_unknown": "resend",
        "timeout_seconds": 60,
        "asynchronous": False,
        "retry_hours": 24,
        "max_recipients": 100,
        "max_attachment_mb": 10,
        "max_message_mb": 25,
    }


def test_blanks_and_line_ends_around_a_name_are_none_of_it():
    smtp = {"host": " mail.example.org\n", "port": 25, "tlsOption": "none"}
    file = {"type": "custom", "content": "x", "contentType": "text/csv\n", "filename": "a.csv"}
    given = {"connection": "shop \n", "storeResult": "context", "resultKey": "mail.sent\n", "attachments": [file]}
    settings = read_settings(SendSmtpEmailSettings, to_server(25, smtp=smtp, **given))
    assert settings.smtp
    assert settings.smtp.host == "mail.example.org"
    assert (settings.connection, settings.result_key) == ("shop", "mail.sent")
    assert settings.attachments[0].model_dump()["content_type"] == "text/csv"

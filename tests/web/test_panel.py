"""The panel has a field for each setting, and no other."""

import pytest

from mailnode.node.invitation import InvitationSettings
from mailnode.node.settings import EmailNotificationSettings, SendSmtpEmailSettings, SmtpSettings
from mailnode.web.panel import NODE_TYPES, PANELS


def keys(node_type):
    fields = [field for section in PANELS[node_type] for field in section.fields]
    assert len({field.key for field in fields}) == len(fields)
    return {field.key: field for field in fields if not field.key.startswith("@")}


def settings_of(model):
    return {field.alias or name: field for name, field in model.model_fields.items()}


def test_each_setting_of_a_mail_has_a_field():
    expected = set(settings_of(SendSmtpEmailSettings)) - {"smtp", "invitation"}
    expected |= {f"invitation.{key}" for key in settings_of(InvitationSettings)}
    expected |= {f"smtp.{key}" for key in settings_of(SmtpSettings)}
    assert set(keys("sendSmtpEmail")) == expected


def test_each_setting_of_a_notification_has_a_field():
    assert set(keys("emailNotification")) == set(settings_of(EmailNotificationSettings))


@pytest.mark.parametrize("node_type", ["sendSmtpEmail", "emailNotification"])
def test_what_a_field_leaves_out_is_the_setting_s_own_default(node_type):
    settings = settings_of(SendSmtpEmailSettings)
    for key, field in keys(node_type).items():
        if "." in key or settings[key].is_required() or key in {"attachments", "headers"}:
            continue
        default = settings[key].default  # a template is kept as it was parsed
        assert field.default == getattr(default, "source", default), key


def test_each_node_type_has_a_panel():
    assert set(PANELS) == set(NODE_TYPES)
    for sections in PANELS.values():
        assert {"@id", "@label", "@when"} <= {field.key for section in sections for field in section.fields}

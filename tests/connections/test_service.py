import pytest

from mailnode.connections.service import find_service, services
from mailnode.errors import ConnectionsError, ErrorCode

STARTTLS_PORTS = {25, 587, 2525, 25976}


def words():
    return [word for service in services() for word in (service.name, *service.aliases, *service.domains)]


def test_all_services_of_the_table_are_known():
    assert len(services()) == 92


@pytest.mark.parametrize("word", words())
def test_every_name_alias_and_domain_leads_to_one_service_in_any_case(word):
    (owner,) = {s.name for s in services() if word in (s.name, *s.aliases, *s.domains)}
    for spelling in (word, word.upper(), word.lower(), f"  {word} ", f"jane@{word}"):
        assert find_service(spelling).name == owner


@pytest.mark.parametrize("service", services(), ids=lambda service: service.name)
def test_an_entry_makes_sense(service):
    assert service.host
    assert " " not in service.host
    assert service.ports
    assert service.ports.get("tls") in {None, 465}
    assert service.ports.get("starttls") in {None, *STARTTLS_PORTS}
    # The only one that may send in the clear is a server on this machine.
    assert ("none" in service.ports) == (service.host == "localhost")


@pytest.mark.parametrize(
    ("name", "host", "ports"),
    [
        ("Gmail", "smtp.gmail.com", {"tls": 465, "starttls": 587}),
        ("Outlook365", "smtp.office365.com", {"starttls": 587}),
        ("Hotmail", "smtp-mail.outlook.com", {"starttls": 587}),
        ("iCloud", "smtp.mail.me.com", {"starttls": 587}),
        ("Bluewin", "smtpauths.bluewin.ch", {"tls": 465}),
        ("Loopia", "mailcluster.loopia.se", {"tls": 465, "starttls": 587}),
        ("hot.ee", "mail.hot.ee", {"starttls": 587}),
        ("qiye.aliyun", "smtp.mxhichina.com", {"tls": 465}),
        ("Maildev", "localhost", {"none": 1025}),
    ],
)
def test_a_service_is_reached_there(name, host, ports):
    assert (find_service(name).host, find_service(name).ports) == (host, ports)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("office365", "Outlook365"),
        ("Office 365", "Outlook365"),
        ("microsoft-365", "Outlook365"),
        ("google", "Gmail"),
        ("Google Workspace", "GmailWorkspace"),
        ("jane.doe@googlemail.com", "Gmail"),
        ("Amazon SES", "SES"),
        ("ses_eu_west_1", "SES-EU-WEST-1"),
        ("brevo", "SendinBlue"),
    ],
)
def test_people_need_not_know_how_it_is_spelt(word, name):
    assert find_service(word).name == name


@pytest.mark.parametrize(("word", "near"), [("Gmial", "Gmail"), ("outlok365", "Outlook365"), ("send-grit", "SendGrid")])
def test_an_unknown_service_is_an_error_that_names_the_near_ones(word, near):
    with pytest.raises(ConnectionsError) as caught:
        find_service(word)
    assert caught.value.code is ErrorCode.UNKNOWN_SERVICE
    assert word in caught.value.message
    assert near in caught.value.hint


@pytest.mark.parametrize("word", ["", "@", "jane@", "x" * 10_000, "\0"])
def test_nonsense_is_an_unknown_service_with_a_short_message(word):
    with pytest.raises(ConnectionsError) as caught:
        find_service(word)
    assert len(caught.value.message) < 100
    assert "give its host" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "wish", "found"),
    [
        ("Gmail", None, ("tls", 465)),
        ("Gmail", "starttls", ("starttls", 587)),
        ("Outlook365", None, ("starttls", 587)),
        ("Maildev", None, ("none", 1025)),
    ],
)
def test_the_port_follows_the_tls_mode(name, wish, found):
    assert find_service(name).port_for(wish) == found


def test_a_mode_that_the_service_lacks_is_an_error_that_names_those_it_has():
    with pytest.raises(
        ConnectionsError, match=r"Outlook365 does not offer tlsOption 'tls', only starttls \(port 587\)"
    ) as caught:
        find_service("Outlook365").port_for("tls")
    assert caught.value.key == "tlsOption"
    assert "starttls" in caught.value.hint


def test_a_dead_service_is_found_with_a_warning():
    assert "no SMTP" in find_service("jane@tutanota.com").dead
    assert find_service("Gmail").dead == ""

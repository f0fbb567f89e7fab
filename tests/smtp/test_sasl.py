import base64

import pytest
import scramp

from mailnode.errors import ErrorCode, LoginFailed, SettingsError
from mailnode.smtp.authentication import usable_mechanisms
from mailnode.smtp.bearer import Bearer
from mailnode.smtp.sasl import MAX_ITERATIONS, Exchange, Login, login, plain, scram_sha_256

USER = Login("user", "pencil")
# RFC 7677 3
NONCE = "rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
CLIENT_FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def scram(username="user", password="pencil"):
    mechanism = scram_sha_256(Login(username, password), lambda: NONCE)
    return mechanism, next(mechanism)


def b64(octets):
    return base64.b64encode(octets).decode()


def test_a_password_is_not_shown():
    assert "pencil" not in repr(Login("user", "pencil"))


@pytest.mark.parametrize(("username", "password"), [("", "x"), ("a\0b", "x"), ("a", "x\0y")])
def test_a_login_that_no_mechanism_can_carry_is_refused(username, password):
    with pytest.raises(SettingsError) as caught:
        Login(username, password)
    assert caught.value.hint
    assert "\0" not in str(caught.value)


def test_plain_says_everything_at_once():
    mechanism = plain(Login("j\u00fcrg", "pa ss"))
    assert next(mechanism) == "\0j\u00fcrg\0pa ss".encode()


def test_login_counts_prompts_and_does_not_read_them():
    exchange = Exchange("LOGIN", login(USER))
    assert exchange.command() == "AUTH LOGIN"
    assert exchange.respond("not base64 at all!") == b64(b"user")
    assert exchange.respond("") == b64(b"pencil")
    exchange.finish()


def test_a_server_that_prompts_a_third_time_gets_nothing():
    exchange = Exchange("LOGIN", login(USER))
    exchange.command()
    exchange.respond("")
    exchange.respond("")
    with pytest.raises(LoginFailed, match="asks for more"):
        exchange.respond("")


def test_scram_follows_the_example_of_its_rfc():
    mechanism, first = scram()
    assert first == b"n,,n=user,r=" + NONCE.encode()
    assert mechanism.send(SERVER_FIRST) == CLIENT_FINAL
    assert mechanism.send(SERVER_FINAL) == b""
    with pytest.raises(StopIteration):
        mechanism.send(b"")


def test_a_wrong_server_signature_is_refused():
    mechanism, _ = scram()
    mechanism.send(SERVER_FIRST)
    with pytest.raises(LoginFailed, match="signature is wrong"):
        mechanism.send(b"v=" + base64.b64encode(bytes(32)))


def test_a_success_before_the_server_has_proved_itself_is_refused():
    exchange = Exchange("SCRAM-SHA-256", scram_sha_256(USER))
    exchange.command()
    with pytest.raises(LoginFailed):
        exchange.finish()


def test_a_success_after_the_server_said_that_the_proof_is_wrong_is_refused():
    mechanism, _ = scram()
    mechanism.send(SERVER_FIRST)
    assert mechanism.send(b"e=invalid-proof") == b""
    with pytest.raises(LoginFailed):
        mechanism.send(b"")


@pytest.mark.parametrize(
    "server_first",
    [
        b"",
        b"r=other,s=AAAA,i=4096",
        b"r=" + NONCE.encode() + b",s=AAAA,i=4096",
        b"m=ext," + SERVER_FIRST,
        SERVER_FIRST.replace(b"4096", b"1"),
        SERVER_FIRST.replace(b"4096", str(MAX_ITERATIONS + 1).encode()),
        SERVER_FIRST.replace(b"4096", b"9" * 5000),
        SERVER_FIRST.replace(b"4096", b"-1"),
        SERVER_FIRST.replace(b"4096", "\u0664".encode()),
        SERVER_FIRST.replace(b"W22Z", b"!!!!"),
        b"\xff\xfe",
    ],
)
def test_a_server_message_that_is_unfair_or_broken_is_refused(server_first):
    mechanism, _ = scram()
    with pytest.raises(LoginFailed) as caught:
        mechanism.send(server_first)
    assert caught.value.code == ErrorCode.AUTH_REFUSED


def test_commas_and_equals_signs_in_a_user_name_are_escaped():
    assert scram(username="a=b,c")[1].startswith(b"n,,n=a=3Db=2Cc,r=")


# RFC 4013 3
@pytest.mark.parametrize(
    ("given", "prepared"),
    [("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("\u00aa", "a"), ("\u2168", "IX"), ("a\u00a0b", "a b")],
)
def test_names_are_prepared_by_saslprep(given, prepared):
    assert scram(username=given)[1] == f"n,,n={prepared},r={NONCE}".encode()


@pytest.mark.parametrize("given", ["\u0007", "\u06271", "\u0627a\u0627", "\ue000"])
def test_what_saslprep_forbids_is_refused(given):
    with pytest.raises(LoginFailed, match="SASLprep"):
        scram(username=given)


def test_scram_agrees_with_another_implementation():
    mechanism = scramp.ScramMechanism("SCRAM-SHA-256")
    stored = mechanism.make_auth_info("p\u00e4ss, word=", iteration_count=5000)
    server = mechanism.make_server(lambda _: stored)
    ours = scram_sha_256(Login("us,er", "p\u00e4ss, word="))
    server.set_client_first((next(ours) or b"").decode())
    server.set_client_final((ours.send(server.get_server_first().encode()) or b"").decode())
    assert ours.send(server.get_server_final().encode()) == b""


def test_the_strongest_mechanism_comes_first():
    assert usable_mechanisms(("LOGIN", "PLAIN", "CRAM-MD5", "SCRAM-SHA-256"), USER) == [
        "SCRAM-SHA-256",
        "PLAIN",
        "LOGIN",
    ]
    assert usable_mechanisms(("XOAUTH2",), USER) == []
    assert usable_mechanisms(("PLAIN", "XOAUTH2", "OAUTHBEARER"), Bearer("user", "token")) == ["OAUTHBEARER", "XOAUTH2"]


def test_login_is_a_generator_that_lets_the_server_speak_first():
    assert next(login(Login("a", "b"))) is None

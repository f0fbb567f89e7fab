import pytest

from mailnode.errors import ErrorCode, SettingsError, TokenError
from mailnode.smtp.bearer import Bearer, TokenLogin, TokenStatus, oauthbearer, xoauth2
from mailnode.smtp.sasl import MAX_COMMAND_OCTETS, Exchange
from support.tokens import Purse

TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
GOOGLE = b'{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}'


class TestMechanisms:
    def test_oauthbearer_follows_the_example_of_its_rfc(self):
        # RFC 7628 4.1, with SMTP's port
        mechanism = oauthbearer(Bearer("user@example.com", TOKEN), "server.example.com", 587)
        assert next(mechanism) == (
            b"n,a=user@example.com,\x01host=server.example.com\x01port=587\x01auth=Bearer "
            + TOKEN.encode()
            + b"\x01\x01"
        )

    def test_xoauth2_follows_the_example_of_googles_page(self):
        exchange = Exchange("XOAUTH2", xoauth2(Bearer("someuser@example.com", "ya29." + TOKEN), "", 0))
        assert exchange.command() == (
            "AUTH XOAUTH2 dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNr"
            "QmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
        )

    def test_commas_and_equals_signs_are_escaped_in_oauthbearer_alone(self):
        bearer = Bearer("a=b,c@example.com", TOKEN)
        assert (next(oauthbearer(bearer, "h", 1)) or b"").startswith(b"n,a=a=3Db=2Cc@example.com,\x01")
        assert (next(xoauth2(bearer, "h", 1)) or b"").startswith(b"user=a=b,c@example.com\x01")

    def test_a_user_name_beyond_ascii_goes_as_utf_8(self):
        assert "a=j\u00fcrg@".encode() in (next(oauthbearer(Bearer("j\u00fcrg@example.com", TOKEN), "h", 1)) or b"")

    @pytest.mark.parametrize(("mechanism", "answer"), [(oauthbearer, "AQ=="), (xoauth2, "")])
    def test_a_complaint_is_answered_with_nothing_to_say(self, mechanism, answer):
        exchange = Exchange("X", mechanism(Bearer("user", TOKEN), "h", 1))
        exchange.command()
        assert exchange.respond("eyJzdGF0dXMiOiI0MDEifQ==") == answer
        assert exchange.challenge == b'{"status":"401"}'

    def test_a_success_needs_no_further_word(self):
        exchange = Exchange("OAUTHBEARER", oauthbearer(Bearer("user", TOKEN), "h", 1))
        exchange.command()
        exchange.finish()

    def test_a_token_too_long_for_a_command_line_follows_on_its_own(self):
        exchange = Exchange("XOAUTH2", xoauth2(Bearer("user", "x" * 2500), "h", 1))
        assert exchange.command() == "AUTH XOAUTH2"
        assert len(exchange.respond("")) > 3300
        assert exchange.challenge == b""
        exchange.finish()

    def test_the_longest_command_line_is_filled(self):
        commands = []
        for length in range(300, 400):
            exchange = Exchange("XOAUTH2", xoauth2(Bearer("user", "x" * length), "h", 1))
            commands.append(len(exchange.command()))
        assert max(commands) in range(MAX_COMMAND_OCTETS - 3, MAX_COMMAND_OCTETS + 1)
        assert commands[-1] == len("AUTH XOAUTH2")


class TestWhatNoMechanismCanCarry:
    @pytest.mark.parametrize("username", ["", "a\x01b", "a\0b", "a\r\nb", "a\x7fb", "\ud800"])
    def test_a_user_name_is_refused(self, username):
        for make in (lambda: Bearer(username, TOKEN), lambda: TokenLogin(username, Purse())):
            with pytest.raises(SettingsError) as caught:
                make()
            assert (caught.value.code, caught.value.key) == (ErrorCode.BAD_SETTING, "username")
            assert caught.value.hint

    @pytest.mark.parametrize("token", ["", "canary\n", "canary\x01", "canary\x00", "canary\u00fc"])
    def test_a_token_is_refused_and_not_shown(self, token):
        with pytest.raises(TokenError) as caught:
            Bearer("user", token)
        assert not caught.value.transient
        assert "line breaks" in caught.value.hint
        assert "canary" not in repr(caught.value)

    def test_a_token_is_never_shown(self):
        assert TOKEN not in repr(Bearer("user", TOKEN))


class TestComplaint:
    def test_what_the_server_says_is_told(self):
        assert str(TokenStatus.parse(GOOGLE)) == "status 400, schemes Bearer, scope https://mail.google.com/"

    def test_an_rfc_7628_error_is_told(self):
        said = b'{"status":"invalid_token","scope":"example_scope","openid-configuration":"https://example.com/x"}'
        assert str(TokenStatus.parse(said)) == "status invalid_token, scope example_scope"

    @pytest.mark.parametrize(
        "challenge",
        [
            *[b"", b"\xff\xfe", b"nonsense", b"[]", b"1", b"null", b"[" * 4000, b'{"status":', b'{"status":{"a":1}}'],
            b'{"status":"' + b"x" * 5000 + b'"}',
        ],
    )
    def test_what_is_no_such_json_says_nothing(self, challenge):
        assert str(TokenStatus.parse(challenge)) == ""

    def test_a_number_is_a_status_too(self):
        assert TokenStatus.parse(b'{"status":401,"scope":null}') == TokenStatus("401")

    def test_what_it_says_is_shortened_and_harmless(self):
        complaint = TokenStatus.parse(b'{"status":"a\\u001b[2Jb\\u202ec","scope":"' + b"x" * 500 + b'"}')
        assert complaint.status == "a [2Jb c"
        assert complaint.scope == "x" * 197 + "..."

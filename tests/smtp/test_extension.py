from mailnode.smtp.extension import Extensions


def parse(*keywords):
    return Extensions.parse(["mail.example.org hello", *keywords])


def test_the_keywords_are_read_in_any_case():
    assert parse("pipelining", "Size 1000", "8bitmime", "SMTPUTF8", "StartTLS") == Extensions(
        pipelining=True, size=1000, eight_bit_mime=True, smtputf8=True, starttls=True
    )


def test_the_servers_name_is_no_keyword():
    assert Extensions.parse(["PIPELINING"]) == Extensions()


def test_no_lines_are_no_extensions():
    assert Extensions.parse([]) == Extensions()


def test_size_without_a_number_names_no_limit():
    assert parse("SIZE").size == 0
    assert parse("SIZE 0").size == 0
    assert parse("SIZE unlimited").size == 0
    assert parse("SIZE " + "9" * 30).size == 0


def test_mechanisms_keep_the_servers_order_and_come_once():
    assert parse("AUTH PLAIN login", "AUTH=PLAIN LOGIN").auth == ("PLAIN", "LOGIN")


def test_the_old_way_to_offer_auth_is_understood():
    assert parse("AUTH=LOGIN").auth == ("LOGIN",)


def test_an_unknown_or_empty_keyword_is_skipped():
    assert parse("", "X-LOVELY", "DSN") == Extensions()

"""Mails and drafts that would keep the process that carries mail busy, or take its memory: they are read elsewhere."""

import os
import resource
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailnode.confined import ConfinedProcess
from mailnode.web import reader
from mailnode.web.reading import MEMORY_OCTETS

HEAD = b"From: a@b.example\r\nSubject: Hi\r\nContent-Type: {}\r\n\r\n"
CSS = b"<style>p{background:" + b"url(cid:" * 12_000 + b"</style><p>Hi"
MANY_IMAGES = (
    b'From: a@b.example\r\nSubject: Hi\r\nContent-Type: multipart/related; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/html\r\n\r\n" + b"<img src=cid:a>" * 4_000 + b"\r\n"
    b"--b\r\nContent-Type: image/gif\r\nContent-ID: <a>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + b"QUFB" * 16_000
    + b"\r\n--b--\r\n"
)
MANY_PARTS = b'From: a@b.example\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\na\r\n" * 20_000
TOO_MUCH = b"a:\r\n" * 2_000_000 + b"\r\n<script>alert(1)</script>"


def kept(site, octets):
    return site.inbox._keep(1, {"mail_from": "a@b.example", "rcpt_to": ["c@d.example"]}, octets)


def html(octets):
    return HEAD.replace(b"{}", b"text/html; charset=utf-8") + octets


def readers():
    """The processes that read mails."""
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = [int(pid) for listed in children for pid in listed.read_text().split()]
    return [pid for pid in pids if b"reading.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@contextmanager
def calls():
    """How many functions this thread calls; unlike the time that it takes, it is the same on a busy machine."""
    made = []
    sys.setprofile(lambda _frame, what, _argument: made.append(what) if what.endswith("call") else None)
    try:
        yield made
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("octets", [html(CSS), MANY_IMAGES, MANY_PARTS], ids=["styles", "images", "parts"])
async def test_no_mail_keeps_this_process_busy_or_grows_without_end(api, site, octets):
    small, number = kept(site, html(b"<p>Hi")), kept(site, octets)
    for path in ("/api/inbox/{}", "/inbox/{}", "/inbox/{}/html"):
        await api.get(path.format(small))  # what is used first is loaded first
        with calls() as made:
            answer = await api.get(path.format(number))
        assert answer.status_code == 200
        assert len(answer.content) < len(octets) + 5_000_000
        assert len(made) < 300_000


async def test_a_mail_that_takes_too_much_ends_its_reader_alone(api, site, capfd, monkeypatch):
    monkeypatch.setattr(reader, "SECONDS", 0.5)
    number, other = kept(site, TOO_MUCH), kept(site, html(b"<p>Hi"))
    answer = await api.get(f"/api/inbox/{number}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "mailNotShown")
    assert answer.json()["error"]["hint"]
    page = await api.get(f"/inbox/{number}")
    assert page.status_code == 200
    assert "too large or too deeply nested" in page.text
    assert "alert(1)" not in page.text
    assert f'href="/api/inbox/{number}/source"' in page.text
    shown = (await api.get(f"/inbox/{number}/html")).text
    assert "This is its source" in shown
    assert "&lt;script&gt;" in shown or "more characters are left out" in shown
    assert "<script" not in shown
    assert (await api.get(f"/api/inbox/{number}/parts/1")).status_code == 422
    monkeypatch.undo()
    assert (await api.get(f"/api/inbox/{other}")).json()["html"] == "<p>Hi"
    assert capfd.readouterr().err == ""


async def test_what_hangs_its_reader_is_shown_as_its_escaped_source(api, site, monkeypatch):
    """Of a draft: the preview shows it, with a notice, and never as it is."""
    await api.get(f"/api/inbox/{kept(site, html(b'<p>Hi'))}")
    draft = "<p>hello <script>alert(1)</script></p>"
    (pid,) = readers()
    assert resource.prlimit(pid, resource.RLIMIT_AS)[0] == MEMORY_OCTETS
    os.kill(pid, signal.SIGSTOP)
    tell = ConfinedProcess.send

    def tell_and_kill(process, job):
        heard = tell(process, job)
        os.kill(pid, signal.SIGKILL)
        return heard

    with monkeypatch.context() as patched:
        patched.setattr(ConfinedProcess, "send", tell_and_kill)
        shown = await site.reader.harmless(draft, {})
    assert "This is its source" in shown
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown
    assert await site.reader.harmless(draft, {}) == "<p>hello </p>"


async def test_a_mail_that_is_thrown_away_meanwhile_is_said_to_be_gone(api, site):
    received = site.inbox.get(kept(site, html(b"<p>Hi")))
    site.inbox.clear()
    with pytest.raises(Exception, match=f"there is no email {received.number}"):
        await site.reader.opened(received)


DRAFT = """version: 1
name: large
nodes:
  - id: send
    type: sendSmtpEmail
    settings:
      emailService: other
      smtp: {host: 127.0.0.1, port: 1025, tlsOption: none}
      from: a@b.example
      to: c@d.example
      subject: Hi
      content: "%s"
"""


async def test_what_a_large_draft_or_sample_costs_is_spent_beside_the_loop(api):
    await api.post("/api/flows", json={"text": DRAFT % "Hi"})
    preview = {"text": DRAFT % ("<p>Hi</p>" * 10_000)}
    sample = {"input": {"rows": [{"a": number} for number in range(20_000)]}}
    styled = {"text": DRAFT % "<style>p{color:red}</style>{{{ input.html }}}", "input": {"html": "<p>Hi</p>" * 20_000}}
    part = "Content-Type: multipart/mixed; boundary=b\n\n" + "--b\n\na\n" * 15_000 + "--b--\n"
    attached = DRAFT % "Hi" + "      attachments: [{type: mime, content: '{{ input.part }}'}]\n"
    # What is used first is loaded first.
    assert (await api.post("/api/preview", json={"text": DRAFT % "<style>p{color:red}</style>Hi"})).status_code == 200
    for method, path, body in (
        ("POST", "/api/preview", preview),
        ("POST", "/api/preview", styled),
        ("POST", "/api/preview", {"text": attached, "input": {"part": part}}),
        ("PUT", "/api/flows/large/sample", sample),
    ):
        with calls() as made:
            answer = await api.request(method, path, json=body)
        assert answer.status_code == 200
        assert len(made) < 300_000  # each would be over a million in this thread

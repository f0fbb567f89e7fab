"""Layouts over HTTP and in a browser: kept, previewed, chosen, and not lost while a flow uses them."""

from pathlib import Path

import httpx2
from playwright.sync_api import Page, expect

from mailnode.web.site import Site

LAYOUT = "<style>h2 { color: #070; }</style><div data-content>Sample</div><p>Of {{ input.shop }}</p>"
FLOW = """\
version: 1
name: shop
nodes:
  - id: tell
    type: sendSmtpEmail
    settings:
      {emailService: other, smtp: {host: localhost}, from: a@example.org, to: b@example.org, layout: green,
       content: "<h2>{{ input.title }}</h2>", attachments: [{type: url, url: "http://localhost/x"}]}
"""
SAMPLE = {"input": {"shop": "Tea & Co", "title": "Hello"}, "context": {}}


def problem(answer: httpx2.Response, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    error: dict[str, str] = answer.json()["error"]
    return error


async def test_a_layout_is_made_listed_copied_saved_renamed_and_deleted(api: httpx2.AsyncClient, site: Site) -> None:
    made = (await api.post("/api/layouts", json={"name": "green"})).json()
    assert "data-content" in made["text"]
    assert made["errors"] == []
    saved = await api.put("/api/layouts/green", json={"text": LAYOUT, "revision": made["revision"]})
    assert saved.json()["text"] == (site.flow_files.folder / "layouts/green.html").read_text() == LAYOUT
    copy = (await api.post("/api/layouts", json={"name": "copy", "copyOf": "green"})).json()
    assert copy["text"] == LAYOUT
    renamed = {"text": "<p>", "revision": copy["revision"], "name": "broken"}
    assert (await api.put("/api/layouts/copy", json=renamed)).json()["errors"][0]["code"] == "badLayout"
    listed = (await api.get("/api/layouts")).json()
    assert [(one["name"], bool(one["trouble"])) for one in listed] == [("broken", True), ("green", False)]
    assert (await api.delete("/api/layouts/broken")).status_code == 204
    assert problem(await api.get("/api/layouts/broken"), 404)["code"] == "unknownLayout"


async def test_what_would_lose_something_is_refused(api: httpx2.AsyncClient, site: Site) -> None:
    made = (await api.post("/api/layouts", json={"name": "green", "text": LAYOUT})).json()
    assert problem(await api.post("/api/layouts", json={"name": "green"}), 409)["key"] == "name"
    for name in ("../green", "a/b", "", "x" * 65, "{{ a }}"):
        assert problem(await api.post("/api/layouts", json={"name": name}), 422)["message"]
    await api.post("/api/layouts", json={"name": "other", "text": LAYOUT})
    body = {"text": "", "revision": made["revision"], "name": "other"}
    assert problem(await api.put("/api/layouts/green", json=body), 409)["key"] == "name"
    assert (
        problem(await api.put("/api/layouts/green", json={"text": "", "revision": "0"}), 409)["code"]
        == "layoutConflict"
    )
    await api.post("/api/flows", json={"text": FLOW})
    assert (await api.get("/api/layouts/green")).json()["usedBy"] == ["shop"]
    body["name"] = "blue"
    for refused in (await api.delete("/api/layouts/green"), await api.put("/api/layouts/green", json=body)):
        assert "while a flow uses it: shop" in problem(refused, 409)["message"]
    # Whether a flow that can't be read uses it, only its text can tell.
    (site.flow_files.folder / "shop.flow.yaml").write_text("nodes: {layout: other")
    assert problem(await api.delete("/api/layouts/other"), 409)["code"] == "layoutConflict"
    assert (await api.delete("/api/layouts/green")).status_code == 204
    large = {"name": "large", "text": "x" * (2**20 + 1)}
    assert problem(await api.post("/api/layouts", json=large), 422)["message"]


async def test_a_link_in_the_place_of_the_folder_is_not_followed(
    api: httpx2.AsyncClient, site: Site, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    site.flow_files.folder.mkdir(exist_ok=True)
    (site.flow_files.folder / "layouts").symlink_to(elsewhere)
    assert "is a link" in problem(await api.post("/api/layouts", json={"name": "green"}), 422)["message"]
    assert list(elsewhere.iterdir()) == []


async def test_a_preview_has_the_content_and_the_sample_of_a_flow(api: httpx2.AsyncClient) -> None:
    await api.post("/api/layouts", json={"name": "green", "text": LAYOUT})
    await api.post("/api/flows", json={"text": FLOW.replace("name: shop", "name: teas/shop")})
    assert (await api.get("/api/layouts")).json()[0]["usedBy"] == ["teas/shop"]
    await api.put("/api/flows/teas/shop/sample", json=SAMPLE)
    shown = (await api.post("/api/layouts/preview", json={"text": LAYOUT, "flow": "teas/shop", "node": "tell"})).json()
    assert shown["preview"]["text"].split() == ["Hello", "Of", "Tea", "&", "Co"]
    frame = (await api.get(shown["preview"]["html"])).text
    assert '<h2 style="color:' in frame
    assert "Tea &amp; Co" in frame
    alone = (await api.post("/api/layouts/preview", json={"text": LAYOUT})).json()
    assert "A heading" in alone["preview"]["text"]
    wrong = (await api.post("/api/layouts/preview", json={"text": "<mjml>\n<x>"})).json()
    assert "MJML, line 2" in wrong["errors"][0]["message"]
    assert wrong["preview"] is None
    gone = (await api.post("/api/layouts/preview", json={"text": LAYOUT, "flow": "none"})).json()
    assert gone["errors"][0]["code"] == "unknownFlow"


async def test_the_flow_s_own_preview_and_list_tell_of_a_layout_that_is_missing(api: httpx2.AsyncClient) -> None:
    made = (await api.post("/api/flows", json={"text": FLOW})).json()
    assert [(one["key"], one["code"]) for one in made["errors"]] == [("layout", "unknownLayout")]
    assert "layout" in (await api.get("/api/flows")).json()[0]["trouble"]


def test_a_layout_is_written_looked_at_and_chosen(page: Page, home: Path) -> None:
    page.goto("/layouts")
    page.get_by_role("button", name="Create your first layout").click()
    page.get_by_label("Name", exact=True).first.fill("Green & new")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("heading", name="green-new")).to_be_visible()
    frame = page.frame_locator("[data-frame]")
    expect(frame.get_by_role("heading", name="A heading")).to_be_visible()
    expect(page.locator(".cm-content")).to_be_visible()  # in the place of a plain field, which may be found before
    source = page.get_by_role("textbox", name="HTML or MJML")
    source.fill("<p>No place</p>")
    expect(page.get_by_text("No element has data-content", exact=False)).to_be_visible()
    source.fill("<div data-content></div><p>From the shop</p>")
    expect(frame.get_by_text("From the shop")).to_be_visible()
    source.press("Control+s")
    expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
    path = home / "flows/layouts/green-new.html"
    assert path.read_text() == "<div data-content></div><p>From the shop</p>"
    path.write_text("<b data-content></b>")
    source.fill("<i data-content></i>")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Overwrite it with mine").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("[data-saved]")).to_have_text("")
    assert path.read_text() == "<i data-content></i>"
    page.goto("/flows")
    page.get_by_role("button", name="Create your first flow").click()
    page.get_by_label("Name", exact=True).first.fill("shop")
    page.get_by_role("button", name="Create", exact=True).click()
    page.get_by_label("Layout", exact=True).select_option("green-new")
    expect(page.get_by_role("link", name="Edit layout")).to_have_attribute("href", "/layouts/green-new")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("[data-saved]")).to_have_text("Saved")
    assert "layout: green-new" in (home / "flows/shop.flow.yaml").read_text()
    page.goto("/layouts")
    row = page.get_by_role("row", name="green-new")
    expect(row.get_by_role("link", name="shop")).to_be_visible()
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_contain_text("while a flow uses it: shop")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    row.get_by_role("button", name="Rename").click()
    expect(page.get_by_label("New name")).to_have_value("green-new")

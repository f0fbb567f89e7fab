"""Apps as JSON: made with a password that is shown once, changed, given another one."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Body, Response
from pydantic import Field

from mailnode.smtp.server import TlsOption
from mailnode.submission.apps import NewPassword
from mailnode.web.api.problem import PROBLEMS, ApiModel
from mailnode.web.site import SiteHere

router = APIRouter(prefix="/api/apps", tags=["apps"], responses=PROBLEMS)

_SHOWN: dict[str, Any] = {"response_model_exclude_unset": True}


class App(ApiModel):
    """A program that hands in email by SMTP; times are Unix ms, and `lastUsedAt` is exact to a minute.

    `senders` are addresses, domains (`@example.org`) and `<>`. `notify` is an address, `sender` or `none`.
    """

    name: str
    connection: str
    senders: list[str]
    rate_limit: str | None = None
    notify: str
    duplicates_check: bool
    unix_user: str | None = None
    host: str | None = None
    port: int | None = None
    tls_option: TlsOption | None = None
    ca: str | None = None
    created_at: int
    updated_at: int
    last_used_at: int | None


class NewApp(ApiModel):
    """A new app; without `senders` it may send from the address of its connection."""

    name: str = Field(max_length=200)
    connection: str = Field(max_length=200)
    senders: list[str] | None = None
    rate_limit: str | None = None
    notify: str | None = None
    duplicates_check: bool | None = None
    unix_user: str | None = None
    host: str | None = None
    port: int | None = None
    tls_option: TlsOption | None = None
    ca: str | None = None


class AppLogin(ApiModel):
    """The login of an app; its password is not shown again."""

    login: str
    password: str


@router.get("", **_SHOWN)
async def list_apps(site: SiteHere) -> list[App]:
    """List the apps by name."""
    return [App(**one) for one in await site.mailnode.apps.list()]


@router.post("", status_code=201)
async def create_app(site: SiteHere, new: NewApp, response: Response) -> AppLogin:
    """Create an app, and give its login with the password that is shown only now."""
    fields = new.model_dump(by_alias=True, exclude_none=True, exclude={"name"})
    made = await site.mailnode.apps.create(new.name, fields)
    response.headers["Location"] = f"{router.prefix}/{quote(made.login)}"
    return _login(made)


@router.get("/{name}", **_SHOWN)
async def show_app(site: SiteHere, name: str) -> App:
    """Show an app, without its password."""
    return App(**await site.mailnode.apps.show(name))


@router.patch("/{name}", **_SHOWN)
async def change_app(site: SiteHere, name: str, fields: Annotated[dict[str, Any], Body()]) -> App:
    """Change some fields of an app; null removes one, and all others stay. Its next message is judged by it."""
    await site.mailnode.apps.update(name, fields)
    return await show_app(site, name)


@router.post("/{name}/password")
async def rotate_password(site: SiteHere, name: str) -> AppLogin:
    """Give an app a new password; the old one no longer works."""
    return _login(await site.mailnode.apps.rotate(name))


@router.delete("/{name}", status_code=204)
async def delete_app(site: SiteHere, name: str) -> None:
    """Delete an app; what it has handed in is sent all the same."""
    await site.mailnode.apps.delete(name)


def _login(made: NewPassword) -> AppLogin:
    return AppLogin(login=made.login, password=made.password)

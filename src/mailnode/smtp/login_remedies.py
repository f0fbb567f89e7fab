"""Refused logins, recognised by the text of the reply or by the host, and what to do about each."""

# Permanent refusals; a 4xx is temporary whichever provider it comes from.
_REFUSED = "530 534 535 550 553 554"

# Reply codes ("" for any), a pattern that is searched in `535 5.7.8 text [host]`, the remedy. The first entry that
# matches counts, so the specific comes first: what is said, then who says it, then what any server may say.
_ANY_LOGIN = (
    # Texts that are clear from any server.
    ("538", r"", "the server requires TLS before a login: set tlsOption to starttls or tls"),
    ("530 535", r"starttls", "the server requires TLS before a login: set tlsOption to starttls or tls"),
    (
        "",
        r"account (?:is |has been |was )?(?:locked|disabled|suspended|blocked)|user (?:is )?(?:disabled|suspended)",
        "the account is locked: unlock it on the provider's website, or ask the provider",
    ),
    (
        "525 535",
        r"unauthori[sz]ed ip address",
        "allow this machine's address in the provider's list of authorized IPs, or turn that list off",
    ),
    (
        "",
        r"too many login attempts.*(?:gsmtp|google)",
        "wait a few minutes, then send over fewer sessions: Google limits the number of logins",
    ),
)
_TOO_MANY = r"too many (?:failed |bad |invalid )?(?:login|auth)|too many errors"
_NOT_NOW = "454 421 432 435 450 451"
_TRY_LATER = "the server can't check logins at the moment: try again later"
_COMMAND = "500 501 502 503 504"

_OFF_FOR_MAILBOX = (
    "SMTP AUTH is off for this mailbox: turn on Authenticated SMTP for it in the Microsoft 365 admin center"
)
_OFF_FOR_TENANT = (
    "SMTP AUTH is off for the tenant: turn on Authenticated SMTP for the mailbox in Microsoft 365's admin center"
)
_RATHER_OAUTH2 = "Microsoft is phasing out passwords: a connection of type oauth2 needs none"

LOGIN_REMEDIES = (
    *_ANY_LOGIN,
    # Google
    (
        "534 535",
        r"application-specific password|InvalidSecondFactor",
        "Google requires an app password here: create one in the Google Account, or use a connection of type oauth2",
    ),
    (
        "534",
        r"WebLoginRequired|log in (?:via|with) your web browser",
        "Google blocked this login: log in with a browser and confirm it, then use OAuth2 or an app password",
    ),
    (
        "534 535",
        r"gsmtp|google|gmail|BadCredentials",
        "check user name and password; Gmail accepts only an app password, or OAuth2: a connection of type oauth2",
    ),
    # Microsoft
    ("", r"SmtpClientAuthentication is disabled for the mailbox", f"{_OFF_FOR_MAILBOX}. {_RATHER_OAUTH2}"),
    ("", r"SmtpClientAuthentication is disabled", f"{_OFF_FOR_TENANT}. {_RATHER_OAUTH2}"),
    (
        "",
        r"security defaults|did not meet the criteria",
        "a policy of Microsoft Entra (security defaults, Conditional Access) blocks passwords: use type oauth2",
    ),
    (
        "",
        r"5\.7\.30\b|basic authentication is (?:disabled|not supported)",
        "Microsoft 365 no longer accepts passwords: use a connection of type oauth2 or oauth2ClientCredentials",
    ),
    (
        "",
        r"5\.7\.139.*credentials were incorrect",
        f"check user name (the whole address) and password, or an app password for it. {_RATHER_OAUTH2}",
    ),
    (
        "",
        r"5\.7\.139",
        f"check user name and password, and that Microsoft 365 has Authenticated SMTP on. {_RATHER_OAUTH2}",
    ),
    (
        "535",
        r"5\.7\.3\b.*authentication unsuccessful|outlook\.com|office365",
        f"check user name (the whole address) and that Microsoft 365 has Authenticated SMTP on. {_RATHER_OAUTH2}",
    ),
    # Providers that require a separate password for mail programs
    (
        _REFUSED,
        r"#AUTH005|#MBR1212|yahoo|aol\.com|att\.net|AT&T|ymail",
        "Yahoo and AOL accept only an app password (the user name is the full address), or a connection of type oauth2",
    ),
    (
        _REFUSED,
        r"icloud|mail\.me\.com|apple",
        "iCloud accepts only an app-specific password: create one in the Apple Account's sign-in settings",
    ),
    (
        _REFUSED,
        r"zoho",
        "check host and password: zoho.eu accounts log in at smtp.zoho.eu, two-factor login requires an app password",
    ),
    (
        _REFUSED,
        r"fastmail|messagingengine",
        "Fastmail accepts only an app password: create one under Settings, Privacy & Security",
    ),
    (
        _REFUSED,
        r"gmx\.|web\.de|\bmail\.com",
        "turn on POP3/IMAP in the webmail settings (needed for sending too); two-factor login requires an app password",
    ),
    (
        _REFUSED,
        r"t-online|telekom",
        "use the password for email programs from the customer center, not the one for the website",
    ),
    (_REFUSED, r"yandex", "allow mail programs in Yandex Mail's settings, and use an app password"),
    (
        _REFUSED,
        r"\bmail\.ru|prilozheniya|application password is required",
        "Mail.ru requires a password for external applications: create one in the account's security settings",
    ),
    (
        _REFUSED,
        r"authori[sz]ation code|\bqq\.com|\b163\.com|\b126\.com|\byeah\.net|user has no permission",
        "turn on SMTP in the mailbox's settings, and use the authorization code from there as the password",
    ),
    (
        _REFUSED,
        r"proton",
        "Proton accepts an SMTP token (Settings, IMAP/SMTP), or the password that Proton Mail Bridge shows",
    ),
    # Services for programs
    (
        _REFUSED,
        r"amazonaws|amazonses",
        "use SMTP credentials from the SES console, for the region of the host: an AWS access key does not work",
    ),
    (
        "",
        r"maximum credits exceeded",
        "the plan's emails are used up: wait for the next period, or upgrade the plan",
    ),
    (
        _REFUSED,
        r"sendgrid",
        "the user name is the word `apikey` and the password an API key that may send mail: check both",
    ),
    (
        _REFUSED,
        r"mailgun",
        "use the SMTP credentials of the sending domain, not an API key; EU domains log in at smtp.eu.mailgun.org",
    ),
    (_REFUSED, r"postmark", "use the server's API token as user name and as password, and check that SMTP is on"),
    (
        _REFUSED,
        r"brevo|sendinblue",
        "use the login and an SMTP key of Brevo's page SMTP & API, not the account's password",
    ),
    (_REFUSED, r"mailjet", "use the API key as user name and the secret key as password"),
    (_REFUSED, r"mandrill", "use an API key as password; the user name may be anything"),
    (
        _REFUSED,
        r"sparkpost",
        "use SMTP_Injection as user name, and an API key that may send over SMTP as password",
    ),
    (_REFUSED, r"resend\.com", "use the word `resend` as user name and an API key as password"),
    (
        _REFUSED,
        r"naver\.com",
        "turn on SMTP in Naver Mail's settings; with two-step verification use an application password made there",
    ),
    # Any server
    (
        "",
        _TOO_MANY,
        "wait a few minutes, and check user name and password before you try again: more failures lock the account",
    ),
    (_NOT_NOW, r"", _TRY_LATER),
    (
        _COMMAND,
        r"",
        "the server offers this login method and rejects it: try another port (465, 587), or ask its operator",
    ),
    (
        "535",
        r"mechanism|auth\w* (?:type|method|scheme)",
        "the server rejects the login methods that it offers: try another port (465, 587), or ask its operator",
    ),
    (
        "534 535",
        r"",
        "check user name and password; many providers require an app password instead of the account's",
    ),
)

# The same for access tokens; the text that is searched ends with the server's JSON: `535 5.7.8 text [host] status 400`.
TOKEN_REMEDIES = (
    *_ANY_LOGIN,
    ("", r"SmtpClientAuthentication is disabled for the mailbox", _OFF_FOR_MAILBOX),
    ("", r"SmtpClientAuthentication is disabled", _OFF_FOR_TENANT),
    (
        "530 534 535 550",
        r"basic authentication is (?:disabled|not supported)|5\.7\.30\b",
        "the server took the token for a password: check that the host is the provider's own",
    ),
    (
        "",
        r"did not meet the criteria|conditional access|security defaults",
        "a Conditional Access policy of Microsoft Entra blocks this login: exempt the account or the application",
    ),
    (
        "",
        _TOO_MANY,
        "wait a few minutes, and check that `user` gave consent before you try again: more failures lock the account",
    ),
    (_NOT_NOW, r"", _TRY_LATER),
    ("500", r"", "the server can't read a line as long as this token: ask its operator"),
    (_COMMAND, r"", "the server offers this login method and rejects it: ask its operator"),
    (
        "",
        r"gsmtp|google|gmail",
        "check that `user` is the account that gave consent (scope https://mail.google.com/), then authorize again",
    ),
    (
        "",
        r"outlook|office365|5\.7\.139|5\.7\.3\b",
        "check `user` (who gave consent), scope (SMTP.Send, or .default for client credentials), Authenticated SMTP",
    ),
    (
        "",
        r"yahoo|aol\.com|ymail",
        "check that `user` is the whole address of the account that gave consent, for the scope mail-w",
    ),
    (
        "",
        r"",
        "check `user` (the account that gave consent), the token's scope, and that SMTP AUTH is on for the mailbox",
    ),
)

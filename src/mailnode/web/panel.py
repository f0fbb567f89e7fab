"""The panel of each node type: its sections and fields, in the order and with the labels of the editor."""

from mailnode.web.panel_field import Field, Section

TLS_OPTIONS = (
    ("", "Automatic (from the port)"),
    ("tls", "TLS from the start (port 465)"),
    ("starttls", "STARTTLS (ports 587 and 25)"),
    ("none", "No TLS"),
)

_TO = Field(
    key="to", label="Recipient TO Email Addresses", kind="addresses", required=True, templated=True,
    placeholder="jane@example.org, ...", hint="Separated by commas, or one per line; with or without names.",
)  # fmt: skip
_SUBJECT = Field(key="subject", label="Email Subject", templated=True)
_CONTENT = Field(key="content", label="Email Content", kind="html", templated=True)
_COPIES = (
    Field(key="cc", label="CC Email Addresses", kind="addresses", templated=True),
    Field(key="bcc", label="BCC Email Addresses", kind="addresses", templated=True),
)
_PRIORITY = Field(
    key="priority", label="Email Priority", kind="choice", default="normal",
    choices=(("high", "High"), ("normal", "Normal"), ("low", "Low")),
)  # fmt: skip
_ASYNCHRONOUS = Field(
    key="asynchronous", label="Execute Request asynchronous", kind="switch", default=False,
    hint="The flow continues at once; the email is sent from a queue that survives a crash.",
)  # fmt: skip
_STORAGE = Section(
    "Result Storage & Error Handling",
    (
        Field(
            key="storeResult", label="Store location of SMTP Request result", kind="choice", default="none",
            choices=(("none", "Nowhere"), ("input", "Input"), ("context", "Context")),
        ),
        Field(
            key="resultKey", label="Input / Context Key to store Result", when="storeResult!=none", default=None,
            required=True, placeholder="mail.result", hint="Where the flow finds the result, for example mail.shipped.",
        ),
        Field(
            key="stopOnError", label="Stop on Error", kind="switch", default=False,
            hint="Stops the flow if the email fails.",
        ),
    ),
)  # fmt: skip
_NODE = (
    Field(key="@label", label="Label", hint="The name of this node in the flow and its runs."),
    Field(key="@id", label="Node ID", required=True, hint="Letters, digits, hyphens and underscores."),
    Field(
        key="@when", label="Only when", templated=True, placeholder="{{ input.paid }}", default=None,
        hint="An expression. The node is skipped unless it is true.",
    ),
)  # fmt: skip

_INVITATION = Section(
    "Invitation",
    (
        Field(
            key="invitation.method", label="What the email does", kind="choice", default="request", templated=True,
            choices=(("request", "Invites to the event, or updates it"), ("cancel", "Cancels the event")),
            hint="Everybody in To and CC is invited; BCC is not.",
        ),
        Field(key="invitation.summary", label="Event", templated=True, placeholder="Delivery of your kitchen"),
        Field(
            key="invitation.start", label="Start", kind="moment", templated=True,
            hint="Leave the time empty for an event of whole days.",
        ),
        Field(
            key="invitation.end", label="End", kind="moment", templated=True,
            hint="Or give the duration. Of whole days, the last day; if empty, there is only one.",
        ),
        Field(
            key="invitation.duration", label="Duration (minutes)", templated=True, placeholder="45",
            hint="Instead of the end. Longer ones also as PT1H30M (hours and minutes) or P2D (days).",
        ),
        Field(key="invitation.timezone", label="Time zone", kind="zone", templated=True),
        Field(key="invitation.location", label="Location", templated=True),
        Field(key="invitation.description", label="Description", kind="lines", templated=True),
        Field(key="invitation.url", label="Web address of the event", templated=True, placeholder="https://"),
        Field(
            key="invitation.organizer", label="Organizer", templated=True, default=None,
            hint="Answers go to this address. If empty, to the sender.",
        ),
        Field(key="invitation.alarmMinutes", label="Reminder (minutes before)", templated=True, placeholder="15"),
        Field(
            key="invitation.uid", label="Event ID (uid)", templated=True, default=None,
            placeholder="booking-{{ input.id }}@example.com",
            hint="An update or a cancellation needs the ID of the invitation. If empty, each run makes a new event.",
        ),
    ),
)  # fmt: skip

_SEND = (
    Section(
        "",
        (
            Field(
                key="emailService", label="Email Service", kind="service", required=True, default=None,
                hint="Some services need more than a password; this field says what yours needs.",
            ),
        ),
    ),
    Section(
        "SMTP Settings",
        (
            Field(key="smtp.host", label="Host", required=True, default=None, placeholder="smtp.example.com"),
            Field(key="smtp.port", label="Port", kind="number", default=None, placeholder="Automatic"),
            Field(key="smtp.tlsOption", label="TLS option", kind="tls", choices=TLS_OPTIONS, default=None),
            Field(
                key="smtp.ca", label="Certificate authority (PEM)", kind="lines", default=None,
                hint="Only needed if no public authority signed the server's certificate.",
            ),
            Field(
                key="smtp.ehloName", label="EHLO name", default=None,
                hint="The name with which this machine introduces itself. Only some relays require one.",
            ),
        ),
        when="emailService=other",
    ),
    Section(
        "",
        (
            Field(
                key="connection", label="Connection", kind="connection", default=None,
                hint="The login for the server. A relay without login needs none.",
            ),
            _TO,
            _SUBJECT,
            _CONTENT,
            Field(
                key="layout", label="Layout", kind="layout",
                hint="The frame around the content: header, footer and colours that several emails share.",
            ),
        ),
    ),
    _INVITATION,
    Section("Attachments", (Field(key="attachments", label="Attachments", kind="attachments", default=[]),)),
    _STORAGE,
    Section(
        "Advanced",
        (
            Field(
                key="from", label="Custom From Email Address", templated=True, default=None,
                hint="If empty, the connection's default sender.",
            ),
            *_COPIES,
            Field(key="replyTo", label="Reply To Address", kind="addresses", templated=True),
            Field(
                key="textContent", label="Define custom text Email Content", kind="lines", templated=True, default=None,
                hint="For mail programs without HTML. If empty, it is made from the content.",
            ),
            Field(
                key="dataImages", label="Images embedded in the HTML (data:)", kind="choice", default="keep",
                choices=(("keep", "Leave them in the HTML"), ("attach", "Attach them as inline files")),
                hint="Gmail and Outlook do not show images that are embedded in the HTML.",
            ),
            _PRIORITY,
            _ASYNCHRONOUS,
            Field(
                key="retryHours", label="Retry for (hours)", kind="number", default=24, when="asynchronous=true",
                hint="How long an asynchronous email is retried while its server has problems.",
            ),
            Field(
                key="envelopeFrom", label="Bounce address", templated=True, default=None, placeholder="<> for none",
                hint="Email that cannot be delivered is returned to this address.",
            ),
            Field(key="inReplyTo", label="In reply to (Message-ID)", templated=True),
            Field(key="references", label="References (Message-IDs)", templated=True),
            Field(
                key="autoSubmitted", label="Automatic email", kind="choice", default=None,
                choices=(
                    ("", "Yes (a reply if it answers an email)"),
                    ("auto-generated", "Yes, generated"),
                    ("auto-replied", "Yes, a reply"),
                    ("no", "No, a person wrote it"),
                ),
                hint="Prevents out-of-office replies. Service desks ignore automatic email: choose No for them.",
            ),
            Field(
                key="listUnsubscribe", label="Unsubscribe addresses", templated=True,
                placeholder="https://example.com/u, mailto:u@example.com",
            ),
            Field(
                key="idempotencyKey", label="Idempotency key", templated=True, default=None,
                hint="Emails with the same key are sent once. If empty, the run and this node are the key.",
            ),
            Field(key="headers", label="Custom header fields", kind="headers", default={}),
            Field(
                key="inlineStyles", label="Inline style sheets", kind="switch", default=True,
                hint="For mail programs that ignore style sheets: rules become style attributes where that is safe.",
            ),
        ),
    ),
    Section(
        "Settings",
        (
            *_NODE,
            Field(
                key="partialDelivery", label="When some recipients are refused", kind="choice", default="allow",
                choices=(("allow", "Send to the others"), ("refuse", "Send to nobody")),
            ),
            Field(
                key="onUnknown", label="When it is unknown whether it was accepted", kind="choice", default="resend",
                choices=(("resend", "Send again (may arrive twice)"), ("hold", "Hold it for a decision")),
            ),
            Field(key="timeoutSeconds", label="Time the flow waits (seconds)", kind="number", default=60),
            Field(key="maxRecipients", label="Maximum number of recipients", kind="number", default=100),
            Field(key="maxAttachmentMB", label="Maximum attachment size (MB)", kind="number", default=10),
            Field(key="maxMessageMB", label="Maximum message size (MB)", kind="number", default=25),
            Field(
                key="lenient", label="Lenient expressions", kind="switch", default=False,
                hint="Missing values become empty text, except in To and From.",
            ),
        ),
    ),
)  # fmt: skip

PANELS: dict[str, tuple[Section, ...]] = {
    "sendSmtpEmail": _SEND,
    "emailNotification": (
        Section("", (_TO, _SUBJECT, _CONTENT)),
        _STORAGE,
        Section("Advanced", (*_COPIES, _PRIORITY, _ASYNCHRONOUS)),
        Section("Settings", _NODE),
    ),
    "say": (
        Section("", (Field(key="text", label="Text", kind="lines", templated=True, required=True, default=None),)),
        Section("Settings", _NODE),
    ),
    "setContext": (
        Section(
            "",
            (
                Field(key="key", label="Key", required=True, default=None, placeholder="order.total"),
                Field(
                    key="value", label="Value", kind="value", templated=True, required=True, default=None,
                    hint="Text or JSON. A single expression keeps its type.",
                ),
            ),
        ),
        Section("Settings", _NODE),
    ),
}  # fmt: skip

NODE_TYPES = {
    "sendSmtpEmail": "Send SMTP Email",
    "emailNotification": "Email Notification",
    "say": "Say",
    "setContext": "Set Context",
}

"""What a stranger might write, and where a flow might put it."""

# `str.splitlines` breaks at these too, and so do readers that were written with it.
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]
_INVISIBLE = [0xAD, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF, 0xFFF9]
_ENDS = [
    "\r\n",
    "\n",
    "\r",
    "\n\n",
    "\r\n\r\n",
    "\0",
    "\x0b",
    "\x85",
    "\u2028",
    "\u560d\u560a",
    "%0d%0a",
    "=0D=0A",
    "\\r\\n",
]

# A list of places to be more than one mailbox, and of other ways to write one.
LISTS = [
    "evil@x.example, too@x.example",
    "evil@x.example; too@x.example",
    "evil@x.example too@x.example",
    "evil@x.example\ttoo@x.example",
    "<evil@x.example> <too@x.example>",
    "Eve <evil@x.example>, <too@x.example>",
    "group: evil@x.example, too@x.example;",
    "group:;",
    "evil@x.example,",
    ",evil@x.example",
    "@hop.example,@hop2.example:evil@x.example",
    "evil@x.example(, too@x.example)",
    '"evil@x.example, too@x.example"',
    '"evil@x.example"@y.example',
    '"a\\", too@x.example, "@y.example',
    "evil@x.example\uff0ctoo@x.example",
    "evil\uff20x.example",
    "evil@x.example%2Ctoo@x.example",
    "evil%x.example@y.example",
    "evil@x.example!too",
    "=?utf-8?q?evil=40x.example=2C_too=40x.example?=",
    "=?utf-8?q?evil=40x.example=3E=2C?= <too@x.example>",
    "evil@x.example (<too@x.example>, me)",
    "evil@x.example <evil@x.example>\r\n",
    "evil@x.example\n <too@x.example>",
]
TEXTS = [
    "",
    " ",
    "ok",
    *(f"a{chr(code)}b" for code in _CONTROLS),
    *(f"a{chr(code)}b" for code in _INVISIBLE),
    *("\ud800", "a\udfffb", "\U000e0041", "e\u0301" * 50, "\U0001f4e7"),
    *(f"a{end}Bcc: evil@x.example" for end in _ENDS),
    *(f"a{end} folded" for end in _ENDS[:3]),
    "a\r\n\r\n.\r\nMAIL FROM:<evil@x.example>",
    "a> BODY=8BITMIME\r\nRCPT TO:<evil@x.example>",
    "a> SIZE=1 <evil@x.example",
    "=?utf-8?q?a=0D=0ABcc=3A_evil=40x.example?=",
    "=?utf-8?b?YQ0KQmNjOiBldmlsQHguZXhhbXBsZQ==?=",
    "=?utf-8?q?unfinished",
    "=?iso-2022-jp?b?GyRCJCIbKEI=?=",
    *(
        '"',
        "\\",
        '"; filename="evil.exe',
        "a'b''c",
        "utf-8''%41",
        "a;b",
        "a=b",
        "(",
        ")",
        "<",
        ">",
        "<>",
        "@",
        ":",
        "[",
        "]",
    ),
    *("../../etc/passwd", "C:\\windows\\x", "CON", ".", "..", "a/b", "a.txt\u202egpj.exe", "-rf", "~", "%00", "*"),
    *(
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "javascript:alert(1)",
        "]]>",
        "<!--",
        "{{ input.v }}",
        "${1}",
    ),
    "x" * 10_000,
    "x y " * 2_500,
    "\u00e9" * 10_000,
    "a@" * 5_000,
    "," * 10_000,
    "(" * 10_000,
]
HOSTILE = [*TEXTS, *LISTS]


def shown(value: str) -> str:
    """Name a value in a few characters of ASCII, as a test's failure does."""
    return f"{ascii(value)[:60]}{'...' if len(value) > 60 else ''}"

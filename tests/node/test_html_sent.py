"""Documents of real authors, sent: what two readers that are not ours find there."""

from mailnode.inbox.server import Inbox
from support.byte_invariant import changes
from support.flows import send
from support.mail_readers import read_by_npm

XHTML = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" '
    '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd"><html xmlns="http://www.w3.org/1999/xhtml">'
)
TABLE = '<!--[if mso]><table><tr><td width="300"><![endif]-->'
IMPORTANT = ".x{width:600px !important;background:#ccc} @media (max-width:700px){.x{width:100% !important}}"
# As written, and as it leaves.
DOCUMENTS = {
    "D2, the doctype and what Outlook is told": (
        (
            f"{XHTML}<head><!--[if gte mso 9]><xml><o:AllowPNG/></xml><![endif]--><style>p{{margin:0}}</style></head>"
            f"<body>{TABLE}<p>One</p><!--[if mso]></td></tr></table><![endif]--><br /></body></html>"
        ),
        (
            f"{XHTML}<head><!--[if gte mso 9]><xml><o:AllowPNG/></xml><![endif]--></head>"
            f'<body>{TABLE}<p style="margin:0">One</p><!--[if mso]></td></tr></table><![endif]--><br /></body></html>'
        ),
    ),
    "D3, sheets for print": (
        '<style media="print">.np{display:none}</style><style>p{color:red}</style><p class="np">x</p>',
        '<style media="print">.np{display:none}</style><p style="color:red" class="np">x</p>',
    ),
    "D3, sheets of another type": (
        '<style type="text/less">.b{color:red}</style><style type="text/css">p{color:blue}</style><p class="b">x</p>',
        '<style type="text/less">.b{color:red}</style><p style="color:blue" class="b">x</p>',
    ),
    "D3, sheets for a phone": (
        '<style media="(max-width:480px)">.c{width:460px}</style><style>.c{width:600px}</style><p class="c">x</p>',
        '<style media="(max-width:480px)">.c{width:460px}</style><p style="width:600px" class="c">x</p>',
    ),
    "D4, what no attribute can say": (
        '<style>li::before{content:"\u2192 "} a:hover{top:0} .ExternalClass{width:100%}</style><li>a</li>',
    ),
    "D5, conditions that everybody else sees": (
        "<style>p{color:red}</style><![if !mso]><b>x</b><![endif]><p>y</p>",
        '<![if !mso]><b>x</b><![endif]><p style="color:red">y</p>',
    ),
    "D6, imports and sheets of conditions": (
        (
            "<!--[if !mso]><!--><style>@import url(https://x.example/f.css);p{top:0}</style><!--<![endif]-->"
            "<!--[if mso]><style>p{left:0}</style><![endif]--><style>p{color:red}</style><p>x</p>"
        ),
        (
            "<!--[if !mso]><!--><style>@import url(https://x.example/f.css);p{top:0}</style><!--<![endif]-->"
            '<!--[if mso]><style>p{left:0}</style><![endif]--><p style="color:red">x</p>'
        ),
    ),
    "D7, important words under no condition": (
        (f'<style>{IMPORTANT}</style><div class="x">x</div>'),
        (f'<style>{IMPORTANT}</style><div style="background:#ccc" class="x">x</div>'),
    ),
    "D8, fallbacks": (
        (
            "<style>.b{background:#fff;background:linear-gradient(red,blue)} a{color:red !important;color:blue} "
            '.d{display:block;display:-webkit-box}</style><div class="b d"><a>l</a></div>'
        ),
        (
            "<style>a{color:red !important;color:blue} </style>"
            '<div style="background:#fff; background:linear-gradient(red,blue); display:block; display:-webkit-box" '
            'class="b d"><a style="color:blue">l</a></div>'
        ),
    ),
    "D24, lines of pre": (
        "<style>pre{color:red}</style><pre>\n\n  a &lt;b&gt; &amp;amp;\n</pre><textarea>\n\nx</textarea>",
        '<pre style="color:red">\n\n  a &lt;b&gt; &amp;amp;\n</pre><textarea>\n\nx</textarea>',
    ),
}


async def test_they_arrive_as_they_were_written(inbox: Inbox, tmp_path):
    mails = []
    for number, (written, *_) in enumerate(DOCUMENTS.values()):
        (tmp_path / str(number)).mkdir()
        mails.append(await send(inbox, tmp_path / str(number), content=written))
    for (name, document), mail, other in zip(
        DOCUMENTS.items(), mails, read_by_npm(mail.received.octets() for mail in mails), strict=True
    ):
        for html in (mail.body("html"), other["html"]):
            left = html.replace("\r\n", "\n").rstrip("\n")
            assert left == document[-1], name
            changes(document[0], left)

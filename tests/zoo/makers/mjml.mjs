// A document for each component of MJML, one with all of them, and one in the style of older mails.

import mjml from 'mjml';

const TEXT = '<mj-text>Words of <b>some</b> weight &amp; <a href="https://example.com/?a=1&amp;b=2">a link</a>.</mj-text>';
const column = (content, attributes = '') => `<mj-column ${attributes}>${content}</mj-column>`;
const section = (content, attributes = '') => `<mj-section ${attributes}>${content}</mj-section>`;
const IMAGE = 'https://example.com/picture.png';

// The body of each, and what stands in the head, where it needs something there.
const BODIES = {
  accordion: section(
    column(
      ['first', 'second']
        .map(
          (name) =>
            `<mj-accordion-element><mj-accordion-title>The ${name}</mj-accordion-title><mj-accordion-text>What is said of it.</mj-accordion-text></mj-accordion-element>`,
        )
        .join('')
        .replace(/.*/s, (elements) => `<mj-accordion border="1px solid #ccc">${elements}</mj-accordion>`),
    ),
  ),
  button: section(
    column(
      `<mj-button href="https://example.com/" background-color="#f45e43" inner-padding="12px 20px">Buy &raquo;</mj-button>
       <mj-button href="mailto:jane@example.com" align="left" border="2px solid navy" color="navy" background-color="white">Write</mj-button>`,
    ),
  ),
  carousel: section(
    column(`<mj-carousel>${[1, 2, 3].map((n) => `<mj-carousel-image src="https://example.com/${n}.png" alt="Picture ${n}" />`).join('')}</mj-carousel>`),
  ),
  column: section(
    column(TEXT, 'width="30%" background-color="#eee" border-radius="4px"') +
      column(TEXT, 'width="70%" inner-border="1px solid teal" padding="10px" vertical-align="middle"'),
  ),
  divider: section(column('<mj-divider border-width="1px" border-style="dashed" border-color="lightgrey" width="50%" />')),
  group: section(`<mj-group background-color="#fafafa">${column(TEXT)}${column(TEXT)}</mj-group>`),
  hero: `<mj-hero mode="fixed-height" height="300px" background-width="600px" background-height="469px" background-url="${IMAGE}" background-color="#2a3448" padding="100px 0">
      <mj-text color="#ffffff" font-size="45px" align="center">Go to space</mj-text><mj-button href="https://example.com/">Order</mj-button></mj-hero>`,
  image: section(column(`<mj-image src="${IMAGE}" alt="A picture" width="300px" href="https://example.com/" fluid-on-mobile="true" />`)),
  navbar: section(
    column(
      `<mj-navbar base-url="https://example.com" hamburger="hamburger" ico-color="#333">${['Start', 'Shop', 'About us']
        .map((name) => `<mj-navbar-link href="/${name}" color="#333">${name}</mj-navbar-link>`)
        .join('')}</mj-navbar>`,
    ),
  ),
  raw: `<mj-raw><!--[if mso]><p class="outlook">Only Outlook</p><![endif]--><![if !mso]><p>All others</p><![endif]></mj-raw>${section(column(`<mj-raw><p class=plain>Unquoted<br>and unclosed</mj-raw>${TEXT}`))}`,
  section: section(
    column(TEXT),
    `background-url="${IMAGE}" background-size="cover" background-repeat="no-repeat" background-color="#ddd" full-width="full-width" padding="40px 0"`,
  ),
  social: section(
    column(
      `<mj-social font-size="15px" icon-size="30px" mode="horizontal"><mj-social-element name="facebook" href="https://example.com/">Facebook</mj-social-element><mj-social-element name="github" href="https://example.com/">GitHub</mj-social-element></mj-social>
       <mj-social mode="vertical"><mj-social-element name="x" href="https://example.com/">X</mj-social-element></mj-social>`,
    ),
  ),
  spacer: section(column(`${TEXT}<mj-spacer height="50px" />${TEXT}`)),
  table: section(
    column(
      `<mj-table><tr style="border-bottom:1px solid #ecedee;text-align:left"><th>Year</th><th>Language</th></tr>
       <tr><td>1995</td><td>PHP</td></tr><tr><td>1995</td><td>JavaScript</td></tr></mj-table>`,
    ),
  ),
  text: section(column(`<mj-text font-size="20px" color="#F45E43" font-family="helvetica" line-height="1.5" align="justify">Große <i>Wörter</i></mj-text>${TEXT}`)),
  wrapper: `<mj-wrapper border="1px solid #000" padding="50px 30px" full-width="full-width" background-color="#e8f">${section(column(TEXT), 'border-top="1px solid #aaa"')}${section(column(TEXT))}</mj-wrapper>`,
};

const HEADS = {
  attributes:
    '<mj-attributes><mj-text padding="0" /><mj-class name="blue" color="blue" /><mj-all font-family="Georgia, serif" /></mj-attributes>',
  breakpoint: '<mj-breakpoint width="600px" />',
  font: '<mj-font name="Raleway" href="https://example.com/css?family=Raleway" /><mj-attributes><mj-all font-family="Raleway, Arial" /></mj-attributes>',
  'html-attributes':
    '<mj-html-attributes><mj-selector path=".words div"><mj-html-attribute name="data-id">42</mj-html-attribute></mj-selector></mj-html-attributes>',
  preview: '<mj-preview>What the list of mails shows</mj-preview>',
  style: `<mj-style>
      .words div { color: darkgreen !important; }
      .words div > b { letter-spacing: 2px; text-shadow: 0 0 1px #999; }
      a:hover { color: red; text-decoration: none; }
      @media (prefers-color-scheme: dark) { .words div { color: gold !important; } body { background: #111; } }
      @media only screen and (max-width: 480px) { .words div { font-size: 22px !important; } }
      @media print { .words { display: none; } }
      @font-face { font-family: "Own"; src: url("https://example.com/own.woff2"); }
    </mj-style>`,
  'style-inline': '<mj-style inline="inline">.words div { color: purple; border-left: 3px solid } b { font-weight: 900 }</mj-style>',
  title: '<mj-title>A title &amp; more</mj-title>',
};

const WORDS = section(column(TEXT.replace('<mj-text', '<mj-text css-class="words" mj-class="blue"')));
const OLD = `<mj-style>
    body { font-family: Georgia; font-family: ui-serif; background: #fffef5 }
    p { margin: 0 0 1em; } p:first-child { font-weight: bold } td p + p { color: #555 }
    .button { background: #369; background: linear-gradient(#48b, #369); }
    .button a, .button a:visited { color: #fff !important; text-decoration: none }
    .button a { color: #eee }
    #outlook a { padding: 0 } .ExternalClass * { line-height: 100% } [owa] .button { width: 100% }
    * { box-sizing: border-box }
    @media screen { .button { background: #693 } }
    .plain { border: 1px solid #ccc; padding: 8px; font: 16px/1.5 serif } p.plain { border-top: 3px double }
    @media (max-width: 480px) { .plain { border-color: red; padding-left: 24px; line-height: 2 } }
  </mj-style>`;
// Sheets that do not count for everybody.
const OTHERS = `<mj-raw>
    <style>.plain { color: navy; letter-spacing: 1px }</style>
    <style media="print">.plain { color: black; display: none }</style>
    <style media="(prefers-color-scheme: dark)">.plain { color: gold; background-color: #222 }</style>
    <style media="all and (max-width: 480px)">.plain { font-size: 22px; }</style>
    <style type="text/x-other">.plain { color: red; font-size: 40px }</style>
    <!--[if mso]><style>.plain { font-family: Arial; font-size: 9px; }</style><![endif]-->
    <!--[if !mso]><!--><style type="TEXT/CSS" media="all">.plain b { color: teal }</style><!--<![endif]-->
    <link rel="stylesheet" href="https://example.com/own.css">
    <STYLE>.plain a { color: purple; text-decoration: none }</STYLE>
  </mj-raw>`;

const compiled = async (head, body) => {
  const { html, errors } = await mjml(`<mjml><mj-head>${head}</mj-head><mj-body>${body}</mj-body></mjml>`);
  if (errors.length) throw new Error(errors.map((error) => error.formattedMessage).join('\n'));
  return html;
};

export const documents = async () => {
  const made = [];
  for (const [name, body] of Object.entries(BODIES)) made.push([name, await compiled('', body)]);
  for (const [name, head] of Object.entries(HEADS)) made.push([`head-${name}`, await compiled(head, WORDS)]);
  const all = Object.entries(HEADS)
    .filter(([name]) => name !== 'style-inline')
    .map(([, head]) => head);
  made.push(['everything', await compiled(all.join(''), WORDS + Object.values(BODIES).join(''))]);
  const button = `<mj-raw><p>One</p><p>Two</p><p class="plain">Plain <b>words</b> and <a href="https://example.com/">a link</a></p><pre>\n\n  kept\n</pre></mj-raw>${section(column('<mj-button css-class="button" href="https://example.com/">Go</mj-button>'))}`;
  made.push(['sheet-of-old', await compiled(OLD, WORDS + button)]);
  made.push(['sheets-for-some', await compiled(OTHERS, WORDS + button)]);
  return made;
};

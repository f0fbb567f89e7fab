// The themes of Mailgen (its own, Neopolitan, Salted, Cerberus): once as it sends them, with the sheet inlined and kept,
// and once before that, as somebody has them who takes the theme alone.

import Mailgen from 'mailgen';
import ejs from 'ejs';

const THEMES = ['default', 'neopolitan', 'salted', 'cerberus'];
const PRODUCT = { name: 'Mailgen', link: 'https://example.com/', copyright: '&copy; Example & Sons' };
const BUTTON = { color: '#22BC66', text: 'Confirm your account', link: 'https://example.com/confirm?s=d9729feb&k=1' };
const BODIES = {
  welcome: {
    name: 'John Appleseed',
    intro: ["Welcome to Mailgen! We're very excited to have you on board.", 'It is a good day.'],
    action: { instructions: 'To get started, please click here:', button: { ...BUTTON, fallback: true } },
    outro: "Need help? Just reply to this email, we'd love to help.",
  },
  receipt: {
    greeting: 'Dear',
    name: 'Jane Doe',
    signature: 'Sincerely',
    intro: 'Your order has been processed successfully.',
    table: {
      title: 'Order 1007',
      data: [
        { item: 'Node.js', description: 'Event-driven <b>JavaScript</b>', price: '$10.99' },
        { item: 'Mailgen', description: 'Mail by program, "quoted"', price: '$1.99' },
      ],
      columns: { customWidth: { item: '20%', price: '15%' }, customAlignment: { price: 'right' } },
    },
    action: { instructions: 'See it in your dashboard:', button: { ...BUTTON, color: 'red' } },
    outro: ['We thank you for your purchase.', 'The shop'],
  },
  reset: {
    name: 'Jürgen Müller',
    intro: 'You have received this because a password reset was asked for.',
    dictionary: { date: '1 March 2026', address: '123 Park Avenue, Miami' },
    goToAction: { text: 'Go to Dashboard', link: BUTTON.link, description: 'Check the order' },
    action: [
      { instructions: 'Click to reset it:', button: { ...BUTTON, color: '#DC4D2F', text: 'Reset' } },
      { instructions: 'Or say that it was not you:', button: { ...BUTTON, text: 'Report' } },
    ],
    outro: 'If it was not you, nothing needs to be done.',
  },
  message: { title: 'A title', intro: 'Nothing but <a href="https://example.com/">words</a>.', signature: false },
};

export const documents = () =>
  THEMES.flatMap((theme) => {
    const generator = new Mailgen({ theme, product: PRODUCT, textDirection: theme === 'salted' ? 'rtl' : 'ltr' });
    const uninlined = ejs.render(generator.cachedTheme, generator.parseParams({ body: structuredClone(BODIES.receipt) }), {
      filename: generator.themePath,
    });
    return [
      ...Object.entries(BODIES).map(([name, body]) => [`${theme}-${name}`, generator.generate({ body: structuredClone(body) })]),
      [`${theme}-not-inlined`, uninlined],
    ];
  });

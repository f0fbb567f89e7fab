// The letters of Reaction Commerce, in Handlebars: sheets that choose by attributes, and head and body without a document.

import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import Handlebars from 'handlebars';

const home = path.dirname(createRequire(import.meta.url).resolve('@reactioncommerce/api-plugin-email-templates/package.json'));
const PLACE = { fullName: 'Jane Doe', address: '1 Main Street', city: 'Springfield', region: 'IL', postal: '62701' };
const SOCIAL = { display: true, icon: 'https://example.com/icon.png', link: 'https://example.com/social' };
const MONEY = { total: '$25.00', taxes: '$2.00', subtotal: '$20.00', shipping: '$3.00', discounts: '$0.00', refunds: '$5.00', adjustedTotal: '$20.00' };
const VALUES = {
  shop: { name: 'Shop' },
  shopName: 'Shop & Sons',
  legalName: 'Shop Limited',
  contactEmail: 'shop@example.com',
  copyrightDate: 2026,
  emailLogo: 'https://example.com/logo.png',
  physicalAddress: PLACE,
  socialLinks: { display: true, twitter: SOCIAL, facebook: SOCIAL, googlePlus: SOCIAL },
  groupName: 'customers',
  groupNames: ['customers', 'friends'],
  currentUserName: 'Jane',
  invitedUserName: 'John',
  userEmailAddress: 'jane@example.com',
  url: 'https://example.com/invited?a=1&b=2',
  confirmationUrl: 'https://example.com/confirm?a=1&b=2',
  verificationUrl: 'https://example.com/verify?a=1&b=2',
  passwordResetUrl: 'https://example.com/reset?a=1&b=2',
  order: { referenceId: '1007' },
  orderDate: '1 March 2026',
  orderUrl: 'https://example.com/orders/1007',
  shipping: { address: PLACE, tracking: 'T1', carrier: 'Post' },
  billing: { ...MONEY, address: PLACE, payments: [{ displayName: 'Card', displayAmount: '$25.00' }] },
  combinedItems: ['Cup', 'Plate'].map((title) => ({
    title,
    variantTitle: 'blue',
    quantity: 1,
    price: { displayAmount: '$10.00' },
    imageURLs: { thumbnail: 'https://example.com/thumb.png' },
    placeholderImage: 'https://example.com/none.png',
  })),
};

export const documents = async () => {
  const { default: templates } = await import(pathToFileURL(path.join(home, 'src', 'templates', 'index.js')));
  return templates.map(({ name, template }) => [name.replaceAll('/', '-'), Handlebars.compile(template)(VALUES)]);
};

// The letters of SuperTokens, which stand in Mailchimp's frame: sheets within sheets' comments, and marks like *|MC:SUBJECT|*.

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const HOME = 'supertokens-node/lib/build/recipe';
const LINK = 'https://example.com/auth?token=d9729feb&rid=1';
const WHO = ['Example & Sons', 'jane@example.com'];

export const documents = () => {
  const { getEmailVerifyEmailHTML } = require(`${HOME}/emailverification/emaildelivery/services/smtp/emailVerify.js`);
  const { getPasswordResetEmailHTML } = require(`${HOME}/emailpassword/emaildelivery/services/smtp/passwordReset.js`);
  const { getPasswordlessLoginEmailHTML } = require(`${HOME}/passwordless/emaildelivery/services/smtp/passwordlessLogin.js`);
  return [
    ['verify', getEmailVerifyEmailHTML(...WHO, LINK)],
    ['reset', getPasswordResetEmailHTML(...WHO, LINK)],
    ['login-link', getPasswordlessLoginEmailHTML(...WHO, 900_000, LINK)],
    ['login-code', getPasswordlessLoginEmailHTML(...WHO, 900_000, undefined, '123456')],
    ['login-both', getPasswordlessLoginEmailHTML(...WHO, 900_000, LINK, '123456')],
  ];
};

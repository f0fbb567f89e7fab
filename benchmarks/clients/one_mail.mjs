// One mail by Nodemailer, as a script that somebody would write: node one_mail.mjs PORT
import { readFileSync } from 'node:fs';
import nodemailer from 'nodemailer';

const mail = JSON.parse(readFileSync(new URL('../mail.json', import.meta.url), 'utf8'));
const transport = nodemailer.createTransport({ host: '127.0.0.1', port: Number(process.argv[2]), ignoreTLS: true });
const { accepted } = await transport.sendMail(mail);
process.exitCode = accepted.length ? 0 : 1;

// BullMQ: `work` sends with Nodemailer until it is told to end; `produce` adds jobs.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Queue, Worker } from 'bullmq';
import nodemailer from 'nodemailer';

const ADDED_AT_ONCE = 100;

const [role, text] = process.argv.slice(2);
const job = JSON.parse(text);
const connection = { host: '127.0.0.1', port: job.broker, maxRetriesPerRequest: null };
const words = Object.entries(JSON.parse(readFileSync(new URL('../mail.json', import.meta.url), 'utf8')));

function said(number) {
    const mail = {};
    for (const [key, text] of words) {
        mail[key] = text.replaceAll('{number}', number);
    }
    return mail;
}

function work() {
    const transport = nodemailer.createTransport({
        host: '127.0.0.1',
        port: job.port,
        ignoreTLS: true,
        pool: true,
        maxConnections: job.sessions,
        maxMessages: Infinity
    });
    const options = { connection, concurrency: job.concurrency, removeOnComplete: { count: 0 } };
    new Worker('mail', one => transport.sendMail(one.data), options);
}

async function produce() {
    const queue = new Queue('mail', { connection });
    async function some(from, count) {
        for (let number = from; number < from + count; number += ADDED_AT_ONCE) {
            const numbers = Array.from({ length: Math.min(ADDED_AT_ONCE, from + count - number) }, (_, i) => number + i);
            await queue.addBulk(numbers.map(one => ({ name: 'send', data: said(one) })));
        }
    }
    await some(0, job.warm_up);
    let number = job.warm_up;
    for await (const _ of createInterface({ input: process.stdin })) {
        await some(number, job.messages);
        number += job.messages;
    }
    await queue.close();
}

await (role === 'work' ? work() : produce());

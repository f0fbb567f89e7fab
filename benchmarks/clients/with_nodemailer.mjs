// Nodemailer: a pool without a limit of messages, its queue kept full.
import { readFileSync } from 'node:fs';
import nodemailer from 'nodemailer';
import MailComposer from 'nodemailer/lib/mail-composer';

const WAITING_A_SESSION = 3;

const job = JSON.parse(process.argv[2]);
const words = Object.entries(JSON.parse(readFileSync(new URL('../mail.json', import.meta.url), 'utf8')));

function said(number) {
    const mail = {};
    for (const [key, text] of words) {
        mail[key] = text.replaceAll('{number}', number);
    }
    return mail;
}

// The numbers of the messages to come, until time is up; several workers take from one.
class Numbers {
    constructor(seconds, atMost) {
        this.end = performance.now() + seconds * 1000;
        this.last = atMost ?? Infinity;
        this.given = 0;
    }

    next() {
        return this.given < this.last && performance.now() < this.end ? ++this.given : 0;
    }
}

function sender() {
    const transport = nodemailer.createTransport({
        host: '127.0.0.1',
        port: job.port,
        secure: Boolean(job.ca),
        ignoreTLS: !job.ca,
        tls: job.ca ? { ca: readFileSync(job.ca) } : undefined,
        pool: true,
        maxConnections: job.sessions,
        maxMessages: Infinity
    });
    async function some(numbers) {
        for (let number = numbers.next(); number; number = numbers.next()) {
            const mail = said(number);
            if (job.attachment) {
                mail.attachments = [{ path: job.attachment }];
            }
            await transport.sendMail(mail);
        }
    }
    const workers = Array.from({ length: WAITING_A_SESSION * job.sessions });
    return { work: numbers => Promise.all(workers.map(() => some(numbers))), close: () => transport.close() };
}

function composer() {
    async function work(numbers) {
        for (let number = numbers.next(); number; number = numbers.next()) {
            await new MailComposer(said(number)).compile().build();
        }
    }
    return { work, close: () => {} };
}

const { work, close } = job.port ? sender() : composer();
await work(new Numbers(job.warm_up));
const numbers = new Numbers(job.seconds, job.at_most);
const wall = performance.now();
const before = process.cpuUsage();
await work(numbers);
const cpu = process.cpuUsage(before);
console.log(
    JSON.stringify({
        messages: numbers.given,
        wall: (performance.now() - wall) / 1000,
        cpu: (cpu.user + cpu.system) / 1e6
    })
);
close();

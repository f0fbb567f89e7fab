// Reads mails, one in Base64 a line, and tells of each as JSON what a mail reader would show.
import { createInterface } from "node:readline";
import PostalMime from "postal-mime";

const addresses = (list) => (list ?? []).flatMap((one) => one.group ?? [one]).map((one) => one.address);

for await (const line of createInterface({ input: process.stdin })) {
  const mail = await PostalMime.parse(Buffer.from(line, "base64"));
  const told = {
    names: mail.headers.map((field) => field.key),
    from: mail.from?.address,
    to: addresses(mail.to),
    cc: addresses(mail.cc),
    bcc: addresses(mail.bcc),
    replyTo: addresses(mail.replyTo),
    subject: mail.subject ?? "",
    text: mail.text ?? "",
    html: mail.html ?? "",
    attachments: mail.attachments.map((one) => ({ filename: one.filename, size: one.content.byteLength ?? one.content.length })),
  };
  process.stdout.write(JSON.stringify(told) + "\n");
}

// Reads mails, one in Base64 a line, with the parser that is named, and tells of each as JSON what a mail reader would show.
import { createInterface } from "node:readline";

const READ = {
  "postal-mime": async () => {
    const { default: PostalMime } = await import("postal-mime");
    const addresses = (list) => (list ?? []).flatMap((one) => one.group ?? [one]).map((one) => one.address);
    return async (octets) => {
      const mail = await PostalMime.parse(octets);
      return {
        names: mail.headers.map((field) => field.key),
        fields: mail.headers.map((field) => [field.key, field.value]),
        from: mail.from?.address,
        to: addresses(mail.to),
        cc: addresses(mail.cc),
        bcc: addresses(mail.bcc),
        replyTo: addresses(mail.replyTo),
        subject: mail.subject ?? "",
        text: mail.text ?? "",
        html: mail.html ?? "",
        inReplyTo: mail.inReplyTo ?? "",
        references: mail.references ?? "",
        attachments: mail.attachments.map((one) => ({
          filename: one.filename,
          type: one.mimeType,
          size: one.content.byteLength ?? one.content.length,
        })),
      };
    };
  },
  mailparser: async () => {
    const { default: mailparser } = await import("mailparser");
    const addresses = (list) => [list ?? []].flat().flatMap((one) => one.value).map((one) => one.address);
    return async (octets) => {
      const mail = await mailparser.simpleParser(octets, { skipHtmlToText: true, skipTextToHtml: true });
      return {
        names: mail.headerLines.map((field) => field.key),
        fields: mail.headerLines.map((field) => [field.key, field.line]),
        from: mail.from?.value[0]?.address,
        to: addresses(mail.to),
        cc: addresses(mail.cc),
        bcc: addresses(mail.bcc),
        replyTo: addresses(mail.replyTo),
        subject: mail.subject ?? "",
        text: mail.text ?? "",
        html: mail.html || "",
        inReplyTo: mail.inReplyTo ?? "",
        references: [mail.references ?? []].flat().join(" "),
        attachments: mail.attachments.map((one) => ({ filename: one.filename, type: one.contentType, size: one.size })),
      };
    };
  },
};

const read = await READ[process.argv[2]]();
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await read(Buffer.from(line, "base64"))) + "\n");
}

// Which addresses a link or image may have: those that the node lets through.

const SCHEMES = new Set(["http", "https", "mailto", "tel", "cid"]);

/** Tell whether an address holds no code; an expression's value is checked when the mail is made. */
export function isSafeUrl(url: string, isImage = false): boolean {
  const seen = url.replace(
    /[\0-\x20\x7f-\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]+/g,
    "",
  );
  const scheme = /^([^/?#:\\{]*):/.exec(seen)?.[1]?.toLowerCase();
  if (scheme === undefined || SCHEMES.has(scheme)) return true;
  return isImage && /^data:image\/(?:png|jpeg|gif|webp|avif|bmp);/i.test(seen);
}

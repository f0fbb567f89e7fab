// Where a `{{ expression }}` ends: as much JavaScript as that takes, the same as mailnode.node.template knows.

const TOKEN = new RegExp(
  [
    String.raw`(?<blank>\s+|/\*[^]*?\*/|//(?:(?!\}\})[^\n\r\u2028\u2029])*)`,
    String.raw`(?<string>"(?:[^"\\\n\r]|\\[^])*"|'(?:[^'\\\n\r]|\\[^])*')`,
    String.raw`(?<number>\.?[0-9][\w.]*)`,
    String.raw`(?<word>[\w$]+)`,
    String.raw`(?<open>[(\[{])`,
    String.raw`(?<close>[)\]}])`,
    "(?<tick>`)",
    String.raw`(?<update>\+\+|--)`,
    String.raw`(?<unclosed>["']|/\*)`,
    String.raw`(?<slash>/)`,
    String.raw`(?<operator>[^])`,
  ].join("|"),
  "y",
);
const REGEX = /\/(?:[^/\\[\n\r]|\\[^]|\[(?:[^\]\\\n\r]|\\[^])*\])+\/\w*/y;
const QUASI = /(?:[^`\\$]|\\[^]|\$(?!\{))*(`|\$\{)/y;
const CLOSER_OF: Record<string, string> = { "(": ")", "[": "]", "{": "}" };

// After these words a slash begins a regular expression; after any other it divides.
const OPERATOR_WORDS = new Set(
  "await case delete do else in instanceof new of return throw typeof void yield".split(" "),
);

/** An expression in a plain text: from its first brace to its last. */
export interface Found {
  start: number;
  end: number;
}

/** Find the whole expressions of a plain text; what is empty or has no end is text. */
export function expressionsIn(text: string): Found[] {
  const found: Found[] = [];
  for (let start = text.indexOf("{{"); start >= 0;) {
    const braces = text.startsWith("{{{", start) ? 3 : 2;
    const close = expressionEnd(text, start + braces, "}".repeat(braces));
    const isWhole = close !== null && text.slice(start + braces, close).trim() !== "";
    const end = isWhole ? close + braces : start + braces;
    if (isWhole) found.push({ start, end });
    start = text.indexOf("{{", end);
  }
  return found;
}

/** Give what stands between the braces. */
export function innerOf(expression: string): string {
  const braces = expression.startsWith("{{{") ? 3 : 2;
  return expression.slice(braces, -braces).trim();
}

/** Find where the expression that begins at `start` ends: the place of its `closer`; null when it has no end. */
export function expressionEnd(text: string, start: number, closer: string): number | null {
  return new Scanner(text, start).run(closer);
}

/** Walks over the tokens of one expression. */
class Scanner {
  private readonly awaited: string[] = []; // closing brackets; "`" is the brace that leads back into a template literal
  private isAfterValue = false; // whether a slash would divide
  private isAfterDot = false;
  private isBroken = false;

  constructor(
    private readonly text: string,
    private position: number,
  ) {}

  run(closer: string): number | null {
    while (this.position < this.text.length && !this.isBroken) {
      if (this.awaited.length === 0 && this.text.startsWith(closer, this.position)) return this.position;
      this.take();
    }
    return null;
  }

  private match(pattern: RegExp, position: number): RegExpExecArray | null {
    pattern.lastIndex = position;
    const match = pattern.exec(this.text);
    if (match) this.position = pattern.lastIndex;
    else this.isBroken = true;
    return match;
  }

  private take(): void {
    const token = this.match(TOKEN, this.position);
    if (!token) return;
    const [lexeme] = token;
    const groups = Object.entries<string | undefined>(token.groups ?? {});
    const kind = groups.find(([, text]) => text !== undefined)?.[0];
    if (kind === "blank") return;
    if (kind === "string" || kind === "number") this.isAfterValue = true;
    else if (kind === "word") this.isAfterValue = this.isAfterDot || !OPERATOR_WORDS.has(lexeme);
    else if (kind === "open") this.open(lexeme);
    else if (kind === "close") this.close(lexeme);
    else if (kind === "tick") this.takeQuasi();
    else if (kind === "slash") this.takeSlash();
    else if (kind === "operator") this.isAfterValue = false;
    else if (kind === "unclosed") this.isBroken = true;
    // ++ and -- stand before an operand or after one, and leave a slash what it was
    this.isAfterDot = lexeme === ".";
  }

  private open(bracket: string): void {
    this.awaited.push(CLOSER_OF[bracket] ?? "");
    this.isAfterValue = false;
  }

  private close(bracket: string): void {
    const awaited = this.awaited.pop();
    if (awaited === "`" && bracket === "}") this.takeQuasi();
    else if (awaited === bracket) this.isAfterValue = true;
    else this.isBroken = true;
  }

  /** Go through the text of a template literal, to its end or to its next `${`. */
  private takeQuasi(): void {
    const quasi = this.match(QUASI, this.position);
    this.isAfterValue = quasi?.[1] === "`";
    if (!this.isAfterValue) this.awaited.push("`");
  }

  private takeSlash(): void {
    if (!this.isAfterValue) this.match(REGEX, this.position - 1);
    this.isAfterValue = !this.isAfterValue;
  }
}

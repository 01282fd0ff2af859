/** Fewest characters of a ring's secret. */
const SECRET_MIN_CHARACTERS = 16;

/** Where a secret may be: in a file, or in the text of an environment variable. */
export interface SecretSource {
  /** The file, and the flag or variable that named it. */
  readonly file?: { readonly path: string; readonly from: string };
  /** The value of `MYDHT_SECRET`. Used where no file is named; empty counts as none. */
  readonly text?: string | undefined;
  /** Gives the text of a file; may throw. */
  readonly readFile: (path: string) => string;
}

/**
 * The secret of a ring, or `undefined` where none is given. One newline at the end of its file is no part of it.
 *
 * @throws {SyntaxError} If it cannot be read, is too short, or has characters that cannot travel in a header. The
 *   message never holds the secret.
 */
export function readSecret({ file, text, readFile }: SecretSource): string | undefined {
  if (file !== undefined) {
    return checked(
      readSecretFile(file.path, file.from, readFile),
      `${file.from}: the secret in ${file.path}`,
    );
  }
  return text ? checked(text, "MYDHT_SECRET") : undefined;
}

function readSecretFile(path: string, from: string, readFile: (path: string) => string): string {
  try {
    return readFile(path).replace(/\r?\n$/, "");
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const reason = text.replace(/ \(os error \d+\).*$/, "");
    throw new SyntaxError(`${from}: cannot read ${path}: ${reason}`, { cause: error });
  }
}

function checked(secret: string, what: string): string {
  if (secret.length < SECRET_MIN_CHARACTERS) {
    throw new SyntaxError(
      `${what} has ${secret.length} characters: make it ${SECRET_MIN_CHARACTERS} or more, hard to guess`,
    );
  }
  if (!/^[\x21-\x7e]+$/.test(secret)) {
    throw new SyntaxError(`${what} may have letters, digits and signs of ASCII only, and no spaces`);
  }
  return secret;
}

/**
 * What a stranger's text must not contain when it reaches a terminal, a log or a page: C0 and C1 controls (escape
 * sequences start with them), and the characters that reorder or hide text.
 * @source Unicode TR 36 §2, CVE-2021-42574 (bidirectional controls), ECMA-48 §5.2 (C1)
 */
const UNPRINTABLE = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu

/** Longest text shown, in UTF-16 units. */
const MAX_PRINTABLE = 2_000

/**
 * Makes a stranger's text safe to show: one line, no control or direction characters, at most `limit` characters.
 *
 * @example
 * ```ts
 * printable('temp\u001b[2Jerature\n') // 'temp [2Jerature '
 * ```
 */
export function printable(text: string, limit = MAX_PRINTABLE): string {
  const short = text.length > limit ? `${text.slice(0, limit)}…` : text
  // Lone surrogates would become replacement characters somewhere downstream, unpredictably.
  return short.replace(UNPRINTABLE, ' ').toWellFormed()
}

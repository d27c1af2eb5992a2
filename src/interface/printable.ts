/**
 * The one place that makes text safe for a terminal or a log. Titles, descriptions, status texts and records come from
 * strangers; a C0 or C1 control starts an escape sequence (OSC 8 links, OSC 52 clipboard), a bidi control reorders what is
 * read, and what has no width hides in it: all that Unicode lets a program ignore, but for the selectors of emoji. `Output`
 * of the command line and the logger pass everything through here, so that nobody has to remember it.
 * @source ECMA-48 §5 (C0, C1), Unicode TR 36 §2 and UAX 9 (bidirectional controls), CVE-2021-42574
 */
const UNSAFE =
  /[\p{Cc}\p{Zl}\p{Zp}\u180e\ufff9-\ufffb\u{e0000}-\u{e007f}]|(?![\ufe00-\ufe0f])\p{Default_Ignorable_Code_Point}/gu

/** Marks stand over and under their letter: a heap of them covers the lines around it. No script needs so many. */
const HEAPS = /(\p{M}{8})(\p{M}+)/gu

/** A whole escape sequence goes, not only its first character: `ESC ] 0 ; title BEL` must not leave `]0;title`. */
const SEQUENCES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: as above
  /(?:\u001b\]|\u009d)[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c|$)|(?:\u001b[PX^_]|[\u0090\u0098\u009e\u009f])[^\u001b\u009c]*(?:\u001b\\|\u009c|$)|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b[ -/]*[0-~]/g

/**
 * One line without control characters.
 *
 * @example
 * ```ts
 * printable('warm\u001b]0;pwned\u0007er\n') // 'warmer'
 * ```
 */
export function printable(text: string): string {
  return text.replace(SEQUENCES, '').replace(UNSAFE, '').replace(HEAPS, '$1').toWellFormed()
}

/**
 * A JSON text that says the same with every unsafe character escaped, so that a program loses nothing and a terminal shows
 * nothing. JSON has them inside strings only, where an escape means the same.
 */
export function printableJson(json: string): string {
  return json.replace(UNSAFE, escaped).replace(HEAPS, (_, kept: string, more: string) => kept + escaped(more))
}

function escaped(text: string): string {
  return [...Array(text.length).keys()]
    .map((index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`)
    .join('')
}

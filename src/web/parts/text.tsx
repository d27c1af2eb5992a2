/** What reorders or hides the text around it. Joiners stay: Persian and emoji are written with them. @source UAX 9, Unicode TR 36 §2 */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: showing control characters is the point
  /([\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}])/u

/** Nobody reads more of a stranger's text; a longer one only makes the page slow. */
const MAX_SHOWN = 4000

function codeOf(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
}

function cut(text: string, max: number): string {
  const characters = text.toWellFormed()
  return characters.length <= max ? characters : `${characters.slice(0, max).toWellFormed()} …`
}

/** The same where only a string can stand: titles of the window, labels, options. */
export function plain(text: string, max = 200): string {
  return cut(text, max)
    .split(UNSAFE)
    .map((part, index) => (index % 2 === 1 ? `⟨${codeOf(part)}⟩` : part))
    .join('')
    .replace(/\s+/g, ' ')
}

/** A stranger's text: set apart from the direction of what is around it, control characters made visible. */
export function Text({ children, max = MAX_SHOWN }: { children: string; max?: number }) {
  const parts = cut(children, max).split(UNSAFE)
  if (parts.length === 1) return <bdi>{parts[0]}</bdi>
  return (
    <bdi>
      {parts.map((part, index) =>
        index % 2 === 1 ? (
          <span key={`${index} ${part}`} class="control">
            {codeOf(part)}
          </span>
        ) : (
          part
        )
      )}
    </bdi>
  )
}

import assert from 'node:assert/strict'
import type { Locator, Page } from 'playwright-core'

/** What a stranger may write, and what of it is to be seen. */
export interface StrangersText {
  raw: string
  shown: string
}

const RUN = 'window.__executed=1'

/** Markup, scripts, event handlers, addresses and templates that would run somewhere. */
const MARKUP = [
  `<script>${RUN}</script>`,
  `<img src=x onerror="${RUN}">`,
  `<svg onload=${RUN}>`,
  `<svg><script>${RUN}</script></svg>`,
  `"><script>${RUN}</script>`,
  `' onmouseover='${RUN}`,
  `" autofocus onfocus="${RUN}" x="`,
  `</title><script>${RUN}</script>`,
  `</script><script>${RUN}</script>`,
  `<iframe srcdoc="<script>parent.__executed=1</script>">`,
  `<iframe src="javascript:parent.__executed=1">`,
  `<a href="javascript:${RUN}">here</a>`,
  `javascript:${RUN}`,
  `data:text/html,<script>${RUN}</script>`,
  `{{constructor.constructor('${RUN}')()}}`,
  `\${${RUN}}`,
  `<%= ${RUN} %>`,
  `#{${RUN}}`,
  `<style>*{display:none}</style>`,
  `<meta http-equiv="refresh" content="0;url=javascript:${RUN}">`,
  `<object data="javascript:${RUN}"></object>`,
  `<math><mtext><table><mglyph><style><img src=x onerror=${RUN}>`,
  `&lt;script&gt;${RUN}&lt;/script&gt;`,
  `<!--><img src=x onerror=${RUN}>-->`,
  '__proto__'
]

const same = (raw: string): StrangersText => ({ raw, shown: raw })

/** What changes how the text around it is read; the page shows that it is there. */
const SPICES: readonly StrangersText[] = [
  same(''),
  { raw: '\u202e', shown: 'U+202E' },
  { raw: '\u2066', shown: 'U+2066' },
  { raw: '\u200f', shown: 'U+200F' },
  { raw: '\u0000', shown: 'U+0000' },
  { raw: '\u001b]0;owned\u0007', shown: 'U+001B]0;ownedU+0007' },
  { raw: '\u009b31m', shown: 'U+009B31m' },
  { raw: '\u2028', shown: 'U+2028' },
  { raw: '\u200b', shown: 'U+200B' },
  { raw: '\ufeff', shown: 'U+FEFF' },
  { raw: '\u{e0041}', shown: 'U+E0041' },
  { raw: '\ud800', shown: '\ufffd' },
  same('\n\t'),
  same('👩‍👩‍👧 😀'),
  same('שלום'),
  same('مرحبا'),
  same('Z͑ͫ̓ͪ̂ͫ̽͏̴̙'),
  same('𝕏é'),
  same('\\u003cscript\\u003e'),
  same('x'.repeat(5_000))
]

/** A thousand texts: each markup with each spice, before and after it. */
export const STRANGERS_TEXTS: readonly StrangersText[] = MARKUP.flatMap((markup) =>
  SPICES.flatMap(({ raw, shown }) => [
    { raw: `${raw}${markup}`, shown: `${shown}${markup}` },
    { raw: `${markup}${raw}`, shown: `${markup}${shown}` }
  ])
).map(({ raw, shown }, index) => ({ raw: `${index} ${raw}`, shown: `${index} ${shown}` }))

/** Longer ones are cut somewhere, by how much room there is. */
const SURELY_SHOWN = 100

/** Each text is there as text, in that order. */
export async function showsTexts(elements: Locator, texts: readonly StrangersText[]): Promise<void> {
  const found = await elements.allTextContents()
  assert.equal(found.length, texts.length)
  for (const [index, { raw, shown }] of texts.entries()) {
    const text = found[index] ?? ''
    if (raw.length <= SURELY_SHOWN) assert.equal(text, shown)
    else assert.ok(text.startsWith(shown.slice(0, SURELY_SHOWN)), `${text.slice(0, 200)} is not ${shown.slice(0, 200)}`)
  }
}

const FORBIDDEN =
  'main :is(script, iframe, img, object, embed, style, meta, link, math, [onerror], [onload], [onfocus], [onmouseover], [href^="javascript" i], [href^="data" i])'

/** Nothing that was written by others became part of the program. */
export async function nothingRan(page: Page, faults: readonly string[]): Promise<void> {
  assert.equal(await page.evaluate('globalThis.__executed'), undefined)
  assert.equal(await page.locator(FORBIDDEN).count(), 0)
  assert.deepEqual(faults, [])
}

import type { TestContext } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { programOrSkip } from './server.ts'

/** Nothing that Chromium does on its own account, and no sandbox where the tests are root. */
const ARGUMENTS = [
  '--no-sandbox',
  '--headless',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync'
]

/** Debian's Chromium with an empty profile, closed when the test ends; undefined after the test was skipped. */
export async function launchChromium(t: Pick<TestContext, 'skip' | 'after'>): Promise<Browser | undefined> {
  const executablePath = programOrSkip(t, 'chromium')
  if (executablePath === undefined) return undefined
  const { chromium } = await import('playwright-core')
  const browser = await chromium.launch({ executablePath, args: ARGUMENTS })
  t.after(() => browser.close())
  return browser
}

/** What must not happen on a page that shows strangers' text. */
export interface Watched {
  /** Errors, dialogs and violations of the policy so far. */
  readonly faults: string[]
}

/** Writes down what goes wrong on a page. */
export async function watchPage(page: Page): Promise<Watched> {
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(`console: ${message.text()}`)
  })
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  await page.addInitScript(
    "addEventListener('securitypolicyviolation', (event) => console.error('policy', event.violatedDirective, event.sample))"
  )
  return { faults }
}
